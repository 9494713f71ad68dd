"""Which of several is best, and when to say nothing. No torch."""

from __future__ import annotations

from collections.abc import Mapping

UNRESOLVED = "unresolved"


def verdict(losses: Mapping[str, float], spans: Mapping[str, Mapping[str, float]]) -> str:
    """The best model's name if its interval ends below all others, else `UNRESOLVED`.

    >>> verdict({"a": 1.0, "b": 2.0}, {"a": {"low": 0.9, "high": 1.1}, "b": {"low": 1.8, "high": 2.2}})
    'a'
    >>> verdict({"a": 1.0, "b": 2.0}, {"a": {"low": 0.1, "high": 1.9}, "b": {"low": 1.8, "high": 2.2}})
    'unresolved'
    """
    best = min(losses, key=lambda name: losses[name])
    apart = all(spans[best]["high"] < spans[name]["low"] for name in losses if name != best)
    return best if apart else UNRESOLVED
