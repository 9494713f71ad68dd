"""Whether a text at temperature 0 depends on its company, and what it costs that it does not.

The same prompts in batches of 1, 8 and 32: a product over other rows sums in another order, and where two
tokens are nearly equal the other one is chosen. The repair gives every product tiles of one size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, error_bars
from labs.tools.budgets import PerDevice

BATCHES = (1, 8, 32)
TILES = (8, 1, 4, 16, 32)
PROMPTS = PerDevice(cpu=32, cuda=200, mps=64)
DTYPES = PerDevice(
    cpu=("float32", "bfloat16"), cuda=("float32", "bfloat16", "float16"), mps=("float32", "float16")
)
PROMPT_TOKENS, CACHED = 16, 64
SECONDS = PerDevice(cpu=4.0, cuda=2.0, mps=3.0)
Way = Literal["plain", "tiled"]


@dataclass(frozen=True)
class InvarianceParams(Params):
    """`prompts` 0 are as many as suit the device; `tile` rows are multiplied together in the repair."""

    new_tokens: int = whole(16, 2, 128, primary=True, unit="tokens")
    tile: int = choice(8, TILES, primary=True)
    prompts: int = whole(0, 0, 400)


class Parted(TypedDict):
    """One batch against the same texts alone: how many parted, and the share that has by each new token."""

    dtype: str
    way: Way
    batch: int
    changed: int
    changed_percent: float
    first: int | None
    """The first new token, from 0, at which any text parts."""
    by_token: list[float]


class InvarianceResult(TypedDict):
    """`runs` by dtype, way and batch, as "bfloat16_plain_32"; `cost` of tiles over plain products by batch.

    `most_percent` is the largest share of plain texts that parted, `repaired_percent` that of the tiled ones.
    """

    prompts: int
    new_tokens: int
    tile: int
    runs: dict[str, Parted]
    cost: dict[str, dict[str, float]]
    most_percent: float
    repaired_percent: float


class Invariance(Experiment[InvarianceParams, InvarianceResult]):
    """Greedy texts alone and in company, with plain products and with tiles of one size."""

    id = "q08/invariance"

    def seconds(self, params: InvarianceParams, device: DeviceClass) -> float:
        tokens = (params.prompts or PROMPTS.on(device)) * params.new_tokens
        return PerDevice(cpu=8.0 + 0.06 * tokens, cuda=8.0 + 0.01 * tokens).on(device)

    def measure(self, params: InvarianceParams, ctx: Context) -> InvarianceResult:
        """Write every text in every batch by both ways in each dtype, then time their steps in turn."""
        import torch

        from labs.q08_speedup.batch_steps import greedy
        from labs.q08_speedup.fixed_order import in_tiles
        from labs.tools import heldout
        from labs.tools.models import copied

        ctx.progress(0.0, "loading")
        loaded, count = ctx.model(), params.prompts or PROMPTS.on(ctx.device)
        documents = heldout.held_out("both")
        rows = heldout.windows(loaded.tokenizer, documents, count, PROMPT_TOKENS, 0, ctx.check_cancelled)
        prompts, runs = rows[:, :PROMPT_TOKENS].tolist(), {}
        dtypes = DTYPES.on(ctx.device)
        share = 0.85 / (2 * len(dtypes) * len(BATCHES))
        for number, dtype in enumerate(dtypes):
            plain = copied(loaded.model).to(getattr(torch, dtype)).eval()
            ways: dict[Way, object] = {"plain": plain, "tiled": in_tiles(plain, params.tile)}
            for place, (way, model) in enumerate(ways.items()):
                start = 0.02 + share * len(BATCHES) * (2 * number + place)
                texts = {}
                for index, batch in enumerate(BATCHES):
                    begin = start + index * share
                    on_progress = ctx.part(begin, begin + share, "company", batch=batch)
                    texts[batch] = greedy(model, prompts, batch, params.new_tokens, on_progress)
                for batch in BATCHES[1:]:
                    runs[f"{dtype}_{way}_{batch}"] = parted(texts[1], texts[batch], dtype, way, batch)
        cost = _cost(loaded.model, params.tile, ctx)
        return {
            "prompts": len(prompts),
            "new_tokens": params.new_tokens,
            "tile": params.tile,
            "runs": runs,
            "cost": cost,
            "most_percent": max(run["changed_percent"] for run in runs.values() if run["way"] == "plain"),
            "repaired_percent": max(run["changed_percent"] for run in runs.values() if run["way"] == "tiled"),
        }

    def show(self, result: InvarianceResult, text: Words) -> Shown:
        """`parted`: texts that have parted by each token; `cost`: of a step in tiles over a plain one."""
        rows: list[Row] = [
            {
                text("way_of_products"): text(f"products.{run['way']}"),
                text("dtype_of_run"): run["dtype"],
                text("axis.batch"): run["batch"],
                text("axis.parted"): run["changed_percent"],
                text("first_parted"): "–" if run["first"] is None else run["first"] + 1,
            }
            for run in result["runs"].values()
        ]
        repaired = "held" if result["repaired_percent"] == 0 else "broken"
        notes = [
            text(
                "invariance.text",
                prompts=result["prompts"],
                new_tokens=result["new_tokens"],
                most=f"{result['most_percent']:.1f}",
            ),
            text(f"invariance.{repaired}", tile=result["tile"], percent=f"{result['repaired_percent']:.1f}"),
        ]
        return Shown(
            {"parted": _parted(result, text), "cost": _cost_figure(result, text)},
            rows,
            notes,
            {text("axis.parted"): result["most_percent"], text("axis.cost"): result["cost"]["1"]["median"]},
        )


def parted(alone: list[list[int]], together: list[list[int]], dtype: str, way: Way, batch: int) -> Parted:
    """Where texts in a batch leave the same texts alone, both int [N][T]."""
    from labs.q08_speedup.batch_steps import first_difference

    places = [first_difference(one, other) for one, other in zip(alone, together, strict=True)]
    changed = [place for place in places if place is not None]
    return {
        "dtype": dtype,
        "way": way,
        "batch": batch,
        "changed": len(changed),
        "changed_percent": 100 * len(changed) / len(alone),
        "first": min(changed, default=None),
        "by_token": [
            100 * sum(place <= token for place in changed) / len(alone) for token in range(len(alone[0]))
        ],
    }


def _cost(model: object, tile: int, ctx: Context) -> dict[str, dict[str, float]]:
    """Seconds of a step in tiles over those of a plain step, by batch, in the dtype of the run."""
    from labs.machine.probes import FullCacheStep
    from labs.q08_speedup.fixed_order import in_tiles
    from labs.tools.interleaved import interleaved, ratios

    ways = {"plain": model, "tiled": in_tiles(model, tile)}  # type: ignore[arg-type]
    steps = {
        f"{way}_{batch}": FullCacheStep(one, batch, CACHED, "eager").run  # type: ignore[arg-type]
        for batch in BATCHES
        for way, one in ways.items()
    }
    times = interleaved(steps, ctx.device, SECONDS.on(ctx.device), ctx.part(0.88, 1.0, "timing"))
    return {str(batch): ratios(times[f"tiled_{batch}"], times[f"plain_{batch}"]) for batch in BATCHES}


def _parted(result: InvarianceResult, text: Words) -> Figure:
    figure = Figure(height=360)
    tokens = list(range(1, result["new_tokens"] + 1))
    for run in result["runs"].values():
        role = "measured" if run["way"] == "plain" else "peer"
        figure.line(
            tokens,
            run["by_token"],
            role,  # type: ignore[arg-type]
            f"{run['dtype']}, {run['batch']}, {text('products.' + run['way'])}",
            shape="hv",
            symbol="circle" if run["batch"] == BATCHES[1] else "square",
            size=5,
            hover="%{x}: %{y:.1f}%",
        )
    figure.x_axis(text("axis.new_token"))
    figure.y_axis(text("axis.parted"), span=(-2, max(10.0, 1.2 * result["most_percent"])))
    return figure


def _cost_figure(result: InvarianceResult, text: Words) -> Figure:
    figure, cost = Figure(height=260), result["cost"]
    medians = [each["median"] for each in cost.values()]
    figure.bars(
        medians,
        [f"{text('axis.batch')} {batch}" for batch in cost],
        "measured",
        text("measured"),
        labels="{:.2f}×",
        horizontal=True,
        hover="%{y}: %{x:.2f}×",
        error_x=error_bars(medians, list(cost.values())),
    )
    figure.x_axis(text("axis.cost"), span=(0, 1.3 * max(each["high"] for each in cost.values())))
    figure.y_axis(reverse=True)
    return figure
