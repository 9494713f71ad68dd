"""Sparse attention in the real model: which keys a token keeps, what that costs, how far it hears.

The model reads texts of its trained length, so that nothing but the mask differs. Masks are applied to the
full square of scores: right on any device, and no faster. What is faster is a kernel that leaves whole blocks
out: FlexAttention, timed on a CUDA device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import given_whole
from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, error_bars
from labs.q04_long_text.patterns import PATTERNS, Pattern, reach
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number
from questions import load_question

TEXTS = PerDevice(cpu=2, cuda=16)
SECONDS_A_READING = PerDevice(cpu=0.6, cuda=0.02)
"""Of one text with one mask."""
QUESTION = load_question("q04_long_text")
LENGTH, LOCAL, DILATION, SPACING = (
    given_whole(QUESTION, "length"),
    given_whole(QUESTION, "local"),
    given_whole(QUESTION, "dilation"),
    1024,
)
"""Of the kernels: the question's text and window, with eight global tokens."""
TIMED = ("local", "dilated", "global")
KERNEL_SECONDS = 4.0
PICTURE = 72
"""Tokens of the drawn mask."""


@dataclass(frozen=True)
class SparseParams(Params):
    """Masks of the reading; `picture` is the one that is drawn."""

    window: int = whole(32, 2, 512, step=2, primary=True, unit="tokens", label="sparse_window")
    dilation: int = whole(4, 1, 16, primary=True)
    spacing: int = whole(64, 8, 512, step=8, unit="tokens")
    text: str = choice("english", ("english", "code", "both", "chinese"))
    picture: str = choice("dilated", PATTERNS, primary=True, view=True, label="pattern")

    def pattern(self, name: str) -> Pattern:
        """A pattern with these settings."""
        return Pattern(name, self.window, self.dilation, self.spacing)


class OnePattern(TypedDict):
    """Loss in nats a token beyond the first window; causal pairs a head; positions that the last token hears.

    `reach` is what the formula says of these (0: it has none), `pair_share` and `block_share` are parts of
    all pairs and blocks in the kernels' text.
    """

    nats: float
    pairs: int
    heard: int
    reach: int
    pair_share: float
    block_share: float


class Kernels(TypedDict):
    """Milliseconds of fused causal attention and of patterns in FlexAttention, with quartiles.

    `difference` is the largest from the same masks written out.
    """

    milliseconds: dict[str, dict[str, float]]
    difference: float


class Drawn(TypedDict):
    """The chosen pattern's first tokens, 1 where a key is looked at, NaN in the future."""

    name: str
    looks: NDArray[np.float32]


class SparseResult(TypedDict):
    """By pattern, in the order in which they were read."""

    patterns: dict[str, OnePattern]
    read: int
    layers: int
    stretch: int
    """Tokens that dilation lays its keys over, all layers together."""
    texts: int
    model: str
    kernels: NotRequired[Kernels]
    view: NotRequired[Drawn]


class Sparse(Experiment[SparseParams, SparseResult]):
    """Six masks, read by the real model; on CUDA three of them as kernels."""

    def seconds(self, params: SparseParams, device: DeviceClass) -> float:
        reading = len(PATTERNS) * TEXTS.on(device) * SECONDS_A_READING.on(device)
        return PerDevice(cpu=6.0, cuda=60.0).on(device) + reading  # kernels are compiled on CUDA

    def measure(self, params: SparseParams, ctx: Context) -> SparseResult:
        """One pattern after the other; each is emitted when it was read."""
        from labs.q04_long_text import sparse_masks
        from labs.tools import heldout
        from labs.tools.token_losses import token_losses

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        read, config = loaded.config.max_length, loaded.config
        rows = heldout.held_out_windows(
            loaded.tokenizer, params.text, TEXTS.on(ctx.device), read, ctx
        )  # [N, T + 1]
        partials: list[dict[str, Any]] = []
        for index, name in enumerate(PATTERNS):
            ctx.progress(0.05 + 0.6 * index / len(PATTERNS), "pattern", number=index + 1, count=len(PATTERNS))
            pattern = params.pattern(name)
            visible = sparse_masks.mask(pattern, read, config.num_heads, ctx.device)  # [1, 1 or H, T, T]
            losses = token_losses(loaded.model, rows, ctx.check_cancelled, mask=visible)  # [N, T]
            kernel = Pattern(name, LOCAL, DILATION, SPACING)
            found: OnePattern = {
                "nats": float(losses[:, min(params.window, read - 1) :].mean(dtype=np.float64)),
                "pairs": round(int(visible.sum()) / visible.shape[1]),
                "heard": sparse_masks.heard(visible, config.num_layers),
                "reach": reach(pattern, config.num_layers, read) or 0,
                "pair_share": kernel.pairs(LENGTH) / Pattern("full", LOCAL, DILATION, SPACING).pairs(LENGTH),
                "block_share": sparse_masks.block_share(kernel, LENGTH, ctx.check_cancelled),
            }
            facts = {"read": read, "layers": config.num_layers, "texts": len(rows), "model": loaded.name}
            partials.append({"name": name, "found": found, **facts})
            ctx.emit(partials[-1])
        result = self.so_far(params, partials)
        if ctx.device != "cuda":
            return result
        told = ctx.part(0.65, 1.0, "kernels")
        patterns = [Pattern(name, LOCAL, DILATION, SPACING) for name in TIMED]
        times, difference = sparse_masks.timed_kernels(patterns, LENGTH, KERNEL_SECONDS, told)
        return {**result, "kernels": {"milliseconds": times, "difference": difference}}

    def so_far(self, params: SparseParams, partials: Partials) -> SparseResult:
        """The patterns that were read."""
        first = partials[0]
        farthest = first["layers"] * (params.window - 1) * params.dilation + 1
        return {
            "patterns": {partial["name"]: partial["found"] for partial in partials},
            "read": first["read"],
            "layers": first["layers"],
            "stretch": min(farthest, first["read"]),
            "texts": first["texts"],
            "model": first["model"],
        }

    def view(self, params: SparseParams, result: SparseResult) -> Drawn:
        """The first tokens of the chosen mask."""
        query, key = np.arange(PICTURE)[:, None], np.arange(PICTURE)[None, :]
        head = 1  # of mixed heads an odd one, which is dilated
        looks = np.broadcast_to(params.pattern(params.picture).looks(head, query, key), (PICTURE, PICTURE))
        drawn = np.where(key <= query, looks, np.nan).astype(np.float32)
        return {"name": params.picture, "looks": drawn}

    def show(self, result: SparseResult, text: Words) -> Shown:
        """`loss` beside the full mask; `mask`: the chosen one; `blocks`: pairs, blocks, times of kernels."""
        known = result["patterns"]
        figures = {"loss": _loss(result, text), "mask": _mask(result, text), "blocks": _blocks(result, text)}
        rows = [_row(name, one, text) for name, one in known.items()]
        if len(known) < len(PATTERNS):
            return Shown(figures, rows)
        dilated, full = known["dilated"], known["full"]
        facts = {"model": result["model"], "texts": result["texts"], "read": result["read"]}
        timed = (
            text("sparse.timed", difference=small_number(result["kernels"]["difference"]), length=LENGTH)
            if "kernels" in result
            else text("sparse.no_kernel")
        )
        return Shown(
            figures,
            rows,
            [
                text("sparse.sentence", layers=result["layers"], **facts),
                text("sparse.hears", **{name: known[name]["heard"] for name in ("mixed", "global")}),
                text(
                    "sparse.blocks",
                    **{name: 100 * known[name]["block_share"] for name in ("local", "dilated", "stride")},
                ),
                timed,
                text("sparse.change"),
            ],
            {f"{text(f'pattern.{name}')} (nats)": one["nats"] - full["nats"] for name, one in known.items()},
            {
                "said": float(result["stretch"]),
                "formula": float(dilated["reach"]),
                "measured": float(dilated["heard"]),
                "unit": text("positions_unit"),
            },
        )


