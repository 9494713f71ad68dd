"""Where the damage is: every parameter of the model at four moments of a step, and the losses around it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from labs.contract import Words
from labs.contract.drawing import Figure, Role

if TYPE_CHECKING:
    from labs.q02_empty_text.training_steps import Aftermath
    from minimind_core.model.minimind import MiniMind

MOMENTS = ("backward", "clipped", "step", "next")
STATES: dict[str, tuple[Role, str]] = {
    "numbers": ("measured", "square"),
    "zeros": ("peer", "square-open"),
    "unmoved": ("peer", "diamond-open"),
    "none": ("removed", "line-ew-open"),
    "nan": ("said", "x"),
}
"""How a tensor is drawn by what is in it: colour and mark."""
_LAYER = re.compile(r"model\.layers\.(\d+)\.(?:self_attn\.|mlp\.)?(\w+)\.weight")
_GAP = 1.5
"""Between the blocks of two moments, in cells."""


class TensorState(TypedDict):
    """One parameter: its entries, NaN after the step, and what it is after each moment."""

    name: str
    entries: int
    nan: int
    states: list[str]
    """Gradient after backward, gradient after clipping, weight after the step and after the next one."""


def tensor_states(model: MiniMind, seen: Aftermath, next_states: Sequence[str]) -> list[TensorState]:
    """Every parameter with what it was at each moment."""
    parts = zip(model.named_parameters(), seen.nan_weights, seen.states, next_states, strict=True)
    return [
        {"name": name, "entries": weight.numel(), "nan": nan, "states": [*states, next_state]}
        for (name, weight), nan, states, next_state in parts
    ]


def entries(tensors: Sequence[TensorState], gradient: str | None = None) -> int:
    """Entries of all parameters, or of those whose gradient is that."""
    return sum(each["entries"] for each in tensors if gradient in (None, each["states"][0]))


def blast_radius(tensors: Sequence[Mapping[str, Any]], text: Words) -> Figure:
    """One mark a parameter and moment: kinds of tensor down, layers across, a block a moment."""
    places = [_place(tensor["name"]) for tensor in tensors]
    kinds = list(dict.fromkeys(kind for kind, _ in places))
    num_layers = 1 + max(layer for _, layer in places if layer is not None)
    figure, width = Figure(height=130 + 25 * len(kinds)), num_layers + _GAP
    hover = f"%{{customdata[0]}}<br>{text('weights_nan')}: %{{customdata[1]:,}} / %{{customdata[2]:,}}"
    for state, (role, symbol) in STATES.items():
        here = [
            (moment * width + (num_layers - 1) / 2 if layer is None else moment * width + layer, kind, tensor)
            for moment in range(len(MOMENTS))
            for (kind, layer), tensor in zip(places, tensors, strict=True)
            if tensor["states"][moment] == state
        ]
        if here:
            figure.marks(
                [x for x, _, _ in here],
                [kind for _, kind, _ in here],
                role,
                text(f"state.{state}"),
                symbol=symbol,
                size=6,
                customdata=[[tensor["name"], tensor["nan"], tensor["entries"]] for _, _, tensor in here],
                hover=hover,
            )
    centres = [moment * width + (num_layers - 1) / 2 for moment in range(len(MOMENTS))]
    names = {centre: text(f"moment.{name}") for centre, name in zip(centres, MOMENTS, strict=True)}
    figure.x_axis(ticks=names, span=(-1, len(MOMENTS) * width - _GAP + 0.5), showgrid=False, zeroline=False)
    figure.y_axis(category=True, categoryorder="array", categoryarray=kinds[::-1])
    figure.layout["showlegend"] = True  # also where all marks are alike
    return figure


def loss_line(result: Mapping[str, Any], text: Words) -> Figure:
    """The losses of the steps; where one is NaN there is a cross on the floor instead of a point."""
    losses, figure = result["losses"], Figure(height=220)
    steps = [index - result["at"] for index in range(len(losses))]
    top = 1.15 * max([1.0, *[loss for loss in losses if loss is not None]])
    if any(loss is not None for loss in losses):
        figure.line(steps, losses, "measured", text("loss"), hover="%{x}: %{y:.4f}", symbol="circle", size=9)
    lost = [step for step, loss in zip(steps, losses, strict=True) if loss is None]
    if lost:
        figure.marks(lost, [0] * len(lost), "said", text("nan"), hover="%{x}: NaN", symbol="x", size=10)
    names = {step: text("axis.bad_step") if step == 0 else f"{step:+d}" for step in steps}
    figure.x_axis(text("axis.step"), ticks=names, span=(steps[0] - 0.5, steps[-1] + 0.5))
    figure.y_axis(text("axis.loss"), span=(-0.05 * top, top))
    return figure


def _place(name: str) -> tuple[str, int | None]:
    """What a parameter is, short enough for a phone, and its layer.

    >>> _place("model.layers.3.self_attn.q_proj.weight"), _place("model.norm.weight")
    (('q_proj', 3), ('norm', None))
    """
    if found := _LAYER.fullmatch(name):
        return found[2].replace("attention_layernorm", "attn_norm").replace("layernorm", "norm"), int(
            found[1]
        )
    return name.removesuffix(".weight").rpartition(".")[2], None
