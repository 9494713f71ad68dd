"""What a load test comes to: counts by kind, rates, and distributions, in plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypedDict

from serving.load.completions import ANSWERED, Reply
from serving.load.loops import Sent
from serving.load.plan import LoadTest
from serving.load.statistics import Distribution, distribution

MS = 1000


@dataclass(frozen=True)
class Goal:
    """The service level: milliseconds from when a request was due to its end, and to its first token."""

    latency_ms: float
    ttft_ms: float | None = None

    def met(self, one: Sent[Reply]) -> bool:
        """Whether a request was answered in time."""
        if one.reply.kind != ANSWERED or latency_ms(one) > self.latency_ms:
            return False
        first = ttft_ms(one)
        return self.ttft_ms is None or (first is not None and first <= self.ttft_ms)


class Summary(TypedDict):
    """Of all requests: how many were planned, sent, unfinished (cut off by an interrupt) and never sent.

    The rest is about those due after the warm-up, in a window of `seconds`. Rates are a second. Times are
    milliseconds of answered requests: `latency_ms` and `ttft_ms` from when they were due, `from_sent_ms` from
    when they were sent, which is what coordinated omission leaves; `late_ms` is how long after it was due a
    request was sent. None where nothing is known.
    """

    loop: str
    interrupted: bool
    planned: int
    sent: int
    unfinished: int
    never_sent: int
    seconds: float
    warmup: float
    kinds: dict[str, int]
    sent_rate: float
    answered_rate: float
    tokens_rate: float
    goal: dict[str, float | None]
    goodput: float
    goodput_share: float
    latency_ms: Distribution | None
    from_sent_ms: Distribution | None
    ttft_ms: Distribution | None
    per_token_ms: Distribution | None
    late_ms: Distribution | None


def latency_ms(one: Sent[Reply]) -> float:
    """From when it was due to its end."""
    return MS * (one.end - one.due)


def ttft_ms(one: Sent[Reply]) -> float | None:
    """From when it was due to its first token."""
    return None if one.reply.first is None else MS * (one.gone - one.due + one.reply.first)


def summarize(test: LoadTest, goal: Goal) -> Summary:
    """Sum up a test, also one that was cut off."""
    counted, seconds = test.counted, test.window
    answered = [one for one in counted if one.reply.kind == ANSWERED]
    firsts = [first for one in answered if (first := ttft_ms(one)) is not None]
    gaps = [MS * gap for one in answered if (gap := one.reply.per_token) is not None]
    met = sum(map(goal.met, counted))

    def a_second(count: int) -> float:
        return count / seconds if seconds else 0.0

    return {
        "loop": "closed" if test.plan.clients else "open",
        "interrupted": test.interrupted,
        "planned": len(test.plan.due),
        "sent": test.started,
        "unfinished": test.started - len(test.sent),
        "never_sent": max(0, len(test.plan.due) - test.started),
        "seconds": seconds,
        "warmup": test.plan.warmup,
        "kinds": dict(Counter(one.reply.kind for one in counted).most_common()),
        "sent_rate": a_second(len(counted)),
        "answered_rate": a_second(len(answered)),
        "tokens_rate": a_second(sum(one.reply.tokens for one in answered)),
        "goal": {"latency_ms": goal.latency_ms, "ttft_ms": goal.ttft_ms},
        "goodput": a_second(met),
        "goodput_share": met / len(counted) if counted else 0.0,
        "latency_ms": distribution([latency_ms(one) for one in answered]),
        "from_sent_ms": distribution([MS * (one.end - one.gone) for one in answered]),
        "ttft_ms": distribution(firsts),
        "per_token_ms": distribution(gaps),
        "late_ms": distribution([MS * (one.gone - one.due) for one in counted]),
    }
