"""The seam between the service and whatever makes its tokens. No torch, no HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.training.conversations import Turn

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Dialogue:
    """A conversation that the assistant is to go on with."""

    turns: tuple[Turn, ...]


Prompt = str | tuple[int, ...] | Dialogue
"""A text to be continued, its token ids, or a conversation."""


@dataclass(frozen=True)
class Work:
    """One request, as a backend needs it."""

    prompt: Prompt
    sampling: SamplingParams
    deadline: float
    """On time.monotonic()."""
    max_new_tokens: int | None = None
    """None is as many as fit."""
    priority: int = 0
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    ignore_eos: bool = False
    model: str | None = None
    """None is the backend's own."""
    request_id: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    new_tokens: int


@dataclass(frozen=True)
class Piece:
    """What came with one token, or with several that came at once.

    Text may be empty while a character is incomplete.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    """Empty where the backend tells only text."""
    finish: Finish | None = None
    """Why this is the last piece; None where more follow."""
    usage: Usage | None = None
    """With the last piece."""


@dataclass(frozen=True)
class Load:
    """Where a backend stands, for metrics."""

    waiting: int
    batch_size: int
    steps: int
    slots: int
    slots_used: int
    blocks_used: int
    blocks_free: int
    device_bytes: int | None
    """Memory taken on a GPU, by everybody; None on a CPU."""


class Backend(Protocol):
    """Makes tokens. All of it runs in one event loop, but for `load`, which may block a thread."""

    def generate(self, work: Work) -> AsyncGenerator[Piece]:
        """The answer, piece by piece; closing the iterator cancels the request.

        Raises Invalid, UnknownModel, BackendFailed, BackendBusy, DeadlinePassed.
        """
        ...

    async def models(self) -> list[str]:
        """Names of what is served, its default first. Raises BackendFailed."""
        ...

    @property
    def alive(self) -> bool:
        """False once it can never answer again."""
        ...

    def load(self) -> Load | None:
        """Where it stands; None where it does not tell."""
        ...

    async def close(self) -> None:
        """Take no more work and let go of what it holds."""
        ...
