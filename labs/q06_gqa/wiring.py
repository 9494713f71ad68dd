"""Which KV head each query head reads, and what the wrong order of repeated heads changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, Experiment, Figure, Params, Role, Shown, Words, choice, table
from labs.q06_gqa.cache_bytes import QUERY_HEADS, cache_bytes, cache_length, check_cache, head_count
from labs.tools.sampler import seed


@dataclass(frozen=True)
class WiringParams(Params):
    """Both orders are run; `order` is the one drawn."""

    kv_heads: int = head_count()
    order: str = choice("grouped", ("grouped", "tiled"), primary=True, view=True)
    tokens: int = cache_length(64, primary=False)
    seed: int = seed()


class Orders(TypedDict):
    """The KV head that each of the query heads reads: as it has to, and after `tensor.repeat`."""

    grouped: list[int]
    tiled: list[int]


class WiringResult(TypedDict):
    """What was measured, `difference_by_head` of the outputs in both orders, and what it has to be."""

    kv_heads: int
    grouped: list[int]
    tiled: list[int]
    difference_by_head: list[float]
    formula: Orders
    view: NotRequired[WiringView]


class WiringView(TypedDict):
    """The chosen order as it was measured."""

    reads: list[int]
    right: bool


class Wiring(Experiment[WiringParams, WiringResult]):
    """Sentinel values tell which KV head each query head reads, in the right order and in the tiled one."""

    takes = 0.1

    def formula(self, params: WiringParams) -> Orders:
        """Both orders."""
        group = QUERY_HEADS // params.kv_heads
        return {
            "grouped": [head // group for head in range(QUERY_HEADS)],
            "tiled": [head % params.kv_heads for head in range(QUERY_HEADS)],
        }

    def measure(self, params: WiringParams, ctx: Context) -> WiringResult:
        """Follow the heads of one decode step, and compare the outputs of both orders on random inputs."""
        import torch

        from labs.q06_gqa.sharing import attend_repeated, attend_tiled, decode_inputs, sentinel_reads

        check_cache(cache_bytes(params.kv_heads, params.tokens, 1, 32), ctx.device)
        ctx.progress(0.0, "following")
        inputs = decode_inputs(params.kv_heads, 1, params.tokens, params.seed, ctx.device, torch.float32)
        grouped, tiled = (
            sentinel_reads(way, params.kv_heads, params.tokens, ctx.device)
            for way in (attend_repeated, attend_tiled)
        )
        apart = (attend_tiled(*inputs) - attend_repeated(*inputs)).abs()  # [1, H, 1, D]
        return {
            "kv_heads": params.kv_heads,
            "grouped": grouped,
            "tiled": tiled,
            "difference_by_head": apart[0, :, 0].amax(-1).tolist(),
            "formula": self.formula(params),
        }

    def view(self, params: WiringParams, result: WiringResult) -> WiringView:
        """The chosen order, and whether it is as it has to be."""
        reads = result["grouped"] if params.order == "grouped" else result["tiled"]
        return {"reads": reads, "right": reads == result["formula"]["grouped"]}

    def show(self, result: WiringResult, text: Words) -> Shown:
        """`wiring`: a line from each query head to the KV head that it read; wrong ones stand out."""
        reads, right, kv_heads = result["view"]["reads"], result["formula"]["grouped"], result["kv_heads"]
        queries = list(range(QUERY_HEADS))
        keys = [(head + 0.5) * QUERY_HEADS / kv_heads - 0.5 for head in range(kv_heads)]
        figure = Figure()
        for wanted in (True, False):
            heads = [head for head in queries if (reads[head] == right[head]) is wanted]
            across = [x for head in heads for x in (head, keys[reads[head]], None)]
            role: Role = "measured" if wanted else "said"
            name = text("reads" if wanted else "reads_wrong")
            if heads:
                figure.line(across, [1, 0, None] * len(heads), role, name, width=2.5)
        for height, places, letter in ((1, queries, "Q"), (0, keys, "KV ")):
            figure.marks(
                places,
                [height] * len(places),
                "peer",
                text=[f"{letter}{head}" for head in range(len(places))],
                textposition="top center" if height else "bottom center",
                size=14,
                showlegend=False,
            )
        figure.x_axis(hidden=True, span=(-0.7, QUERY_HEADS - 0.3))
        figure.y_axis(hidden=True, span=(-0.35, 1.35))
        formula, measured = _equal(result["formula"]["tiled"], right), _equal(result["tiled"], right)
        return Shown(
            {"wiring": figure},
            rows=table(
                {
                    text("query_head"): queries,
                    text("order.grouped"): result["grouped"],
                    text("order.tiled"): result["tiled"],
                    text("difference"): result["difference_by_head"],
                }
            ),
            notes=[text("wiring.sentence")],
            numbers={text("wiring.right"): measured},
            sentence={"said": QUERY_HEADS, "formula": formula, "measured": measured, "unit": ""},
        )


def _equal(reads: list[int], wanted: list[int]) -> int:
    """How many heads read what they should."""
    return sum(map(int.__eq__, reads, wanted))