def _loss(result: SparseResult, text: Words) -> Figure:
    """What each mask loses against the full one."""
    known = result["patterns"]
    above = {name: one["nats"] - known["full"]["nats"] for name, one in known.items() if name != "full"}
    figure = Figure(height=300)
    figure.bars(
        list(above.values()) or [0.0],
        [text(f"pattern.{name}") for name in above] or [text("pattern.full")],
        "measured",
        labels="{:+.3f}",
        horizontal=True,
        hover="%{y}: %{x:+.3f}",
        showlegend=False,
    )
    largest = max([0.1, *above.values()])
    figure.x_axis(text("axis.above_full"), span=(min(0.0, *above.values(), -0.02), 1.3 * largest))
    figure.y_axis(category=True, reverse=True)
    return figure


def _mask(result: SparseResult, text: Words) -> Figure:
    figure, view = Figure(height=420), result["view"]
    places = list(range(PICTURE))
    hover = f"{text('axis.query')} %{{y}}, {text('axis.key')} %{{x}}: %{{z:.0f}}"
    figure.heat(view["looks"], places, places, "formula", hover=hover, zmin=0, zmax=1)
    figure.data[-1] |= {"xgap": 1, "ygap": 1}
    name = text(f"pattern.{view['name']}")
    figure.x_axis(f"{text('axis.key')} ({name})", showgrid=False)
    figure.y_axis(text("axis.query"), reverse=True, showgrid=False)
    return figure


def _blocks(result: SparseResult, text: Words) -> Figure:
    """Parts of the full mask: pairs that are looked at, blocks that are computed, and time where there is."""
    figure, known = Figure(barmode="group"), result["patterns"]
    names = [text(f"pattern.{name}") for name in known]
    for share, shade in (("pair_share", 0.45), ("block_share", 0.95)):
        values = [100 * one[share] for one in known.values()]  # type: ignore[literal-required]
        figure.bars(names, values, "formula", text(f"sparse.{share}"), opacity=shade, hover="%{x}: %{y:.1f}%")
    if "kernels" in result:
        times = result["kernels"]["milliseconds"]
        fused = times["fused"]["median"]
        spans = {
            name: {edge: 100 * value / fused for edge, value in row.items()}
            for name, row in times.items()
            if name != "fused"
        }
        medians = [span["median"] for span in spans.values()]
        figure.marks(
            [text(f"pattern.{name}") for name in spans],
            medians,
            "measured",
            text("sparse.time_share"),
            size=11,
            hover="%{x}: %{y:.1f}%",
            error_y=error_bars(medians, spans.values()),
        )
    figure.x_axis(category=True)
    figure.y_axis(text("axis.of_full"), from_zero=True)
    return figure


def _row(name: str, one: OnePattern, text: Words) -> Row:
    return {
        text("column.pattern"): text(f"pattern.{name}"),
        text("column.nats"): one["nats"],
        text("column.pairs"): one["pairs"],
        text("column.heard"): one["heard"],
        text("column.reach"): one["reach"] or "–",
        text("column.pair_share"): 100 * one["pair_share"],
        text("column.block_share"): 100 * one["block_share"],
    }
