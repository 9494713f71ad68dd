"""The loss of a fresh model by the spread of its embedding, tied to the head or not.

The formula follows every spread at once; a run measures four of them, and the one that is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Context, Data, Experiment, Params, Row, Shown, ThreeNumbers, Words, choice, real
from labs.contract.drawing import Figure, round_ticks
from labs.q11_nan.claims import given
from labs.tools.budgets import PerDevice

STDS = {"std_0_02": 0.02, "std_0_1": 0.1, "std_0_3": 0.3, "std_1": 1.0}
"""Measured by every run."""
USUAL, CHOSEN = 1.0, "chosen"
"""The spread that is looked at if nobody says otherwise; the name of one that is none of the four."""
SPAN, POINTS = (0.01, 2.0), 60
"""Of the spread, as it can be chosen and as the formula is drawn."""
BATCH = PerDevice(cpu=(2, 64), cuda=(16, 256))
HIDDEN = 512
KINDS = ("tied", "untied")


@dataclass(frozen=True)
class FirstLossParams(Params):
    """The spread that is looked at, and on which text; a fresh model has read none."""

    std: float = real(USUAL, *SPAN, step=0.01, primary=True)
    text: str = choice("english", ("english", "code", "chinese"), primary=True, label="text")


class FirstLossResult(TypedDict):
    """Nats a token by spread; and for the tied model how often its first guess is the token just read.

    `std` is the chosen spread where that is not 1. The formula has neither repeats nor parameters.
    """

    tied: dict[str, float]
    untied: dict[str, float]
    repeats_percent: NotRequired[dict[str, float]]
    uniform: float
    parameters: NotRequired[int]
    std: NotRequired[float]


class FirstLoss(Experiment[FirstLossParams, FirstLossResult]):
    """The loss before the first step: ln V, or a diagnosis."""

    takes = PerDevice(cpu=4.0, cuda=2.0)
    drawn_by_formula = True

    def formula(self, params: FirstLossParams) -> Data:
        """See `tied` and `untied`; both for our hidden size and vocabulary."""
        stds = spreads(params.std)
        return {
            "tied": {name: tied(std) for name, std in stds.items()},
            "untied": {name: untied(std) for name, std in stds.items()},
            "uniform": math.log(given("vocabulary")),
            "std": params.std,
        }

    def measure(self, params: FirstLossParams, ctx: Context) -> FirstLossResult:
        import torch
        import torch.nn.functional as F

        from labs.tools import heldout
        from labs.tools.models import untrained

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        count, length = BATCH.on(ctx.device)
        rows = heldout.held_out_windows(loaded.tokenizer, params.text, count, length, ctx).to(ctx.device)
        inputs, targets = rows[:, :-1], rows[:, 1:].flatten()
        losses: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        repeats: dict[str, float] = {}
        for index, kind in enumerate(KINDS):
            config = loaded.config.replace(tie_word_embeddings=kind == "tied")
            ctx.progress(0.1 + 0.45 * index, "building")
            model = untrained(config, ctx.device).eval()
            head = model.head_weight
            before = head.detach().clone() / head.std()
            for std_name, std in spreads(params.std).items():
                ctx.check_cancelled()
                with torch.inference_mode():
                    head.copy_(before * std)
                    logits = model(inputs).float().flatten(0, 1)  # [B * T, V]
                    losses[kind][std_name] = float(F.cross_entropy(logits, targets))
                if kind == "tied":
                    same = logits.argmax(-1) == inputs.flatten()
                    repeats[std_name] = 100 * float(same.float().mean())
        result: FirstLossResult = {
            "tied": losses["tied"],
            "untied": losses["untied"],
            "repeats_percent": repeats,
            "uniform": math.log(loaded.config.vocab_size),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
        if params.std != USUAL:
            result["std"] = params.std
        return result

    def show(self, result: FirstLossResult, text: Words) -> Shown:
        """`losses`: by spread, with a line at the chosen one."""
        std = result.get("std", USUAL)
        stds = spreads(std)
        name = next(name for name, value in stds.items() if value == std)
        figures = {"losses": _drawn(result, std, text)}
        if "repeats_percent" not in result:
            values = {"uniform": result["uniform"], "tied": tied(std), "untied": untied(std)}
            return Shown(figures, notes=[text("note.first_loss_formula", std=std, **values)])
        repeats = result["repeats_percent"]
        rows: list[Row] = [
            {
                text("std"): value,
                text("tied"): result["tied"][key],
                text("tied_formula"): tied(value),
                text("untied"): result["untied"][key],
                text("untied_formula"): untied(value),
                text("repeats"): repeats[key],
            }
            for key, value in sorted(stds.items(), key=lambda pair: pair[1])
        ]
        sentence: ThreeNumbers = {
            "said": result["uniform"],
            "formula": tied(std),
            "measured": result["tied"][name],
            "unit": text("nats"),
        }
        note = text("note.first_loss", uniform=result["uniform"], std=std, repeats=repeats[name])
        numbers = {f"{text('tied')}, σ = {std:g}": result["tied"][name]}
        return Shown(figures, rows, [note], numbers, sentence)


def spreads(std: float) -> dict[str, float]:
    """By name what is measured: four spreads, and the chosen one where it is another.

    >>> list(spreads(0.3)), spreads(0.25)["chosen"]
    (['std_0_02', 'std_0_1', 'std_0_3', 'std_1'], 0.25)
    """
    return STDS if std in STDS.values() else {**STDS, CHOSEN: std}


def tied(std: float) -> float:
    """The hidden state is the embedding of the token just read, at length √C: its own logit is σC.

    The others are normal with deviation σ√C, the target's among them. ln(exp(σC) + V exp(σ²C/2)), and the
    second term as in `untied`.
    """
    own, others = std * HIDDEN, untied(std)
    return max(own, others) + math.log1p(math.exp(-abs(own - others)))


def untied(std: float) -> float:
    """ln V + σ²C/2, the mean of exp over normal logits; beyond σ√C = √(2 ln V) the largest of V rules alone,
    at σ√(2 C ln V) (Derrida's random energy model, 1981)."""
    uniform, spread = math.log(given("vocabulary")), std * math.sqrt(HIDDEN)
    return uniform + spread**2 / 2 if spread < math.sqrt(2 * uniform) else spread * math.sqrt(2 * uniform)


def _drawn(result: FirstLossResult, std: float, text: Words) -> Figure:
    """The formula as a curve, what was measured as marks."""
    figure, known = Figure(), spreads(std)
    curve = np.geomspace(*SPAN, POINTS).tolist()
    for kind, formula, symbol in zip(KINDS, (tied, untied), ("circle", "square"), strict=True):
        by_formula = [formula(one) for one in curve]
        name = text(kind)
        figure.line(curve, by_formula, "formula", f"{name}, {text('formula')}", hover="%{x:.3g}: %{y:.1f}")
        if "repeats_percent" in result:
            losses = [result[kind][key] for key in known]  # type: ignore[literal-required]
            stds = list(known.values())
            figure.marks(stds, losses, "measured", name, hover="%{x}: %{y:.1f}", symbol=symbol, size=10)
    figure.line([std, std], [5, 1200], "peer", f"σ = {std:g}", width=1)
    figure.x_axis(text("std"), log=True, ticks=round_ticks(*SPAN))
    figure.y_axis(text("axis.loss"), log=True, ticks=round_ticks(5, 1000))
    return figure
