"""What a climb of the ladder gives. No torch."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Answer(TypedDict):
    """What steps add up to: seconds for so many tokens of a text, by rung, its prompt not counted."""

    tokens: int
    seconds: dict[str, float]


class OneRung(TypedDict):
    """Seconds of a step with quartiles; what it reads, launches, and how far its logits are off."""

    seconds: dict[str, float]
    num_bytes: int
    operations: int
    """Launched one by one; 1 for a graph or a compiled program."""
    difference: float
    """Of the logits from those of the first rung, the largest."""
    same_token: bool


class LadderResult(TypedDict):
    """`speedup` of each rung over the one below it; `fused` of the last fusion, `top` of all together.

    `missing` says by a key of the catalogue why a rung is not here.
    """

    context: int
    batch: NotRequired[int]
    """1 where it is missing: in runs recorded before it could be chosen."""
    rungs: dict[str, OneRung]
    speedup: dict[str, float]
    spread: dict[str, dict[str, float]]
    top_rung: str
    largest_rung: str
    missing: dict[str, str]
    bandwidth: float
    """Bytes a second that a large copy reads and writes here."""
    arithmetic: float
    """Operations of the first rung over those of a cached step."""
    view: NotRequired[Answer]
