"""The rule for the feed-forward width: eight thirds of the hidden size, and what rounding up adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure
from minimind_core.model.config import ModelConfig, swiglu_width

BLOCK, LARGEST = 64, 8192
"""What widths are rounded up to a multiple of, and the largest hidden size."""
DRAWN = 16
"""Hidden sizes, multiples of BLOCK, around the chosen one."""
IN_USE = {
    "MiniMind2-small": (512, 1408),
    "Qwen3-0.6B": (1024, 3072),
    "LLaMA-7B": (4096, 11_008),
    "Llama-3-8B": (4096, 14_336),
}
"""Hidden size and width by their published configurations."""


@dataclass(frozen=True)
class WidthParams(Params):
    """All of it is view: nothing runs."""

    hidden: int = whole(512, BLOCK, LARGEST, step=BLOCK, primary=True, view=True, label="width_hidden")


class Evaluated(TypedDict):
    """`plain` is rounded down to a whole number, `rounded` up to a multiple; weights are of all layers."""

    hidden: int
    plain: int
    rounded: int
    added_weights: int


class WidthResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[Evaluated]


class Width(Experiment[WidthParams, WidthResult]):
    """The rule for a hidden size of one's own."""

    drawn_by_formula = True
    takes = 0.01
    """Nothing runs."""

    def formula(self, params: WidthParams) -> WidthResult:
        """Nothing: see `view`."""
        return {"model": None}

    def measure(self, params: WidthParams, ctx: Context) -> WidthResult:
        """Nothing: see `view`."""
        return self.formula(params)

    def view(self, params: WidthParams, result: WidthResult) -> Evaluated:
        """Both steps of the rule, and what the second costs in three matrices a layer."""
        hidden = params.hidden
        plain, rounded = int(8 * hidden / 3), swiglu_width(hidden)
        added = 3 * hidden * (rounded - plain) * ModelConfig().num_layers
        return {"hidden": hidden, "plain": plain, "rounded": rounded, "added_weights": added}

    def show(self, result: WidthResult, text: Words) -> Shown:
        """`added`: what rounding up adds, by hidden size."""
        view = result["view"]
        down = view["plain"] // BLOCK
        facts = {
            **view,
            "block": BLOCK,
            "times": view["rounded"] // BLOCK,
            "down": down,
            "below": down * BLOCK,
        }
        exact = view["plain"] % BLOCK == 0
        return Shown(
            {"added": _added(view, text)},
            [_row(name, *sizes, text) for name, sizes in IN_USE.items()],
            [text("width.exact" if exact else "width.rounded", **facts), text("width.change")],
            {text("width.up"): view["rounded"]},
        )


def _added(view: Evaluated, text: Words) -> Figure:
    """A bar for each hidden size around the chosen one, which stands out."""
    first = max(1, min(view["hidden"] // BLOCK - DRAWN // 2, LARGEST // BLOCK - DRAWN + 1))
    sizes = [BLOCK * number for number in range(first, first + DRAWN)]
    added = [swiglu_width(size) - int(8 * size / 3) for size in sizes]
    figure = Figure(height=280)
    figure.bars(
        [str(size) for size in sizes],
        added,
        "formula",
        labels="{:.0f}",
        hover="%{x}: +%{y}",
        marker={"opacity": [1.0 if size == view["hidden"] else 0.4 for size in sizes]},
        showlegend=False,
    )
    figure.x_axis(text("width_hidden"), category=True)
    figure.y_axis(text("axis.added"), span=(0, 1.2 * BLOCK))
    return figure


def _row(name: str, hidden: int, used: int, text: Words) -> Row:
    return {
        text("model"): name,
        text("width_hidden"): hidden,
        text("width.down"): int(8 * hidden / 3),
        text("width.up"): swiglu_width(hidden),
        text("width.used"): used,
        text("width.ratio"): used / hidden,
    }
