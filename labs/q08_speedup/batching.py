"""Many users at once: what a step costs, who waits for whom, and whether company changes a text.

Measured: the step over the batch, and greedy texts alone and in company. The schedule beside it counts steps
(`schedule.py`), and moves with its settings without a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice, text, whole
from labs.contract.drawing import Figure, error_bars, round_ticks
from labs.q08_speedup import schedule
from labs.tools.budgets import PerDevice

BATCHES = PerDevice(cpu=(1, 2, 4, 8, 16, 32), cuda=(1, 4, 16, 64, 256, 1024), mps=(1, 2, 4, 8, 16, 32))
SECONDS = PerDevice(cpu=4.0, cuda=1.0, mps=3.0)
CACHED = 256
COMPANY = PerDevice(cpu=8, cuda=32, mps=8)
"""Rows that a text is decoded in company of."""
PROMPTS = PerDevice(cpu=16, cuda=64, mps=16)
PROMPT_TOKENS = 16
MOST_DRAWN = 4
"""Batches' worth of requests in the picture of the schedule."""
REQUESTS = 64
"""The schedule's requests are so many for each slot."""
KNEE = 2.0
"""Where a step takes twice what it takes for one user."""


@dataclass(frozen=True)
class BatchingParams(Params):
    """`law`, `slots` and `lengths` are the schedule's; `new_tokens` are decoded alone and in company."""

    law: str = choice("exponential", (*schedule.LAWS, schedule.OWN), primary=True, view=True)
    slots: int = whole(32, 1, 64, primary=True, view=True)
    new_tokens: int = whole(24, 2, 200, unit="tokens", primary=True)
    lengths: str = text("100 10", view=True)

    def check_together(self) -> None:
        """Raise ParamError for lengths that cannot be read, where they are asked for."""
        if self.law == schedule.OWN:
            schedule.typed_lengths(self.lengths)


class Step(TypedDict):
    """Seconds of one step with quartiles, and the tokens a second of all its rows."""

    seconds: dict[str, float]
    rate: float


class Company(TypedDict):
    """Greedy texts decoded alone and in a batch: how many differ, and the first place (None: none does)."""

    prompts: int
    batch: int
    new_tokens: int
    changed: int
    first: int | None


class Schedule(TypedDict):
    """Steps of both ways for the same requests; slots, starts and ends of the first ones for the picture."""

    law: str
    slots: int
    static_steps: int
    continuous_steps: int
    factor: float
    bound: float
    used: dict[str, float]
    drawn: dict[str, list[list[int]]]


class BatchingResult(TypedDict):
    """Steps by batch, and what company does to greedy texts."""

    steps: dict[str, Step]
    company: Company
    dtype: str
    view: NotRequired[Schedule]


class Batching(Experiment[BatchingParams, BatchingResult]):
    """Step time over the batch, texts alone and in company, and static against continuous batching."""

    def seconds(self, params: BatchingParams, device: DeviceClass) -> float:
        return PerDevice(cpu=6.0 + 0.25 * params.new_tokens, cuda=5.0 + 0.6 * params.new_tokens).on(device)

    def measure(self, params: BatchingParams, ctx: Context) -> BatchingResult:
        """The steps on a full cache; the texts from held-out prompts."""
        from labs.q08_speedup.batch_steps import first_difference, greedy, step_times
        from labs.tools import heldout
        from labs.tools.interleaved import middle

        ctx.progress(0.0, "loading")
        loaded, device = ctx.model(), ctx.device
        on_progress = ctx.part(0.05, 0.45, "timing")
        times = step_times(loaded.model, BATCHES.on(device), CACHED, device, SECONDS.on(device), on_progress)
        steps: dict[str, Step] = {}
        for batch, rounds in times.items():
            seconds = middle(rounds)
            steps[str(batch)] = {"seconds": seconds, "rate": batch / seconds["median"]}
        count, batch = PROMPTS.on(device), COMPANY.on(device)
        rows = heldout.held_out_windows(loaded.tokenizer, "both", count, PROMPT_TOKENS, ctx).tolist()
        alone = greedy(loaded.model, rows, 1, params.new_tokens, ctx.part(0.45, 0.85, "alone"))
        together = greedy(
            loaded.model, rows, batch, params.new_tokens, ctx.part(0.85, 1.0, "company", batch=batch)
        )
        places = [first_difference(one, other) for one, other in zip(alone, together, strict=True)]
        changed = [place for place in places if place is not None]
        return {
            "steps": steps,
            "company": {
                "prompts": len(rows),
                "batch": batch,
                "new_tokens": params.new_tokens,
                "changed": len(changed),
                "first": min(changed, default=None),
            },
            "dtype": ctx.dtype,
        }

    def view(self, params: BatchingParams, result: BatchingResult) -> Schedule:
        slots = params.slots
        own = params.law == schedule.OWN
        lengths = (
            schedule.typed_lengths(params.lengths)
            if own
            else schedule.drawn_lengths(params.law, REQUESTS * slots)
        )
        ways = {"static": schedule.static(lengths, slots), "continuous": schedule.continuous(lengths, slots)}
        steps = {name: schedule.makespan(served) for name, served in ways.items()}
        return {
            "law": params.law,
            "slots": slots,
            "static_steps": steps["static"],
            "continuous_steps": steps["continuous"],
            "factor": steps["static"] / steps["continuous"],
            "bound": schedule.most_gain(lengths, slots) if own else schedule.bound(params.law, slots),
            "used": {name: schedule.used_share(served, slots) for name, served in ways.items()},
            "drawn": {
                name: [list(one) for one in served[: MOST_DRAWN * slots]] for name, served in ways.items()
            },
        }

    def show(self, result: BatchingResult, text: Words) -> Shown:
        """`steps`: milliseconds and tokens a second over the batch; `schedule`: the slots of both ways."""
        view, company = result["view"], result["company"]
        slow = knee({int(batch): step["seconds"]["median"] for batch, step in result["steps"].items()})
        said = text("batching.knee", batch=slow) if slow else text("batching.no_knee")
        notes = [
            text(
                "batching.own" if view["law"] == schedule.OWN else "batching.schedule",
                slots=view["slots"],
                law=text(f"law.{view['law']}"),
                factor=f"{view['factor']:.2f}",
                bound=f"{view['bound']:.2f}",
                static=f"{100 * view['used']['static']:.0f}",
                continuous=f"{100 * view['used']['continuous']:.0f}",
            ),
            said,
            text("batching.company" if company["changed"] else "batching.equal", **_told(company, result)),
        ]
        return Shown(
            {"steps": _steps(result, text), "rate": _rate(result, text), "schedule": _gantt(view, text)},
            rows=[
                {
                    text("axis.batch"): int(batch),
                    text("axis.milliseconds"): 1e3 * step["seconds"]["median"],
                    text("axis.rate"): step["rate"],
                }
                for batch, step in result["steps"].items()
            ],
            notes=notes,
            numbers={
                text("factor_schedule"): view["factor"],
                text("changed"): float(company["changed"]),
                **{
                    f"{text('axis.batch')} {batch} ({text('per_second')})": step["rate"]
                    for batch, step in result["steps"].items()
                },
            },
        )


