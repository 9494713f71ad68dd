"""One memory, two ways to reserve it: a slot of full length for every request, or blocks as they are needed.

The engine's own scheduler and block tables serve the same requests twice. No model takes part: what is
reserved depends on lengths alone. Imports no torch.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from minimind_core.decoding.blocks import BlockTables, occupancy
from minimind_core.decoding.scheduler import Request, Scheduler

SLOTS, SLOT_PLACES = 32, 512
PLACES = SLOTS * SLOT_PLACES
"""Of the memory, for either way."""
CHUNK = 256
ARRIVALS = 2
"""Requests a step, until all have come: those that come together cannot share what none has read yet."""
COLUMNS = 32
"""Blocks in a row of the map."""
TELL_EVERY = 10
"""Steps."""
MEAN_OWN, MEAN_NEW = 60, 60
LONGEST_OWN, LONGEST_NEW, SHORTEST = 200, 150, 4
WAYS = ("slots", "blocks")


@dataclass(frozen=True)
class PagesParams(Params):
    """Every request's prompt begins with the same `prefix` tokens."""

    requests: int = whole(200, 10, 500, primary=True)
    prefix: int = whole(64, 0, 160, primary=True, unit="tokens")
    block_size: int = choice(16, (4, 8, 16, 32, 64, 128, 256), primary=True)
    seed: int = whole(0, 0, 999)


class Trace(TypedDict):
    """Of one way, a number a step: requests that run, places taken, and tokens in them, each counted once."""

    running: list[int]
    places: list[int]
    tokens: list[int]


class BlockMap(TypedDict):
    """The step at which most blocks are held: tokens in each block, -1 where it is free, and its holders."""

    step: int
    tokens: list[int]
    holders: list[int]


class PagesResult(TypedDict):
    """`share` in percent of the places taken, over all steps; `found` prompt tokens needed no reading."""

    block_size: int
    traces: dict[str, Trace]
    map: BlockMap
    share: NotRequired[dict[str, float]]
    formula_share: NotRequired[dict[str, float]]
    steps: NotRequired[dict[str, int]]
    most_running: NotRequired[dict[str, int]]
    read: NotRequired[dict[str, int]]
    found: NotRequired[int]


