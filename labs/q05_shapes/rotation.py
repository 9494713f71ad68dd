"""RoPE turns and adds nothing: lengths of real queries and keys before it, after it, and with a sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.q05_shapes.reading import ids_of, labels_of, short_text
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number
from minimind_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import Attention, MiniMind

SIDES = {"queries": ("q", "q_rotated"), "keys": ("kv", "repeated")}
"""What is rotated, and the steps of attention before and after."""
HIGHEST = 1.15
"""Top of the axis, in units of the largest length."""


@dataclass(frozen=True)
class RotationParams(Params):
    """The model reads the text once; `side` and `layer` choose what of it is drawn."""

    text: str = short_text()
    side: str = choice("queries", tuple(SIDES), primary=True, view=True)
    layer: int = whole(1, 1, 8, primary=True, view=True)


class RotationView(TypedDict):
    """The chosen layer, from 1 and within the model, and its lengths [T]."""

    side: str
    layer: int
    lengths: dict[str, list[float]]


class RotationResult(TypedDict):
    """Lengths of head 0 by side, then "before", "after" and "added": [L, T] each.

    `drift` is the largest change of any head's length by rotation, `added` the mean one by a sum, both in
    percent; `values` is the largest change of a value by taking RoPE out of the layer.
    """

    tokens: list[str]
    lengths: dict[str, dict[str, NDArray[np.float32]]]
    drift: float
    added: float
    values: float
    view: NotRequired[RotationView]


class Rotation(Experiment[RotationParams, RotationResult]):
    """Every head's queries and keys in every layer, as they are rotated and as a sum would move them."""

    takes = PerDevice(cpu=1.2, cuda=0.4)

    def formula(self, params: RotationParams) -> Data:
        """A rotation keeps every length."""
        return {"drift": 0.0, "values": 0.0}

    def measure(self, params: RotationParams, ctx: Context) -> RotationResult:
        """One forward with the vectors kept on both sides of RoPE, and one without RoPE for the values."""
        import torch

        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        if loaded.config.position != "rope":
            raise ConfigError(
                f"{loaded.name} has no RoPE; choose a model that rotates.",
                key="q05.no_rope",
                model=loaded.name,
            )
        ids = ids_of(loaded, params.text)
        rows = torch.tensor([ids], device=ctx.device)
        ctx.progress(0.2, "prompt")
        with torch.inference_mode(), before_each_layer(loaded.model, ctx.check_cancelled):
            turned, plain = (_vectors(loaded.model, rows, fault) for fault in ("", "no_rope"))
        # the first layer reads the same stream with and without RoPE, so that its values can be compared
        lengths = {side: _lengths(turned[of], turned[to]) for side, (of, to) in SIDES.items()}
        return {
            "tokens": labels_of(loaded, ids),
            "lengths": {
                side: {kind: values[:, 0].cpu().numpy() for kind, values in kinds.items()}
                for side, kinds in lengths.items()
            },
            "drift": max(float(_apart(kinds, "after").max()) for kinds in lengths.values()),
            "added": float(np.mean([float(_apart(kinds, "added").mean()) for kinds in lengths.values()])),
            "values": float((turned["values"][0] - plain["values"][0]).abs().max()),
        }

    def view(self, params: RotationParams, result: RotationResult) -> RotationView:
        """The chosen side and layer, or the last one of a model that has fewer."""
        kinds = result["lengths"][params.side]
        layer = min(params.layer, len(kinds["before"]))
        return {
            "side": params.side,
            "layer": layer,
            "lengths": {kind: values[layer - 1].tolist() for kind, values in kinds.items()},
        }

    def show(self, result: RotationResult, text: Words) -> Shown:
        """`lengths`: of one head by position, before RoPE, after it, and with a position vector added."""
        lengths, figure = result["view"]["lengths"], Figure()
        hover = "%{x}: %{y:.4f}"
        figure.line(result["tokens"], lengths["added"], "said", text("rope.added"), hover=hover, symbol="x")
        figure.line(result["tokens"], lengths["before"], "formula", text("rope.before"), hover=hover, width=6)
        figure.marks(
            result["tokens"],
            lengths["after"],
            "measured",
            text("rope.after"),
            hover=hover,
            symbol="circle",
            size=9,
        )
        figure.x_axis(category=True, tickangle=-60)
        highest = max(max(values) for values in lengths.values())
        figure.y_axis(text("axis.length"), span=(0, HIGHEST * highest))
        rows: list[Row] = [
            {
                text("token"): token,
                **{text(f"rope.{kind}"): values[place] for kind, values in lengths.items()},
            }
            for place, token in enumerate(result["tokens"])
        ]
        return Shown(
            {"lengths": figure},
            rows,
            notes=[
                text("rotation.sentence"),
                text(
                    "rotation.note",
                    drift=small_number(result["drift"]),
                    added=result["added"],
                    values=small_number(result["values"]),
                ),
                text("rotation.change"),
            ],
            numbers={text("rope.drift"): result["drift"], text("rope.sum"): result["added"]},
            sentence={"said": result["added"], "formula": 0.0, "measured": result["drift"], "unit": "%"},
        )


def _vectors(model: MiniMind, rows: Tensor, fault: str) -> dict[str, list[Tensor]]:
    """By name, then by layer: queries and keys before and after RoPE [1, heads, T, D], and values."""
    from labs.q05_shapes.stepwise import Stepwise, attention_replaced

    kept: dict[str, list[Tensor]] = {}

    def stepwise(own: Attention) -> Stepwise:
        return Stepwise(own, fault, lambda name, tensor: kept.setdefault(name, []).append(tensor.float()))

    with attention_replaced(model, stepwise):
        model(rows)
    return kept


def _lengths(before: list[Tensor], after: list[Tensor]) -> dict[str, Tensor]:
    """Lengths [L, H, T] before RoPE, after it, and with a position vector (Vaswani et al. 2017) added."""
    import torch

    from minimind_core.model.positions import AMPLITUDE, sinusoidal_embedding

    turned = torch.cat(after)  # [L, H, T, D]
    plain = torch.cat(before)
    plain = plain.repeat_interleave(turned.shape[1] // plain.shape[1], 1)  # KV heads are shared
    positions = torch.arange(plain.shape[2], device=plain.device)
    moved = plain + sinusoidal_embedding(positions, plain.shape[3]) / AMPLITUDE  # of 1, as first written
    return {
        kind: vectors.norm(dim=-1)
        for kind, vectors in (("before", plain), ("after", turned), ("added", moved))
    }


def _apart(lengths: dict[str, Tensor], kind: str) -> Tensor:
    """By how many percent each length differs from that before."""
    return 100 * (lengths[kind] / lengths["before"] - 1).abs()