def knee(seconds: dict[int, float]) -> int | None:
    """The batch from which on every step takes at least `KNEE` times as long as the first one's.

    A step of another size may be quicker than a smaller one, where another kernel takes over.

    >>> knee({1: 1.0, 4: 2.5, 16: 1.5, 64: 3.0}), knee({1: 1.0, 4: 1.5})
    (64, None)
    """
    alone, found = seconds[min(seconds)], None
    for batch, time in sorted(seconds.items(), reverse=True):
        if time < KNEE * alone:
            break
        found = batch
    return found


def _told(company: Company, result: BatchingResult) -> dict[str, object]:
    return {**company, "dtype": result["dtype"].upper(), "first": (company["first"] or 0) + 1}


def _steps(result: BatchingResult, text: Words) -> Figure:
    """Beside it what a step would take if each row cost as much as one alone."""
    figure, batches = Figure(), list(map(int, result["steps"]))
    spans = [{end: 1e3 * value for end, value in s["seconds"].items()} for s in result["steps"].values()]
    medians = [span["median"] for span in spans]
    alone = [medians[0] * batch / batches[0] for batch in batches]
    figure.line(batches, alone, "formula", text("as_alone"), hover="%{x}: %{y:.3g} ms")
    figure.line(
        batches,
        medians,
        "measured",
        text("measured"),
        size=9,
        hover="%{x}: %{y:.3g} ms",
        error_y=error_bars(medians, spans),
    )
    figure.log_axes(batches, [*medians, *alone], room=0.05)
    figure.x_axis(text("axis.batch"), ticks={batch: f"{batch:,}" for batch in batches})
    figure.y_axis(text("axis.milliseconds"), ticks=round_ticks(min(medians) / 2, 2 * max(alone)))
    return figure


def _rate(result: BatchingResult, text: Words) -> Figure:
    figure, batches = Figure(), list(map(int, result["steps"]))
    rates = [step["rate"] for step in result["steps"].values()]
    figure.line(batches, rates, "measured", text("measured"), size=9, hover="%{x}: %{y:,.0f}")
    figure.log_axes(batches, rates, room=0.05)
    figure.x_axis(text("axis.batch"), ticks={batch: f"{batch:,}" for batch in batches})
    figure.y_axis(text("axis.rate_all"), ticks=round_ticks(min(rates) / 2, 2 * max(rates)))
    return figure


def _gantt(view: Schedule, text: Words) -> Figure:
    """A bar a request: static batches above, continuous ones below, on one axis of steps."""
    figure = Figure(barmode="overlay", height=460)
    for name, role, offset in (("static", "said", 0), ("continuous", "formula", view["slots"] + 2)):
        served = view["drawn"][name]
        figure.bars(
            [end - start for _, start, end in served],
            [slot + offset for slot, _, _ in served],
            role,  # type: ignore[arg-type]
            text(name),
            horizontal=True,
            base=[start for _, start, _ in served],
            hover="%{base} + %{x}",
            width=0.8,
        )
    figure.x_axis(text("axis.steps"))
    figure.y_axis(text("slots"), reverse=True, showticklabels=False, showgrid=False)
    return figure
