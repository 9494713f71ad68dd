"""An event loop whose clock jumps to the next thing that it waits for, so that time can be computed with."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and passes only while everything waits."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.now


class JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self.loop.now += timeout or 0.0
        return super().select(0)


def run(main: Coroutine[Any, Any, T]) -> T:
    """What it returns, at once, however long it thinks that it took."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)
