"""How often chance makes a batch of nothing but empty rows, and what sorting by length makes of chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, real, whole
from labs.contract.drawing import Figure, power_ticks
from labs.contract.filling import raised
from labs.tools.sampler import seed
from labs.tools.written import small_number

ORDERS = ("shuffled", "shortest_first", "longest_first")
CORPORA = 400
"""Shuffled corpora that are cut into batches; a sorted one is the same every time."""
BATCHES_AT_ONCE = 20
"""Corpora between two looks at whether anybody still waits."""
LARGEST_BATCH = 64
DRAWN = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Sizes of a batch that have a mark."""
SMALLEST_CHANCE = 1e-12
"""Percent at which the axis ends: what never happens in a training of 10^12 steps."""


@dataclass(frozen=True)
class ChanceParams(Params):
    """A step is so many micro-batches of so many rows; the last batch of the corpus may be smaller."""

    percent: float = real(10.0, 0.1, 90, step=0.1, primary=True, label="chance.percent")
    batch_rows: int = whole(1, 1, LARGEST_BATCH, primary=True)
    micro_batches: int = whole(8, 1, 64, primary=True)
    order: str = choice("shuffled", ORDERS, label="rows_order")
    corpus: int = whole(1000, 100, 20_000, step=50)
    seed: int = seed()


class Chances(TypedDict):
    """In percent: batches without any target, batches with an empty row, and steps that a former is in."""

    all_empty: float
    any_empty: float
    step: float


class ChanceResult(TypedDict):
    """`formula` by counting and `here` from batches that were cut; `curve` by rows of a batch, in percent.

    `left` are the rows of the last batch where they do not fill it, else 0. `shares` are the empty rows of
    each batch of one corpus in percent, in the order of training.
    """

    percent: float
    batch_rows: int
    micro_batches: int
    order: str
    left: NotRequired[int]
    formula: Chances
    curve: dict[str, list[float]]
    here: NotRequired[Chances]
    steps: NotRequired[int]
    shares: NotRequired[NDArray[np.float32]]


class Chance(Experiment[ChanceParams, ChanceResult]):
    """p^B and what follows from it, beside corpora that are shuffled or sorted and cut into batches."""

    version = 2
    drawn_by_formula = True

    def seconds(self, params: ChanceParams, device: DeviceClass) -> float:
        return 0.1 + CORPORA * params.corpus * 3e-8

    def formula(self, params: ChanceParams) -> ChanceResult:
        """Rows are drawn independently; in a sorted corpus the empty ones stand together."""
        share, sizes = params.percent / 100, range(1, LARGEST_BATCH + 1)
        curve = [chances(share, size, params.micro_batches) for size in sizes]
        return {
            "percent": params.percent,
            "batch_rows": params.batch_rows,
            "micro_batches": params.micro_batches,
            "order": params.order,
            "left": params.corpus % params.batch_rows,
            "formula": _shuffled(params) if params.order == "shuffled" else _sorted(params),
            "curve": {
                "all_empty": [each["all_empty"] for each in curve],
                "any_empty": [each["any_empty"] for each in curve],
                "step": [each["step"] for each in curve],
            },
        }

    def measure(self, params: ChanceParams, ctx: Context) -> ChanceResult:
        """Cuts corpora into batches and counts."""
        random, counts, shares = np.random.default_rng(params.seed), np.zeros(5), None
        count = CORPORA if params.order == "shuffled" else 1
        on_progress = ctx.part(0.0, 1.0, "cutting")
        for number in range(count):
            if number % BATCHES_AT_ONCE == 0:
                on_progress(number / count)
            batches = cut(_empty_rows(params, random), params.batch_rows)
            counts += count_hit(batches, params.micro_batches)
            shares = batches.mean(1) if shares is None else shares
        all_empty, any_empty, num_batches, hit, steps = counts
        assert shares is not None
        return {
            **self.formula(params),
            "here": {
                "all_empty": 100 * all_empty / num_batches,
                "any_empty": 100 * any_empty / num_batches,
                "step": 100 * hit / steps,
            },
            "steps": int(steps),
            "shares": (100 * shares).astype(np.float32),
        }

    def show(self, result: ChanceResult, text: Words) -> Shown:
        """`chance` by rows of a batch, and after a run `batches` of one corpus."""
        formula, here = result["formula"], result.get("here")
        rows: list[Row] = [
            {
                text("what"): text(f"chance.{name}"),
                text("chance.formula"): small_number(formula[name]),
                **({text("chance.here"): small_number(here[name])} if here else {}),
            }
            for name in ("all_empty", "any_empty", "step")
        ]
        facts = {"rows": result["batch_rows"], "micro_batches": result["micro_batches"]}
        notes = [text(f"chance.{result['order']}"), text("chance.change")]
        if result["order"] == "shuffled":
            notes.insert(0, text("chance.first", wait=_waiting(formula["step"], text)))
            if left := result.get("left"):
                notes.insert(2, text("chance.left", left=left))
        figures = {"chance": _by_size(result, text)}
        if here is None:
            return Shown(figures, rows, notes)
        figures["batches"] = _batches(result, text)
        return Shown(
            figures,
            rows,
            [text("chance.sentence", steps=result["steps"], **facts), *notes],
            numbers={text("chance.step"): here["step"]},
            sentence={
                "said": result["percent"],
                "formula": formula["step"],
                "measured": here["step"],
                "unit": "%",
            },
        )


