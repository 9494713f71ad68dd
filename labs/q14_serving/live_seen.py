"""What a run of the real service comes to, from what it has told so far. Plain data; no torch, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from labs.contract import Partials
from labs.q14_serving.curves import SECOND
from labs.q14_serving.queueing import percentile

ANSWERED, REFUSED = "answered", "rejected"


class Request(TypedDict):
    """Seconds of the run when it was due, gone, had its first token, and was over; and what became of it.

    `degraded`: answered by the smaller model.
    """

    due: float
    gone: float
    first: float | None
    end: float
    kind: str
    degraded: bool


class Look(TypedDict):
    """The service at one second: who waits, whose tokens are made (None: no answer), and its breaker."""

    second: float
    waiting: int | None
    running: int | None
    breaker: str


class Happened(TypedDict):
    """A misfortune of the worker, or its end ("back")."""

    second: float
    what: str


class Outcome(TypedDict):
    """Rates a second, times in milliseconds: from when a request was due, for a closed client from when sent.

    `due_p95` counts from when due for both. `refusal`: mean time until somebody was told no. `recovery`: from
    the misfortune to the end of the first answer to a request that was sent after it. None: there was none.
    """

    sent: int
    answered: int
    refused: int
    failed: int
    degraded: int
    rate: float
    served: float
    goodput: float
    in_time_percent: float
    fastest: float
    p50: float
    p95: float
    p99: float
    due_p95: float
    first_p95: float
    refusal: float | None
    recovery: float | None
    longest_queue: int
    mean_running: float


class Run(TypedDict):
    """One service under load. `capacity`: answers a second to a burst before it, `slots` at a time.

    `queue`: most that may wait, None for no bound. `goal`: milliseconds. `away`: share of the run whose
    requests nobody answers. `by_hand`: percent of the requests that so much capacity is enough for.
    """

    slots: int
    queue: int | None
    closed: bool
    rate: float
    goal: float
    capacity: float
    away: float
    by_hand: float
    seconds: float
    planned: int
    requests: list[Request]
    looks: list[Look]
    happened: list[Happened]
    outcome: Outcome


class LiveResult(TypedDict):
    """By "sound" and "broken"; `in_time_percent` is that of the last one, which `guess` was about.

    `goal` is both services'.
    """

    fault: str
    goal: float
    guess: int
    in_time_percent: float
    services: dict[str, Run]
    view: NotRequired[Any]


class Instant(TypedDict):
    """Of one service: requests that are sent and not over, and its last look."""

    in_flight: int
    waiting: int | None
    running: int | None
    breaker: str


def result_of(fault: str, guess: int, told: Partials) -> LiveResult | None:
    """Made of what a run has told; None as long as nothing has come back."""
    services: dict[str, Run] = {}
    for partial in told:
        if "plan" in partial:
            services[partial["service"]] = _begun(partial["plan"])
        else:
            run = services[partial["service"]]
            run["requests"] += partial["requests"]
            run["looks"] += partial["looks"]
            run["happened"] += partial["happened"]
    services = {name: run for name, run in services.items() if run["requests"]}
    if not services:
        return None
    for run in services.values():
        run["outcome"] = _outcome(run)
    goal = next(iter(services.values()))["goal"]
    last = list(services.values())[-1]["outcome"]["in_time_percent"]
    return {"fault": fault, "goal": goal, "guess": guess, "in_time_percent": last, "services": services}


def latency(request: Request, run: Run) -> float:
    """Milliseconds; a closed client counts from when it sent, as such clients do."""
    return SECOND * (request["end"] - request["gone" if run["closed"] else "due"])


def instant(run: Run, second: float) -> Instant:
    """Where its requests are at a second of its run."""
    before = [look for look in run["looks"] if look["second"] <= second]
    look: Look = before[-1] if before else {"second": 0, "waiting": 0, "running": 0, "breaker": "closed"}
    in_flight = sum(request["gone"] <= second < request["end"] for request in run["requests"])
    return {
        "in_flight": in_flight,
        "waiting": look["waiting"],
        "running": look["running"],
        "breaker": look["breaker"],
    }


def _begun(plan: dict[str, Any]) -> Run:
    by_hand = 100 * min(1.0, plan["capacity"] / plan["rate"]) * (1 - plan["away"])
    return {**plan, "by_hand": by_hand, "requests": [], "looks": [], "happened": []}  # type: ignore[typeddict-item]


def _outcome(run: Run) -> Outcome:
    requests, looks = run["requests"], run["looks"]
    answered = [request for request in requests if request["kind"] == ANSWERED]
    refused = sum(request["kind"] == REFUSED for request in requests)
    times = [latency(request, run) for request in answered] or [0.0]
    since_due = [SECOND * (request["end"] - request["due"]) for request in answered] or [0.0]
    firsts = [SECOND * (one["first"] - one["due"]) for one in answered if one["first"] is not None] or [0.0]
    in_time = sum(time <= run["goal"] for time in times) if answered else 0
    lasted = max(run["seconds"], *(request["end"] for request in requests))
    busy = [look["running"] for look in looks if look["running"] is not None]
    return {
        "sent": len(requests),
        "answered": len(answered),
        "refused": refused,
        "failed": len(requests) - len(answered) - refused,
        "degraded": sum(request["degraded"] for request in requests),
        "rate": len(requests) / run["seconds"],
        "served": len(answered) / lasted,
        "goodput": in_time / run["seconds"],
        "in_time_percent": 100 * in_time / len(requests),
        "fastest": min(times),
        "p50": percentile(times, 50),
        "p95": percentile(times, 95),
        "p99": percentile(times, 99),
        "due_p95": percentile(since_due, 95),
        "first_p95": percentile(firsts, 95),
        "refusal": _mean(
            [SECOND * (one["end"] - one["gone"]) for one in requests if one["kind"] != ANSWERED]
        ),
        "recovery": _recovery(run),
        "longest_queue": max((look["waiting"] or 0 for look in looks), default=0),
        "mean_running": _mean(busy) or 0.0,
    }


def _recovery(run: Run) -> float | None:
    if not run["happened"]:
        return None
    began = run["happened"][0]["second"]
    ends = [one["end"] for one in run["requests"] if one["kind"] == ANSWERED and one["gone"] >= began]
    return min(ends) - began if ends else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
