"""An engine that a test holds back, to decide what happens between two of its steps."""

import threading
from typing import Any

from minimind_core.decoding.engine import Engine, TokenEvent


class GatedEngine(Engine):
    """Takes a step only when it is let."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.let = threading.Semaphore(0)

    def step(self) -> list[TokenEvent]:
        assert self.let.acquire(timeout=60)
        return super().step()
