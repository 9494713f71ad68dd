"""What the additions are for: residual connections are taken out layer by layer, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice
from labs.contract.drawing import Figure, Role, power_ticks
from labs.contract.labels import LABEL_GAP, spread_labels
from labs.tools.budgets import PerDevice

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

REMOVED = (0, 1, 2, 4, 8)
"""Layers, from the first one on, that do without both additions."""
SYMBOLS = ("circle", "square", "diamond", "cross", "x")
WITHOUT = frozenset({"attention_residual", "feed_forward_residual"})
Kind = Literal["gradients", "activations"]
_LEAST = 1e-12
"""The smallest gradient that is drawn."""


@dataclass(frozen=True)
class ResidualParams(Params):
    """Weights that were trained with the additions, or fresh ones; the text is held out."""

    weights: str = choice("untrained", ("untrained", "trained"), primary=True)
    tokens: int = choice(32, (16, 32, 64, 128), unit="tokens", primary=True)


class Passed(TypedDict):
    """Of one forward and backward pass: along the stream, embedding first, L + 1 values each."""

    activations: list[float]
    gradients: list[float]
    loss: float


class ResidualResult(TypedDict):
    """By the number of layers without their additions, as text."""

    passes: dict[str, Passed]


class Residual(Experiment[ResidualParams, ResidualResult]):
    """The size of the hidden stream, and of the loss's gradient at it, before and after every layer."""

    def seconds(self, params: ResidualParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.0, cuda=1.0).on(device) + params.tokens * PerDevice(cpu=0.06, cuda=1e-4).on(
            device
        )

    def measure(self, params: ResidualParams, ctx: Context) -> ResidualResult:
        """A copy of the model reads a text and its loss goes backwards, once for each number of layers."""
        from labs.q05_shapes.stepwise import blocks_replaced
        from labs.tools import heldout
        from labs.tools.models import before_each_layer, copied, untrained

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        trained = params.weights == "trained"
        model = copied(loaded.model) if trained else untrained(loaded.config, ctx.device)
        model.requires_grad_(False)  # only the stream's gradient is looked at
        rows = heldout.held_out_windows(loaded.tokenizer, "english", 1, params.tokens, ctx)
        counts = [count for count in REMOVED if count <= loaded.config.num_layers]
        partials = []
        for index, count in enumerate(counts):
            ctx.progress((index + 1) / (len(counts) + 1), "removed", count=count)
            with blocks_replaced(model, count, WITHOUT), before_each_layer(model, ctx.check_cancelled):
                partials.append({"count": count, "passed": _passed(model, rows.to(ctx.device))})
            ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: ResidualParams, partials: Partials) -> ResidualResult:
        """The passes that were made."""
        return {"passes": {str(partial["count"]): partial["passed"] for partial in partials}}

    def show(self, result: ResidualResult, text: Words) -> Shown:
        """`gradients`: their size along the stream; `activations`: the stream's own."""
        passes = result["passes"]
        figures = {
            "gradients": _along(passes, "gradients", text),
            "activations": _along(passes, "activations", text),
        }
        rows: list[Row] = [
            {
                text("removed"): int(count),
                text("gradient_first"): passed["gradients"][0],
                text("activation_last"): passed["activations"][-1],
                text("axis.loss"): passed["loss"],
            }
            for count, passed in passes.items()
        ]
        return Shown(
            figures,
            rows,
            notes=_notes(passes, text),
            numbers={
                text("residual.number", count=count): passed["gradients"][0]
                for count, passed in passes.items()
            },
        )


def _notes(passes: dict[str, Passed], text: Words) -> list[str]:
    """How much of the gradient arrives where most additions are gone, and what that means."""
    count, most = list(passes.items())[-1]
    ratio = most["gradients"][0] / max(passes["0"]["gradients"][0], _LEAST)
    said = [text("residual.note", count=count, ratio=ratio)]
    return [*said, *([text("residual.grows")] if ratio > 1 else []), text("residual.change")]


def _passed(model: MiniMind, rows: Tensor) -> Passed:
    """One forward of rows int64 [1, T + 1], and the loss's gradient back to the embedding."""
    import torch
    from torch.nn.functional import cross_entropy

    from labs.tools.models import hooked

    stream: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept = output if output.requires_grad else output.requires_grad_()
        kept.retain_grad()
        stream.append(kept)
        return kept

    watched = [model.model.embed_tokens, *model.model.layers]
    with hooked(module.register_forward_hook(keep) for module in watched), torch.enable_grad():
        logits = model(rows[:, :-1])[0]  # [T, V]
        loss = cross_entropy(logits, rows[0, 1:])
        loss.backward()
    return {
        "activations": [float(hidden.detach().pow(2).mean().sqrt()) for hidden in stream],
        "gradients": [float(hidden.grad.norm()) for hidden in stream if hidden.grad is not None],
        "loss": float(loss.detach()),
    }


def _along(passes: dict[str, Passed], kind: Kind, text: Words) -> Figure:
    """A line for each number of layers, over the place in the stream; named where the lines part."""
    figure, values, ends = Figure(), [], []
    last = max(len(passed[kind]) for passed in passes.values()) - 1
    place = 0 if kind == "gradients" else last
    for (count, passed), symbol in zip(passes.items(), SYMBOLS, strict=False):
        along = [max(value, _LEAST) for value in passed[kind]]
        role: Role = "peer" if count == "0" else "measured"
        figure.line(
            list(range(len(along))),
            along,
            role,
            text("residual.line", count=count),
            symbol=symbol,
            size=8,
            hover="%{x}: %{y:.3g}",
        )
        values += along
        ends.append(math.log10(along[place]))
    low, high = math.log10(min(values)) - 0.5, math.log10(max(values)) + 0.5
    left = kind == "gradients"
    for count, height in zip(passes, spread_labels(ends, LABEL_GAP * (high - low)), strict=True):
        side = {"xanchor": "right", "xshift": -8} if left else {"xanchor": "left", "xshift": 8}
        figure.note(place, height, count, showarrow=False, **side)
    figure.x_axis(text("axis.place"), dtick=1, span=(-0.8 if left else -0.2, last + (0.2 if left else 0.8)))
    figure.y_axis(text(f"axis.{kind}"), log=True, span=(low, high), ticks=power_ticks(10**low, 10**high, 2))
    return figure
