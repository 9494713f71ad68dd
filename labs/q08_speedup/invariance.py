"""Whether a text at temperature 0 depends on who is in its batch: alone, among 8, among 32, and repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Figure, Params, Row, Shown, Words, whole
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

DTYPES = ("float32", "bfloat16")
BATCHES = (8, 32)
FIXED = PerDevice(cpu=(8,), cuda=(8, 32))
"""Batches in which the repair is tried; row by row it costs a CPU as much as all rows alone."""
PROMPTS, TOKENS = PerDevice(cpu=8, cuda=200), PerDevice(cpu=12, cuda=64)
PROMPT_TOKENS = 16
STEP_SECONDS = PerDevice(cpu={1: 0.012, 8: 0.06, 32: 0.2}, cuda={1: 0.001, 8: 0.002, 32: 0.004})
"""Of the slower dtype, by batch."""


@dataclass(frozen=True)
class InvarianceParams(Params):
    """Prompts of held-out text, and the tokens that are written after each; 0 is as suits the device."""

    prompts: int = whole(0, 0, 200, primary=True)
    tokens: int = whole(0, 0, 200, primary=True)


class Company(TypedDict):
    """Texts in one batch size against the same texts alone: `share` in percent of those that differ.

    `first` is the earliest token that differs, from 1; None where none does. `equal` is the share in percent
    that is still the same after each token, `gap` the largest difference between two logits.
    """

    dtype: str
    batch: int
    fixed: bool
    changed: int
    share: float
    first: int | None
    equal: list[float]
    gap: float


class InvarianceResult(TypedDict):
    """`runs` by dtype and batch; `share` of texts that change among 32, by dtype, and `repaired` at most."""

    prompts: int
    tokens: int
    runs: list[Company]
    share: dict[str, float]
    repaired: float


class Invariance(Experiment[InvarianceParams, InvarianceResult]):
    """Texts that change with their company, by dtype and batch, and with sums in a fixed order."""

    version = 2

    def seconds(self, params: InvarianceParams, device: DeviceClass) -> float:
        prompts, tokens = params.prompts or PROMPTS.on(device), params.tokens or TOKENS.on(device)
        step = STEP_SECONDS.on(device)
        steps = sum(-(-prompts // batch) * step[batch] for batch in (1, *BATCHES))
        alone = step[1] * prompts * len(FIXED.on(device))
        return 2.0 + len(DTYPES) * tokens * (steps + alone)

    def measure(self, params: InvarianceParams, ctx: Context) -> InvarianceResult:
        """The same prompts in every batch size, in each dtype; then with products of one row at a time."""
        import torch

        from labs.q08_speedup.company import alone, in_fixed_order, together
        from labs.tools import heldout
        from labs.tools.models import copied

        ctx.progress(0.0, "loading")
        loaded, device = ctx.model(), ctx.device
        count, tokens = params.prompts or PROMPTS.on(device), params.tokens or TOKENS.on(device)
        documents = heldout.held_out("both")
        rows = heldout.windows(
            loaded.tokenizer, documents, count, PROMPT_TOKENS, 0, ctx.check_cancelled
        ).tolist()
        ways = [(batch, False) for batch in BATCHES] + [(batch, True) for batch in FIXED.on(device)]
        runs: list[Company] = []
        for index, dtype in enumerate(DTYPES):
            start, share = 0.05 + 0.95 * index / len(DTYPES), 0.95 / len(DTYPES) / (1 + len(ways))
            model = copied(loaded.model).to(getattr(torch, dtype)).eval()
            part = ctx.part(start, start + share, "alone_dtype", dtype=dtype)
            written = alone(model, rows, tokens, part)
            for place, (batch, fixed) in enumerate(ways, 1):
                begin = start + share * place
                part = ctx.part(begin, begin + share, "company_dtype", dtype=dtype, batch=batch)
                places, gap = together(in_fixed_order(model) if fixed else model, rows, batch, written, part)
                runs.append(company(dtype, batch, fixed, places, tokens, gap))
        return {
            "prompts": len(rows),
            "tokens": tokens,
            "runs": runs,
            "share": {r["dtype"]: r["share"] for r in runs if r["batch"] == BATCHES[-1] and not r["fixed"]},
            "repaired": max(run["share"] for run in runs if run["fixed"]),
        }

    def show(self, result: InvarianceResult, text: Words) -> Shown:
        """`share`: texts that change; `equal`: those that are still the same, token by token."""
        runs = result["runs"]
        notes = [text("invariance.said", prompts=result["prompts"], tokens=result["tokens"])]
        notes += [_heard(dtype, result, text) for dtype in DTYPES]
        notes.append(text("invariance.fixed" if result["repaired"] == 0 else "invariance.not_fixed"))
        return Shown(
            {"share": _share(runs, text), "equal": _equal(runs, text)},
            rows=[_row(run, text) for run in runs],
            notes=notes,
            numbers={_name(run, text): run["share"] for run in runs},
        )


def company(
    dtype: str, batch: int, fixed: bool, places: list[int | None], tokens: int, gap: float
) -> Company:
    """What the first differing places, from 0, say of the texts.

    >>> company("float32", 8, False, [None, 1], 3, 0.1)["equal"]
    [100.0, 50.0, 50.0]
    """
    changed = [place for place in places if place is not None]
    gone = [sum(place <= token for place in changed) for token in range(tokens)]
    return {
        "dtype": dtype,
        "batch": batch,
        "fixed": fixed,
        "changed": len(changed),
        "share": 100 * len(changed) / len(places),
        "first": min(changed) + 1 if changed else None,
        "equal": [100 * (1 - count / len(places)) for count in gone],
        "gap": gap,
    }


def _heard(dtype: str, result: InvarianceResult, text: Words) -> str:
    """What the batch did to the sums of that dtype, and whether a choice turned on it."""
    free = [run for run in result["runs"] if run["dtype"] == dtype and not run["fixed"]]
    gap, changed = max(run["gap"] for run in free), max(run["changed"] for run in free)
    key = "invariance.same_bits" if gap == 0 else "invariance.moved" if changed else "invariance.unheard"
    return text(key, dtype=dtype, gap=small_number(gap), changed=changed, prompts=result["prompts"])


def _name(run: Company, text: Words) -> str:
    return text(
        "invariance.fixed_batch" if run["fixed"] else "invariance.batch",
        dtype=run["dtype"],
        batch=run["batch"],
    )


def _row(run: Company, text: Words) -> Row:
    return {
        text("invariance.dtype"): run["dtype"],
        text("axis.batch"): run["batch"],
        text("invariance.order"): text("invariance.by_row" if run["fixed"] else "invariance.by_batch"),
        text("axis.changed"): run["share"],
        text("invariance.first"): run["first"] or "",
        text("invariance.gap"): run["gap"],
    }


def _share(runs: list[Company], text: Words) -> Figure:
    figure = Figure(height=120 + 40 * len(runs))
    figure.bars(
        [run["share"] for run in runs],
        [_name(run, text) for run in runs],
        "measured",
        text("measured"),
        labels="{:.3g} %",
        horizontal=True,
        hover="%{y}: %{x:.3g} %",
    )
    figure.x_axis(text("axis.changed"), span=(0, max(10.0, 1.25 * max(run["share"] for run in runs))))
    figure.y_axis(reverse=True)
    return figure


def _equal(runs: list[Company], text: Words) -> Figure:
    """A staircase a run, without the repaired ones where they stay at the top."""
    figure = Figure()
    for run in runs:
        if run["fixed"] and not run["changed"]:
            continue
        figure.line(
            list(range(1, len(run["equal"]) + 1)),
            run["equal"],
            "measured",
            _name(run, text),
            shape="hv",
            symbol="circle" if run["batch"] == BATCHES[0] else "square",
            hover="%{x}: %{y:.3g} %",
        )
    lowest = min(min(run["equal"]) for run in runs)
    figure.x_axis(text("axis.token"))
    figure.y_axis(text("axis.equal"), span=(min(90.0, lowest - 5), 101))
    return figure
