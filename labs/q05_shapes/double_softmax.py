"""A softmax before cross-entropy: four small models are trained, and what each learns is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from labs.contract.labels import LABEL_GAP, spread_labels
from labs.tools.budgets import PerDevice
from minimind_core.model.config import PRESETS

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

CONFIG = PRESETS["toy"]
KINDS: dict[str, Role] = {
    "plain_adamw": "peer",
    "double_adamw": "measured",
    "plain_sgd": "peer",
    "double_sgd": "measured",
}
"""With and without the second softmax, under either optimizer, and how each is drawn."""
SYMBOLS = {"adamw": "circle", "sgd": "diamond-open"}
LEARNING_RATES = {"adamw": 3e-3, "sgd": 0.1}
"""SGD has a momentum of 0.9; three times its rate makes the plain model diverge."""
BATCH, LENGTH, WINDOWS, READINGS = 16, 32, 24, 8
SAME = 0.01
"""Of the text: a share that has moved by less has stayed where it was."""
Fact = Literal["printed", "true", "accuracy", "confidence"]


@dataclass(frozen=True)
class DoubleSoftmaxParams(Params):
    """Steps of each of the four models."""

    steps: int = choice(120, (40, 120, 240), primary=True)
    seed: int = whole(0, 0, 2**31 - 1)


class Reading(TypedDict):
    """On held-out text: the loss as it is printed, and that of the logits in nats a token.

    `accuracy` is the share of tokens whose most likely successor is the right one, `confidence` the mean
    probability that is given to it.
    """

    step: int
    printed: float
    true: float
    accuracy: float
    confidence: float


class DoubleSoftmaxResult(TypedDict):
    """The readings of each model as far as it was trained, and the limits of a loss after two softmaxes."""

    curves: dict[str, list[Reading]]
    floor: float
    ceiling: float


class DoubleSoftmax(Experiment[DoubleSoftmaxParams, DoubleSoftmaxResult]):
    """The same first weights and the same batches, under AdamW and SGD, with one softmax and with two."""

    id = "q05/double_softmax"

    def seconds(self, params: DoubleSoftmaxParams, device: DeviceClass) -> float:
        return 3.0 + len(KINDS) * params.steps * PerDevice(cpu=0.025, cuda=0.012).on(device)

    def measure(self, params: DoubleSoftmaxParams, ctx: Context) -> DoubleSoftmaxResult:
        """Trains the models one after another; a reading is emitted as soon as it is made."""
        import torch

        from labs.tools import heldout
        from labs.tools.models import untrained
        from minimind_core.tokenizer import load_tokenizer

        ctx.progress(0.0, "text")
        tokenizer, count = load_tokenizer("1k"), BATCH * params.steps
        train = heldout.windows(
            tokenizer, heldout.training("english"), count, LENGTH, params.seed, ctx.check_cancelled
        ).to(ctx.device)
        held_out = heldout.held_out_windows(tokenizer, "english", WINDOWS, LENGTH, ctx).to(ctx.device)
        every, partials = max(1, params.steps // READINGS), []
        for index, kind in enumerate(KINDS):
            softmaxes, optimizer_name = kind.split("_")
            share = ctx.part(0.1 + 0.9 * index / len(KINDS), 0.1 + 0.9 * (index + 1) / len(KINDS), kind)
            model, double = untrained(CONFIG, ctx.device, params.seed), softmaxes == "double"
            optimizer: torch.optim.Optimizer = (
                torch.optim.AdamW(model.parameters(), lr=LEARNING_RATES["adamw"])
                if optimizer_name == "adamw"
                else torch.optim.SGD(model.parameters(), lr=LEARNING_RATES["sgd"], momentum=0.9)
            )
            for step in range(params.steps + 1):
                share(step / (params.steps + 1))
                if step % every == 0:
                    partials.append(
                        {"kind": kind, "reading": {"step": step, **_read(model, held_out, double)}}
                    )
                    ctx.emit(partials[-1])
                places = torch.arange(step * BATCH, (step + 1) * BATCH) % len(train)
                optimizer.zero_grad()
                _loss(*_logits(model, train[places]), double).backward()
                optimizer.step()
        return self.so_far(params, partials)

    def so_far(self, params: DoubleSoftmaxParams, partials: Partials) -> DoubleSoftmaxResult:
        """The readings that were made."""
        curves: dict[str, list[Reading]] = {}
        for partial in partials:
            curves.setdefault(partial["kind"], []).append(partial["reading"])
        ceiling = math.log(math.e + CONFIG.vocab_size - 1)
        return {"curves": curves, "floor": ceiling - 1, "ceiling": ceiling}

    def show(self, result: DoubleSoftmaxResult, text: Words) -> Shown:
        """`printed`: the loss that is printed, with its floor; `accuracy` and `true`: what was learned."""
        curves = result["curves"]
        limits = [(result["floor"], text("double.floor")), (result["ceiling"], text("double.ceiling"))]
        figures = {
            "printed": _curves(curves, "printed", limits, text),
            "accuracy": _curves(curves, "accuracy", [], text),
            "true": _curves(curves, "true", [(math.log(CONFIG.vocab_size), text("uniform"))], text),
        }
        last = {kind: curve[-1] for kind, curve in curves.items()}
        rows: list[Row] = [
            {
                text("model"): text(f"double.{kind}"),
                text("axis.printed"): reading["printed"],
                text("axis.true"): reading["true"],
                text("right"): 100 * reading["accuracy"],
                text("axis.confidence"): 100 * reading["confidence"],
            }
            for kind, reading in last.items()
        ]
        if len(curves) < len(KINDS):
            return Shown(figures, rows)
        reached = min(reading["printed"] for reading in curves["double_adamw"])
        return Shown(
            figures,
            rows,
            notes=_notes(last, curves["double_sgd"][0]["accuracy"], text),
            numbers={
                f"{text(f'double.{kind}')} (%)": 100 * reading["accuracy"] for kind, reading in last.items()
            },
            sentence={"said": 0, "formula": result["floor"], "measured": reached, "unit": "nats"},
        )


def _notes(last: dict[str, Reading], before: float, text: Words) -> list[str]:
    """What the numbers are, what was learned beside `before`, and whether the probabilities are worth less.

    All four models were right for `before` of the text when they were fresh.
    """
    stuck = abs(last["double_sgd"]["accuracy"] - before) < SAME
    wrong = last["double_adamw"]["true"] > math.log(CONFIG.vocab_size)
    return [
        text("double.sentence"),
        text("double.note", **{kind: reading["accuracy"] for kind, reading in last.items()}),
        text("double.stuck" if stuck else "double.before", before=before),
        *([text("double.worse")] if wrong else []),
        text("double.change"),
    ]


def _logits(model: MiniMind, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [B * T, V] and targets [B * T] of rows int64 [B, T + 1]."""
    return model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()


