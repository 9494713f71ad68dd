"""The quiet variant: where BOS and EOS are added, empty texts raise no alarm and teach the model to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, whole
from labs.contract.drawing import Figure, Role
from labs.tools.budgets import PerDevice

if TYPE_CHECKING:
    from labs.q02_empty_text.training_steps import MicroBatch, Training
    from minimind_core.files.checkpoint import LoadedModel

SMALL_MODEL = "nano-rope"
ROWS, LENGTH = 16, 24
ARMS: dict[str, tuple[Role, str]] = {"clean": ("peer", "circle-open"), "empty": ("measured", "circle")}
"""Trained on the same texts; `empty` has some of its rows replaced by empty ones."""
LAST_STEPS = 20
"""Steps at the end that a number is the mean of: about one swing of AdamW's momentum around its goal."""


@dataclass(frozen=True)
class QuietParams(Params):
    """How many of the rows are empty, and how long to train on from the checkpoint."""

    empty_percent: int = whole(30, 0, 90, primary=True)
    steps: int = whole(40, 20, 200, primary=True)


class QuietResult(TypedDict, total=False):
    """By arm and step: percent of probability that EOS has right after BOS, and the training loss (nats).

    `stop_percent` is the former at the end, by arm; `nan_losses` counts losses that were not finite.
    """

    empty_percent: int
    steps: int
    curves: dict[str, list[float]]
    losses: dict[str, list[float]]
    stop_percent: dict[str, float]
    nan_losses: int


class Quiet(Experiment[QuietParams, QuietResult]):
    """A small model trained on, with and without empty rows between BOS and EOS."""

    def seconds(self, params: QuietParams, device: DeviceClass) -> float:
        return PerDevice(cpu=1 + 0.25 * params.steps, cuda=1 + 0.06 * params.steps).on(device)

    def formula(self, params: QuietParams) -> Data:
        """Cross-entropy is least where the model gives EOS the share of rows that have it there."""
        return {"stop_percent": {"clean": 0, "empty": params.empty_percent}}

    def measure(self, params: QuietParams, ctx: Context) -> QuietResult:
        """Both arms advance together."""
        import torch

        from labs.q02_empty_text.training_steps import Training, ordinary_step, training_copy

        ctx.progress(0.0, "loading_model", model=SMALL_MODEL)
        loaded = ctx.model(SMALL_MODEL)
        texts = _texts(loaded, params.steps * ROWS)
        arms = {
            name: Training(training_copy(loaded.model, True), "masked_mean", "fp32", clip=True)
            for name in ARMS
        }
        on_progress = ctx.part(0.1, 1.0, "quiet")
        pieces = []
        for step in range(params.steps):
            on_progress(step / params.steps)
            rows = texts[step * ROWS : (step + 1) * ROWS]
            mixed = [
                [] if _is_empty(index, params.empty_percent) else row
                for index, row in enumerate(rows, step * ROWS)
            ]
            batches = {"clean": _batch(rows, loaded, ctx.device), "empty": _batch(mixed, loaded, ctx.device)}
            losses = {name: ordinary_step(arm, batches[name]) for name, arm in arms.items()}
            with torch.no_grad():
                stops = {name: _stops(arm, loaded) for name, arm in arms.items()}
            pieces.append({"losses": losses, "stops": stops})
            ctx.emit(pieces[-1])
        return self.so_far(params, pieces)

    def so_far(self, params: QuietParams, partials: Partials) -> QuietResult:
        curves = {name: [piece["stops"][name] for piece in partials] for name in ARMS}
        losses = {name: [piece["losses"][name] for piece in partials] for name in ARMS}
        return {
            "empty_percent": params.empty_percent,
            "steps": params.steps,
            "curves": curves,
            "losses": losses,
            "stop_percent": {name: _end(curve) for name, curve in curves.items()},
            "nan_losses": sum(loss != loss for curve in losses.values() for loss in curve),
        }

    def show(self, result: QuietResult, text: Words) -> Shown:
        """The probability of stopping at once, and the losses, which say nothing of it."""
        stop, share = result["stop_percent"], result["empty_percent"]
        rows: list[Row] = [
            {
                text("rows_are"): text(f"arm.{name}", percent=share),
                text("axis.stop"): stop[name],
                text("last_loss"): _end(result["losses"][name]),
            }
            for name in ARMS
        ]
        return Shown(
            {"stop": _curves(result, "curves", text), "loss": _curves(result, "losses", text)},
            rows,
            notes=[
                text("quiet.sentence"),
                text("quiet.change"),
                text("note.quiet", bad=result["nan_losses"]),
            ],
            numbers={text("axis.stop"): stop["empty"]},
            sentence={"said": 0, "formula": share, "measured": stop["empty"], "unit": "%"},
        )


def _texts(loaded: LoadedModel, count: int) -> list[list[int]]:
    """Stretches of text as ids, in a fixed order, as often as they are needed."""
    from labs.tools import heldout

    documents = heldout.training("english")
    rows = heldout.windows(loaded.tokenizer, documents, count, LENGTH - 2, 0).tolist()
    return [rows[index % len(rows)] for index in range(count)]


def _is_empty(index: int, percent: int) -> bool:
    """One row in so many, evenly: chance would blur the share.

    >>> [index for index in range(10) if _is_empty(index, 30)]
    [3, 6, 9]
    """
    return (index + 1) * percent // 100 > index * percent // 100


def _batch(texts: Sequence[list[int]], loaded: LoadedModel, device: str) -> MicroBatch:
    """BOS, the text and EOS in each row."""
    from labs.q02_empty_text.row_kinds import LoadedRow
    from labs.q02_empty_text.training_steps import MicroBatch

    config = loaded.config
    ids = [[config.bos_id, *text, config.eos_id] for text in texts]
    rows = [LoadedRow(row, [True] * len(row)) for row in ids]
    return MicroBatch.of(rows, config.pad_id, LENGTH, device)


def _stops(arm: Training, loaded: LoadedModel) -> float:
    """Percent of probability that EOS has after BOS alone."""
    import torch

    ids = torch.tensor([[loaded.config.bos_id]], device=arm.device)
    return 100 * float(arm.model(ids)[0, -1].float().softmax(-1)[loaded.config.eos_id])


def _end(curve: Sequence[float]) -> float:
    """The mean of the last steps."""
    last = curve[-LAST_STEPS:]
    return sum(last) / len(last)


def _curves(result: QuietResult, which: str, text: Words) -> Figure:
    figure = Figure(height=300 if which == "curves" else 220)
    steps = range(1, len(result["losses"]["clean"]) + 1)
    for name, (role, symbol) in ARMS.items():
        values = result["curves"][name] if which == "curves" else result["losses"][name]
        label = text(f"arm.{name}", percent=result["empty_percent"])
        figure.line(steps, values, role, label, hover="%{x}: %{y:.3g}", symbol=symbol, size=6)
    figure.x_axis(text("axis.step"), span=(0, result["steps"] + 1))
    if which == "curves":
        share = result["empty_percent"]
        figure.line([0, result["steps"] + 1], [share, share], "formula", text("share"))
        figure.y_axis(text("axis.stop"), span=(-2, min(102, share + 40)))
    else:
        figure.y_axis(text("axis.loss"), from_zero=True)
    return figure