class Pages(Experiment[PagesParams, PagesResult]):
    """The same requests over 32 slots of 512 places, and over the same places in blocks."""

    def seconds(self, params: PagesParams, device: DeviceClass) -> float:
        return 0.3 + params.requests * 0.005

    def measure(self, params: PagesParams, ctx: Context) -> PagesResult:
        """A step gives every running request a token, which nobody computes."""
        requests = [make_requests(params), make_requests(params)]
        tables = BlockTables(PLACES // params.block_size, params.block_size)
        count = params.requests
        slots = Scheduler(SLOTS, queue_limit=count, prefill_chunk=CHUNK)
        blocks = Scheduler(count, queue_limit=count, prefill_chunk=CHUNK, blocks=tables)
        partials: list[dict[str, Any]] = []
        runs = list(zip(WAYS, (slots, blocks), requests, strict=True))
        for (way, scheduler, queue), part in ctx.parts(runs):
            on_progress = part(f"serving_{way}")
            for step in itertools.count():
                for request in queue[step * ARRIVALS : (step + 1) * ARRIVALS]:
                    scheduler.submit(request)
                if scheduler.idle:
                    break
                on_progress(len(scheduler.finished) and scheduler.finished.total() / count)
                partials.append({"way": way, "step": step, **_step(scheduler)})
                if step % TELL_EVERY == 0:
                    ctx.emit(partials[-1])
        result = self.so_far(params, partials)
        lengths = [request.places for request in requests[0]]
        sizes = {"slots": SLOT_PLACES, "blocks": params.block_size}
        return {
            **result,
            "share": {way: _share(trace) for way, trace in result["traces"].items()},
            "formula_share": {way: 100 * occupancy(lengths, size).share for way, size in sizes.items()},
            "steps": {way: len(trace["running"]) for way, trace in result["traces"].items()},
            "most_running": {way: max(trace["running"]) for way, trace in result["traces"].items()},
            "read": {"slots": slots.prompt_tokens, "blocks": blocks.prompt_tokens},
            "found": blocks.found_tokens,
        }

    def so_far(self, params: PagesParams, partials: Partials) -> PagesResult:
        """The steps that were told, in their order."""
        traces: dict[str, Trace] = {way: {"running": [], "places": [], "tokens": []} for way in WAYS}
        fullest: BlockMap = {"step": 0, "tokens": [], "holders": []}
        most = 0
        for partial in partials:
            trace = traces[partial["way"]]
            trace["running"].append(partial["running"])
            trace["places"].append(partial["places"])
            trace["tokens"].append(partial["tokens"])
            if partial["way"] == "blocks" and partial["places"] > most:
                most = partial["places"]
                seen = partial["map"]
                fullest = {"step": partial["step"] + 1, "tokens": seen["tokens"], "holders": seen["holders"]}
        return {"block_size": params.block_size, "traces": traces, "map": fullest}

    def show(self, result: PagesResult, text: Words) -> Shown:
        """`share` of the places taken that holds tokens; `running`; `map`: the tables at their fullest."""
        figures = {
            "share": _over_steps(result, text, "share"),
            "running": _over_steps(result, text, "running"),
        }
        if result["map"]["tokens"]:
            figures["map"] = _map(result, text)
        if "share" not in result:
            return Shown(figures)
        names = ("share", "most_running", "steps", "read")
        rows: list[Row] = [
            {
                text("pages.way"): text(f"pages.{way}"),
                **{text(f"pages.{name}"): result[name][way] for name in names},  # type: ignore[literal-required]
            }
            for way in WAYS
        ]
        return Shown(
            figures,
            rows,
            notes=[
                text("pages.sentence", size=result["block_size"]),
                text("pages.compared", **result["share"], found=result["found"]),
            ],
            numbers={text(f"pages.{name}"): result[name]["blocks"] for name in names},  # type: ignore[literal-required]
            sentence={
                "said": 100.0,
                "formula": result["formula_share"]["blocks"],
                "measured": result["share"]["blocks"],
                "unit": "%",
            },
        )


def make_requests(params: PagesParams) -> list[Request]:
    """Prompts of random ids after the shared ones, and random lengths; the same for the same seed."""
    random = np.random.default_rng(params.seed)
    own = _lengths(random, MEAN_OWN, LONGEST_OWN, params.requests)
    new = _lengths(random, MEAN_NEW, LONGEST_NEW, params.requests)
    shared = random.integers(3, 6400, params.prefix).tolist()
    return [
        Request(number, [*shared, *random.integers(3, 6400, length).tolist()], count)
        for number, (length, count) in enumerate(zip(own.tolist(), new.tolist(), strict=True))
    ]


def _lengths(random: np.random.Generator, mean: int, longest: int, count: int) -> np.ndarray:
    """Most are short and a few are long."""
    return np.clip(random.exponential(mean, count).round().astype(int), SHORTEST, longest)


def _step(scheduler: Scheduler) -> dict[str, Any]:
    """Plan a step, look at what is held, and hand out the tokens."""
    plan = scheduler.plan()
    seen: dict[str, Any] = {"running": len(scheduler.running)}
    lengths = {request.id: request.read + request.planned for request in scheduler.running.values()}
    if scheduler.blocks is None:
        seen |= {"places": scheduler.used_slots * SLOT_PLACES, "tokens": sum(lengths.values())}
    else:
        held = scheduler.blocks.occupancy()
        seen |= {"places": held.places, "tokens": held.tokens, "map": block_map(scheduler.blocks, lengths)}
    for chunk in plan.chunks:
        scheduler.chunk_written(chunk)
    scheduler.choose(plan.decoding, [0] * len(plan.decoding))
    return seen


def block_map(tables: BlockTables, lengths: dict[int, int]) -> dict[str, list[int]]:
    """Tokens in each block, -1 where nobody holds it, and how many requests hold it.

    >>> tables = BlockTables(num_blocks=3, block_size=2)
    >>> _ = tables.open(1, [5, 6, 7], places=4), tables.extend(1, 3)
    >>> block_map(tables, {1: 3})
    {'tokens': [2, 1, -1], 'holders': [1, 1, 0]}
    """
    tokens, holders = [-1] * tables.num_blocks, Counter[int]()
    for owner in tables.owners:
        for index, block in enumerate(tables.table(owner)):
            tokens[block] = min(tables.block_size, lengths[owner] - index * tables.block_size)
            holders[block] += 1
    return {"tokens": tokens, "holders": [holders[block] for block in range(tables.num_blocks)]}


def _share(trace: Trace) -> float:
    return 100 * sum(trace["tokens"]) / sum(trace["places"])


def _over_steps(result: PagesResult, text: Words, what: str) -> Figure:
    figure = Figure()
    roles: dict[str, Role] = {"slots": "peer", "blocks": "measured"}
    ends, highest = [], 100.0 if what == "share" else 1.0
    for way, trace in result["traces"].items():
        values = (
            [
                100 * tokens / max(places, 1)
                for tokens, places in zip(trace["tokens"], trace["places"], strict=True)
            ]
            if what == "share"
            else list(map(float, trace["running"]))
        )
        if not values:
            continue
        steps = list(range(1, len(values) + 1))
        figure.line(steps, values, roles[way], hover="%{x}: %{y:.4g}", showlegend=False)
        ends.append((steps[-1], values[-1], text(f"pages.{way}")))
        highest = max(highest, *values)
    longest = max((x for x, _, _ in ends), default=1)
    figure.name_ends(ends, 0, 1.1 * highest, log=False)
    figure.x_axis(text("axis.engine_step"), span=(0, 1.45 * longest))
    figure.y_axis(text(f"axis.{what}"), span=(0, 1.1 * highest))
    return figure


def _map(result: PagesResult, text: Words) -> Figure:
    """Every cell is a block, darker the fuller; those that several requests hold are marked."""
    figure = Figure(height=430)
    tokens, holders = result["map"]["tokens"], result["map"]["holders"]
    columns = min(COLUMNS, len(tokens))
    cells = [[None if count < 0 else count for count in row] for row in _rows(tokens, columns)]
    owned = _rows(holders, columns)
    figure.heat(
        cells,
        list(range(columns)),
        list(range(len(cells))),
        "measured",
        customdata=owned,
        hover=text("pages.cell", tokens="%{z}", holders="%{customdata}"),
        showscale=False,
        zmin=0,
        zmax=result["block_size"],
    )
    shared = [index for index, count in enumerate(holders) if count > 1]
    if shared:
        figure.marks(
            [index % columns for index in shared],
            [index // columns for index in shared],
            "formula",
            text("pages.shared"),
            symbol="diamond-open",
            size=9,
        )
    figure.x_axis(text("axis.block"), showgrid=False, showticklabels=False)
    figure.y_axis(reverse=True, showgrid=False, showticklabels=False)
    return figure


def _rows(values: list[int], columns: int) -> list[list[int]]:
    return [values[start : start + columns] for start in range(0, len(values), columns)]