def _loss(logits: Tensor, targets: Tensor, double: bool) -> Tensor:
    """Cross-entropy; with `double` of the probabilities, as if they were logits: the mistake."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.softmax(-1) if double else logits, targets)


def _read(model: MiniMind, rows: Tensor, double: bool) -> dict[str, float]:
    """A Reading without its step."""
    import torch

    with torch.inference_mode():
        logits, targets = _logits(model, rows)
        likeliest, guesses = logits.softmax(-1).max(-1)
        return {
            "printed": float(_loss(logits, targets, double)),
            "true": float(_loss(logits, targets, False)),
            "accuracy": float((guesses == targets).float().mean()),
            "confidence": float(likeliest.mean()),
        }


def _curves(
    curves: dict[str, list[Reading]], fact: Fact, limits: list[tuple[float, str]], text: Words
) -> Figure:
    """A line for every model over its steps, named at its end, and lines at the limits."""
    figure, ends = Figure(), []
    last = max((reading["step"] for curve in curves.values() for reading in curve), default=1) or 1
    for kind, curve in curves.items():
        steps, values = [reading["step"] for reading in curve], [reading[fact] for reading in curve]
        symbol = SYMBOLS[kind.partition("_")[2]]
        figure.line(
            steps, values, KINDS[kind], symbol=symbol, size=8, hover="%{x}: %{y:.3g}", showlegend=False
        )
        ends.append((values[-1], text(f"double.{kind}")))
    for height, name in limits:
        figure.line([0, last], [height] * 2, "formula", hover="%{y:.4f}", showlegend=False)
        ends.append((height, name))
    top = 1.1 * max(0.1, *(height for height, _ in ends))
    for (_, name), height in zip(ends, spread_labels([end for end, _ in ends], LABEL_GAP * top), strict=True):
        figure.note(last, height, name, showarrow=False, xanchor="left", xshift=8)
    figure.x_axis(text("axis.step"), span=(0, 1.7 * last))
    figure.y_axis(
        text(f"axis.{fact}"), span=(0, top), **({"tickformat": ".0%"} if fact == "accuracy" else {})
    )
    return figure
