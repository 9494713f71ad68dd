"""The real service around an engine that computes nothing: what is left is the path from HTTP to the token.

    python -m tests.serving.paced [--step-ms 10] [--slots 64]      its log names the port

Every request in a slot gets its next token after each step of so many milliseconds. It ends when its standard
input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

from minimind_core.decoding.engine import EngineStats, TokenEvent
from minimind_core.parent import end_when_input_closes
from serving.backends.embedded import EmbeddedBackend
from serving.logs import log_to
from serving.server import DrainingServer
from serving.service import Service
from serving.settings import Settings
from tests.serving.served import tiny

LETTER = ord("a")
"""The token that everybody gets, a byte of the tiny tokenizer."""


class PacedEngine:
    """What `EngineThread` needs of an engine."""

    def __init__(self, slots: int, step_seconds: float) -> None:
        self._slots, self._step_seconds = slots, step_seconds
        self._left: dict[int, int] = {}
        self._ids, self._steps = itertools.count(), 0

    @property
    def idle(self) -> bool:
        """Nobody waits for a token."""
        return not self._left

    def submit(self, _prompt: Sequence[int], _sampling: Any, *, max_new_tokens: int, **_options: Any) -> int:
        """Its id."""
        self._left[request := next(self._ids)] = max_new_tokens
        return request

    def cancel(self, request: int) -> bool:
        """True where it was there."""
        return self._left.pop(request, None) is not None

    def step(self) -> list[TokenEvent]:
        """A token for each of the oldest requests."""
        time.sleep(self._step_seconds)
        self._steps += 1
        return [self._token(request) for request in list(self._left)[: self._slots]]

    def stats(self) -> EngineStats:
        """Where it stands."""
        used = min(self._slots, len(self._left))
        values = {name: 0 for name in EngineStats.__dataclass_fields__}
        waiting = len(self._left) - used
        return EngineStats(
            **{**values, "waiting": waiting, "steps": self._steps, "slots": self._slots, "slots_used": used}
        )

    def _token(self, request: int) -> TokenEvent:
        self._left[request] -= 1
        if self._left[request]:
            return TokenEvent(request, LETTER, None)
        del self._left[request]
        return TokenEvent(request, LETTER, "length")


def main() -> None:
    """Serve until the input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step-ms", type=float, default=10.0)
    parser.add_argument("--slots", type=int, default=64)
    options = parser.parse_args()
    end_when_input_closes()
    settings = Settings(port=0, num_slots=options.slots, queue=400)
    engine = PacedEngine(options.slots, options.step_ms / 1000)
    service = Service(settings, EmbeddedBackend(tiny(), settings, lambda: engine))  # type: ignore[arg-type,return-value]
    log_to()
    asyncio.run(DrainingServer(service).serve())


if __name__ == "__main__":
    main()
