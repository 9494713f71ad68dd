"""Who looks at whom: the attention weights of the real model, of every head in every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Experiment, Params, Shown, Words, whole
from labs.contract.drawing import Figure
from labs.q05_shapes.reading import ids_of, labels_of, short_text
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

if TYPE_CHECKING:
    from torch import Tensor

_ACROSS = 4
"""Heads in a row of the overview."""
SINK = 1.5
"""How many times the part of even attention the first token gets, to be called a sink."""


@dataclass(frozen=True)
class AttentionParams(Params):
    """The model reads the text once; `layer` and `head` choose what of it is drawn."""

    text: str = short_text()
    layer: int = whole(1, 1, 8, primary=True, view=True)
    head: int = whole(1, 1, 8, primary=True, view=True)


class AttentionView(TypedDict):
    """The chosen layer, weights [H, T, T], and the chosen head, both from 1 and within the model."""

    layer: int
    head: int
    weights: NDArray[np.float32]


class AttentionResult(TypedDict):
    """All weights [L, H, T, T]; the largest one above the diagonal, and the largest error of a row's sum."""

    tokens: list[str]
    weights: NDArray[np.float32]
    above_diagonal: float
    row_error: float
    view: NotRequired[AttentionView]


class Attention(Experiment[AttentionParams, AttentionResult]):
    """One forward with attention written out, every layer's weights kept."""

    takes = PerDevice(cpu=1.0, cuda=0.3)

    def measure(self, params: AttentionParams, ctx: Context) -> AttentionResult:
        """The weights after the softmax."""
        import torch

        from labs.q05_shapes.stepwise import Stepwise, attention_replaced
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = ids_of(loaded, params.text)
        ctx.progress(0.4, "prompt")
        layers: list[Tensor] = []
        with (
            torch.inference_mode(),
            attention_replaced(loaded.model, lambda own: Stepwise(own, note=_only_weights(layers))),
            before_each_layer(loaded.model, ctx.check_cancelled),
        ):
            loaded.model(torch.tensor([ids], device=ctx.device))
        weights = torch.cat(layers).float()  # [L, H, T, T]
        return {
            "tokens": labels_of(loaded, ids),
            "weights": weights.cpu().numpy(),
            "above_diagonal": float(weights.triu(1).max()),
            "row_error": float((weights.sum(-1) - 1).abs().max()),
        }

    def view(self, params: AttentionParams, result: AttentionResult) -> AttentionView:
        """The chosen layer and head, or the last ones of a model that has fewer."""
        layer, head = (
            min(chosen, size)
            for chosen, size in zip((params.layer, params.head), result["weights"].shape[:2], strict=True)
        )
        return {"layer": layer, "head": head, "weights": result["weights"][layer - 1]}

    def show(self, result: AttentionResult, text: Words) -> Shown:
        """`head`: the chosen one with its tokens; `heads`: its layer; `sink`: the first token's part."""
        view, tokens = result["view"], result["tokens"]
        one = Figure(height=420)
        one.heat(
            _visible(view["weights"][view["head"] - 1]),
            tokens,
            tokens,
            "measured",
            hover="%{y} → %{x}: %{z:.1%}",
            zmin=0,
            zmax=1,
        )
        one.x_axis(text("axis.key"), category=True, tickangle=-60)
        one.y_axis(text("axis.query"), category=True, reverse=True)
        facts = [_facts(weights) for weights in view["weights"]]
        return Shown(
            {
                "head": one,
                "heads": _overview(view["weights"], text),
                "sink": _first_token(result["weights"], text),
            },
            rows=[
                {text("head"): number, **{text(f"looks.{name}"): value for name, value in fact.items()}}
                for number, fact in enumerate(facts, 1)
            ],
            notes=[
                text(
                    "attention.note",
                    layer=view["layer"],
                    head=view["head"],
                    row_error=small_number(result["row_error"]),
                ),
                _sink(view, text),
                text("attention.change"),
            ],
            numbers={
                f"{text('looks.' + name)}": float(np.mean([fact[name] for fact in facts]))
                for name in facts[0]
            },
        )


def _only_weights(kept: list[Tensor]) -> Callable[[str, Tensor], None]:
    return lambda name, tensor: kept.append(tensor) if name == "weights" else None


def _visible(weights: NDArray[np.float32]) -> list[list[float | None]]:
    """The square [T, T] with holes where the mask is."""
    return [
        [float(weight) if key <= query else None for key, weight in enumerate(row)]
        for query, row in enumerate(weights)
    ]


def _facts(weights: NDArray[np.float32]) -> dict[str, float]:
    """Of one head [T, T], over all queries but the first: percent of its attention by where it goes."""
    late = weights[1:]
    places = np.arange(1, len(weights))
    return {
        "first": 100 * float(late[:, 0].mean()),
        "self": 100 * float(late[places - 1, places].mean()),
        "previous": 100 * float(late[places - 1, places - 1].mean()),
    }


def _sink(view: AttentionView, text: Words) -> str:
    """Whether the layer's heads look at the first token far more than even attention would."""
    share, even = float(view["weights"][:, 1:, 0].mean()), _even(view["weights"].shape[-1])
    key = "sink" if share > SINK * even else "no_sink"
    return text(f"attention.{key}", layer=view["layer"], share=share, even=even)


def _even(size: int) -> float:
    """The first token's part if each of the later ones looked at all that it may look at alike."""
    return float(np.mean([1 / (place + 1) for place in range(1, size)]))


def _overview(weights: NDArray[np.float32], text: Words) -> Figure:
    """All heads of a layer side by side, a gap of one cell between columns."""
    heads, size = weights.shape[:2]
    across = min(heads, _ACROSS)
    down, height = -(-heads // across), size + 2  # a title above each
    cells: list[list[Any]] = [[None] * (across * (size + 1)) for _ in range(down * height)]
    figure = Figure(height=130 + 110 * down)
    for head, square in enumerate(weights):
        top, left = head // across * height + 2, head % across * (size + 1)
        for query, row in enumerate(_visible(square)):
            cells[top + query][left : left + size] = row
        figure.note(left + size / 2, top - 1.5, f"{head + 1}", showarrow=False)
    figure.heat(
        cells,
        list(range(len(cells[0]))),
        list(range(len(cells))),
        "measured",
        hover="%{z:.1%}",
        zmin=0,
        zmax=1,
        hoverongaps=False,
    )
    figure.data[-1] |= {"xgap": 0, "ygap": 0}
    bare: dict[str, Any] = {"ticks": {}, "showgrid": False}
    figure.x_axis(text("axis.heads"), **bare)
    figure.y_axis(reverse=True, **bare)
    return figure


def _first_token(weights: NDArray[np.float32], text: Words) -> Figure:
    """The first token's part of all attention by layer, beside the part that even attention gives it."""
    size, layers = weights.shape[-1], list(range(1, len(weights) + 1))
    shares = weights[:, :, 1:, 0].mean((1, 2))
    even = _even(size)
    figure = Figure(height=260)
    figure.bars(layers, shares, "measured", text("looks.first"), labels=[f"{share:.0%}" for share in shares])
    figure.line(layers, [even] * len(layers), "formula", text("even"), hover="%{y:.1%}")
    figure.x_axis(text("axis.layer"), dtick=1)
    figure.y_axis(text("axis.first"), tickformat=".0%", span=(0, 1.1))
    return figure
