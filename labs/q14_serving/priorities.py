"""Urgent requests beside normal ones: who waits, and for how long, under three rules for one set of arrivals.

The engine's own scheduler hands out the slots, so its rule is the real one. Its steps are the clock: the run
is the same on every machine, and no model is needed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, real, whole
from labs.contract.drawing import Figure, Role
from labs.q14_serving.queueing import percentile, poisson
from labs.q14_serving.turns import RULES, Coming, Rule, admissions, most_overtaken, overtakings
from minimind_core.decoding.scheduler import PRIORITIES

KINDS = ("urgent", "normal")
ROLES: dict[Rule, Role] = {"arrival": "peer", "two_queues": "said", "head_start": "measured"}
SHORTEST = 8
"""Steps of the shortest answer; the longest has five times as many."""


@dataclass(frozen=True)
class PrioritiesParams(Params):
    """`load`: what comes over what all slots can serve; `urgent` of it has the priority, the rest has 0."""

    load: float = real(130.0, 20.0, 200.0, step=5.0, primary=True, label="offered_load")
    urgent: float = real(90.0, 5.0, 95.0, step=5.0, primary=True)
    priority: int = whole(2, PRIORITIES[1], PRIORITIES[-1], primary=True)
    slots: int = whole(4, 1, 16)
    requests: int = whole(400, 20, 1000)
    seed: int = whole(0, 0, 999)


class ByRule(TypedDict):
    """Of one rule. Steps until a slot: P95 by kind, the longest, and of each normal one by `arrivals`.

    `overtaken`: later requests that were let in before a normal one, at most. `stranded`: normal ones of
    the first half that still had no slot when the last request of all came.
    """

    p95: dict[str, float]
    longest: float
    overtaken: int
    stranded: int
    waits: list[float]


class PrioritiesResult(TypedDict):
    """`bound`: later requests that the engine's rule lets pass a normal one, at most."""

    load: float
    urgent: float
    priority: int
    bound: int
    early: NotRequired[int]
    """Normal requests of the first half."""
    arrivals: NotRequired[list[float]]
    rules: NotRequired[dict[Rule, ByRule]]


class Priorities(Experiment[PrioritiesParams, PrioritiesResult]):
    """The same arrivals by arrival, in two queues, and with the engine's bounded head start."""

    id = "q14/priorities"

    def seconds(self, params: PrioritiesParams, device: DeviceClass) -> float:
        return 0.2 + params.requests * 1e-3

    def formula(self, params: PrioritiesParams) -> PrioritiesResult:
        """How many may pass a normal request."""
        return {
            "load": params.load,
            "urgent": params.urgent,
            "priority": params.priority,
            "bound": most_overtaken(params.priority),
        }

    def measure(self, params: PrioritiesParams, ctx: Context) -> PrioritiesResult:
        """On the scheduler alone, whatever the device: nothing is timed."""
        coming, rules = _coming(params), dict[Rule, ByRule]()
        for index, rule in enumerate(RULES):
            on_progress = ctx.part(index / len(RULES), (index + 1) / len(RULES), "serving")
            rules[rule] = _by_rule(coming, admissions(coming, params.slots, rule, on_progress))
        arrivals = [one.arrival for one in coming if not one.priority]
        return {
            **self.formula(params),
            "early": sum(arrival <= coming[-1].arrival / 2 for arrival in arrivals),
            "arrivals": arrivals,
            "rules": rules,
        }

    def show(self, result: PrioritiesResult, text: Words) -> Shown:
        """`waits`: of each normal request, by when it came; `tails`: of both kinds by rule."""
        if "rules" not in result:
            return Shown({})
        rules = result["rules"]
        rows: list[Row] = [
            {
                text("rule"): text(f"turn.{rule}"),
                **{text(f"wait_of.{kind}"): seen["p95"][kind] for kind in KINDS},
                text("longest_wait"): seen["longest"],
                text("overtaken"): seen["overtaken"],
                text("stranded"): seen["stranded"],
            }
            for rule, seen in rules.items()
        ]
        ours = rules["head_start"]
        return Shown(
            {"waits": _waits(result, text), "tails": _tails(result, text)},
            rows,
            _notes(result, text),
            numbers={
                text("overtaken"): float(ours["overtaken"]),
                **{text(f"wait_of.{kind}"): ours["p95"][kind] for kind in KINDS},
            },
        )