def chances(share: float, rows: int, micro_batches: int) -> Chances:
    """In percent, of independent rows of which that share is empty.

    >>> round(chances(0.1, 1, 8)["step"], 6)
    56.953279
    """
    every = share**rows
    return {
        "all_empty": 100 * every,
        "any_empty": 100 * -math.expm1(rows * math.log1p(-share)),
        "step": 100 * -math.expm1(micro_batches * math.log1p(-every)),
    }


def _shuffled(params: ChanceParams) -> Chances:
    """The same on average over the batches and steps of a corpus, whose last ones may be smaller."""
    share = params.percent / 100
    full, left = divmod(params.corpus, params.batch_rows)
    sizes = [params.batch_rows] * full + [left] * (left > 0)
    every = [share**size for size in sizes]
    at = params.micro_batches
    steps = [every[start : start + at] for start in range(0, len(every), at)]
    return {
        "all_empty": 100 * fmean(every),
        "any_empty": 100 * fmean(-math.expm1(size * math.log1p(-share)) for size in sizes),
        "step": 100 * fmean(-math.expm1(sum(math.log1p(-one) for one in step)) for step in steps),
    }


def cut(empty: NDArray[np.bool_], rows: int) -> NDArray[np.float64]:
    """Rows that are empty or not, in order, as batches [M, rows]; NaN fills up the last, smaller one."""
    places = np.full(-(-len(empty) // rows) * rows, np.nan)
    places[: len(empty)] = empty
    return places.reshape(-1, rows)


def count_hit(batches: NDArray[np.float64], micro_batches: int) -> NDArray[np.float64]:
    """Batches: all empty, with an empty row, all; steps: with a batch that is all empty, all."""
    all_empty = np.nanmin(batches, 1) == 1  # [M]
    starts = range(0, len(all_empty), micro_batches)
    hit = [bool(all_empty[start : start + micro_batches].any()) for start in starts]
    any_empty = np.nanmax(batches, 1) == 1  # [M]
    return np.array([all_empty.sum(), any_empty.sum(), len(batches), sum(hit), len(hit)], float)


def _empty_rows(params: ChanceParams, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which rows of a corpus are empty, in the order of training."""
    if params.order == "shuffled":
        return random.random(params.corpus) < params.percent / 100
    empty = np.arange(params.corpus) < round(params.corpus * params.percent / 100)
    return empty if params.order == "shortest_first" else empty[::-1]


def _sorted(params: ChanceParams) -> Chances:
    """The same for a sorted corpus, by division: the empty rows are the first or the last of all."""
    rows, corpus = params.batch_rows, params.corpus
    empty = round(corpus * params.percent / 100)
    batches = math.ceil(corpus / rows)
    if params.order == "shortest_first":
        first, last = 0, batches if empty == corpus else empty // rows
        touched = math.ceil(empty / rows)
    else:
        first, last = math.ceil((corpus - empty) / rows), batches
        touched = batches - (corpus - empty) // rows if empty else 0
    size = params.micro_batches
    hit = math.ceil(last / size) - first // size if last > first else 0
    return {
        "all_empty": 100 * (last - first) / batches,
        "any_empty": 100 * touched / batches,
        "step": 100 * hit / math.ceil(batches / size),
    }


def _waiting(percent: float, text: Words) -> str:
    """Steps until the first, on average, as a number that can be read."""
    if percent <= 0:
        return text("chance.never")
    steps = 100 / percent
    if steps < 1e6:
        return f"{steps:,.1f}" if steps < 100 else f"{steps:,.0f}"
    return f"10{raised(math.floor(math.log10(steps)))}"


def _by_size(result: ChanceResult, text: Words) -> Figure:
    figure = Figure()
    for name, symbol in (("step", "circle"), ("all_empty", "square"), ("any_empty", "diamond")):
        percents = [result["curve"][name][size - 1] for size in DRAWN]
        figure.line(
            DRAWN,
            [percent if percent > SMALLEST_CHANCE else None for percent in percents],
            "formula",
            text(f"chance.{name}"),
            symbol=symbol,
            size=7,
            hover="B = %{x}: %{y:.3g}%",
        )
    here, rows = result.get("here"), result["batch_rows"]
    if here is not None:
        seen = [value for value in here.values() if value > 0]  # type: ignore[operator]
        figure.marks([rows] * len(seen), seen, "measured", text("chance.here"), size=9, hover="%{y:.3g}%")
    figure.line([rows] * 2, [SMALLEST_CHANCE, 100], "peer", text("chance.yours"))
    ticks = {float(size): str(size) for size in (1, 2, 4, 8, 16, 32, 64)}
    figure.x_axis(text("chance.batch_rows"), log=True, ticks=ticks, span=(-0.05, 1.85))
    figure.y_axis(
        text("axis.chance"), log=True, span=(-12, 2.3), ticks=power_ticks(SMALLEST_CHANCE, 100, every=2)
    )
    return figure


def _batches(result: ChanceResult, text: Words) -> Figure:
    """The empty rows of each batch of one corpus, in the order of training."""
    figure, shares = Figure(height=260), result["shares"]
    figure.line(
        list(range(len(shares))),
        shares,
        "measured",
        text("chance.share"),
        shape="hv",
        hover="%{x}: %{y:.0f}%",
    )
    figure.x_axis(text("axis.batch_number"), span=(0, len(shares)))
    figure.y_axis(text("chance.share"), span=(-3, 104), ticksuffix="%")
    return figure
