"""The loss of a fresh model by the spread of its embedding, tied to the head or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words, choice
from labs.contract.drawing import Figure, round_ticks
from labs.q11_nan.claims import given
from labs.tools.budgets import PerDevice

STDS = {"std_0_02": 0.02, "std_0_1": 0.1, "std_0_3": 0.3, "std_1": 1.0}
BATCH = PerDevice(cpu=(2, 64), cuda=(16, 256))
HIDDEN = 512
KINDS = ("tied", "untied")


@dataclass(frozen=True)
class FirstLossParams(Params):
    """On which text; a fresh model has read none."""

    text: str = choice("english", ("english", "code", "chinese"), primary=True, label="text")


class FirstLossResult(TypedDict):
    """Nats a token by spread; and for the tied model how often its first guess is the token just read."""

    tied: dict[str, float]
    untied: dict[str, float]
    repeats_percent: dict[str, float]
    uniform: float
    parameters: int


class FirstLoss(Experiment[FirstLossParams, FirstLossResult]):
    """The loss before the first step: ln V, or a diagnosis."""

    takes = PerDevice(cpu=4.0, cuda=2.0)

    def formula(self, params: FirstLossParams) -> Data:
        """See `tied` and `untied`; both for our hidden size and vocabulary."""
        return {
            "tied": {name: tied(std) for name, std in STDS.items()},
            "untied": {name: untied(std) for name, std in STDS.items()},
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
            for std_name, std in STDS.items():
                ctx.check_cancelled()
                with torch.inference_mode():
                    head.copy_(before * std)
                    logits = model(inputs).float().flatten(0, 1)  # [B * T, V]
                    losses[kind][std_name] = float(F.cross_entropy(logits, targets))
                if kind == "tied":
                    same = logits.argmax(-1) == inputs.flatten()
                    repeats[std_name] = 100 * float(same.float().mean())
        return {
            "tied": losses["tied"],
            "untied": losses["untied"],
            "repeats_percent": repeats,
            "uniform": math.log(loaded.config.vocab_size),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }

    def show(self, result: FirstLossResult, text: Words) -> Shown:
        formula = self.formula(FirstLossParams())
        rows: list[Row] = [
            {
                text("std"): std,
                text("tied"): result["tied"][name],
                text("tied_formula"): formula["tied"][name],
                text("untied"): result["untied"][name],
                text("untied_formula"): formula["untied"][name],
                text("repeats"): result["repeats_percent"][name],
            }
            for name, std in STDS.items()
        ]
        note = text("note.first_loss", uniform=result["uniform"], repeats=result["repeats_percent"]["std_1"])
        return Shown(
            {"losses": _drawn(result, formula, text)},
            rows,
            [note],
            {f"{text('tied')}, σ = 1": result["tied"]["std_1"]},
            {
                "said": result["uniform"],
                "formula": formula["tied"]["std_1"],
                "measured": result["tied"]["std_1"],
                "unit": text("nats"),
            },
        )


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


def _drawn(result: FirstLossResult, formula: Data, text: Words) -> Figure:
    figure, stds = Figure(), list(STDS.values())
    for kind, symbol in zip(KINDS, ("circle", "square"), strict=True):
        losses = [result[kind][name] for name in STDS]  # type: ignore[literal-required]
        by_formula = [formula[kind][name] for name in STDS]
        figure.line(stds, by_formula, "formula", f"{text(kind)}, {text('formula')}", hover="%{x}: %{y:.1f}")
        figure.marks(stds, losses, "measured", text(kind), hover="%{x}: %{y:.1f}", symbol=symbol, size=10)
    figure.x_axis(text("std"), log=True, ticks={std: f"{std:g}" for std in stds})
    figure.y_axis(text("axis.loss"), log=True, ticks=round_ticks(5, 600))
    return figure