def _coming(params: PrioritiesParams) -> list[Coming]:
    """Answers of 8 to 40 steps, drawn evenly; the first request is a normal one, so that there is one."""
    source = random.Random(params.seed)
    steps = [source.randint(SHORTEST, 5 * SHORTEST) for _ in range(params.requests)]
    a_step = params.load / 100 * params.slots / (sum(steps) / len(steps))
    times = poisson(1000 * a_step, 2 * params.requests / a_step / 1000, params.seed)[: params.requests]
    urgent = [source.random() < params.urgent / 100 for _ in times]
    return [
        Coming(time, length, params.priority if hurried and number else 0)
        for number, (time, length, hurried) in enumerate(zip(times, steps, urgent, strict=False))
    ]


def _by_rule(coming: list[Coming], admitted: list[int]) -> ByRule:
    waits = [at - one.arrival for one, at in zip(coming, admitted, strict=True)]
    normal = [number for number, one in enumerate(coming) if not one.priority]
    urgent = [number for number, one in enumerate(coming) if one.priority]
    passed, last = overtakings(admitted), coming[-1].arrival
    return {
        "p95": {
            kind: percentile([waits[number] for number in numbers], 95) if numbers else 0.0
            for kind, numbers in (("urgent", urgent), ("normal", normal))
        },
        "longest": max(waits[number] for number in normal),
        "overtaken": max(passed[number] for number in normal),
        "stranded": sum(coming[number].arrival <= last / 2 and admitted[number] > last for number in normal),
        "waits": [waits[number] for number in normal],
    }


def _waits(result: PrioritiesResult, text: Words) -> Figure:
    """A point a normal request; those that wait for the end of the stream lie on a falling line."""
    figure = Figure()
    for rule, seen in result["rules"].items():
        figure.line(
            result["arrivals"],
            seen["waits"],
            ROLES[rule],
            text(f"turn.{rule}"),
            size=7,
            width=1,
            hover="%{x:,.0f}: %{y:,.0f}",
        )
    figure.x_axis(text("axis.came"), from_zero=True)
    figure.y_axis(text("axis.normal_wait"), from_zero=True)
    return figure


def _tails(result: PrioritiesResult, text: Words) -> Figure:
    """P95 of both kinds, a group of bars each."""
    figure = Figure(height=300, barmode="group")
    for rule, seen in result["rules"].items():
        figure.bars(
            [text(f"kind_of.{kind}") for kind in KINDS],
            [seen["p95"][kind] for kind in KINDS],
            ROLES[rule],
            text(f"turn.{rule}"),
            labels="{:,.0f}",
            hover="%{x}: %{y:,.0f}",
        )
    highest = max(seen["p95"][kind] for seen in result["rules"].values() for kind in KINDS)
    figure.y_axis(text("axis.wait"), span=(0, 1.15 * max(highest, 1.0)))
    return figure


def _notes(result: PrioritiesResult, text: Words) -> list[str]:
    rules, early = result["rules"], result["early"]
    strict, ours = rules["two_queues"], rules["head_start"]
    urgent_load = result["load"] * result["urgent"] / 100
    key = "starved" if urgent_load >= 100 else "not_starved"
    return [
        text(
            f"priorities.{key}",
            urgent=urgent_load,
            stranded=strict["stranded"],
            early=early,
            overtaken=strict["overtaken"],
        ),
        text(
            "priorities.ours",
            stranded=ours["stranded"],
            early=early,
            overtaken=ours["overtaken"],
            bound=result["bound"],
            urgent=ours["p95"]["urgent"],
            strict=strict["p95"]["urgent"],
        ),
        *([text("priorities.overloaded", load=result["load"])] if result["load"] > 100 else []),
    ]
