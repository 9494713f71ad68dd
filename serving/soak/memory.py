"""Whether the memory of a service stays: looked at while it runs, judged at the end. No torch."""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import time
from collections.abc import Callable
from typing import TypedDict

import httpx

BEGIN, WINDOW = 0.3, 0.2
"""Share of a run that warms up, and the share after it and before the end that are compared."""
_GAUGE = re.compile(r"^(\w+) (\S+)$", re.M)


class Growth(TypedDict):
    """Medians of bytes after the warm-up and at the end, the most, and by how many percent it grew."""

    begin: float
    end: float
    most: float
    percent: float


class Memory:
    """Looks at the metrics of the service at `address`."""

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(base_url=address, timeout=30, trust_env=False)
        self.looks: list[tuple[float, dict[str, float]]] = []

    async def gauges(self) -> dict[str, float]:
        """All numbers without labels, by name."""
        text = (await self._client.get("/metrics")).text
        return {match[1]: float(match[2]) for match in _GAUGE.finditer(text)}

    async def watch(self, every: float, on_look: Callable[[float], None]) -> None:
        """Look until cancelled; one that fails is left out: visitors tell of a service that is gone."""
        began = time.monotonic()
        while True:
            with contextlib.suppress(httpx.HTTPError):
                self.looks.append((time.monotonic() - began, await self.gauges()))
            on_look(time.monotonic() - began)
            await asyncio.sleep(every)

    async def close(self) -> None:
        """Close its connection."""
        await self._client.aclose()

    def growth(self, name: str, seconds: float) -> Growth | None:
        """Of one gauge over a run of so many seconds; None where it is not told."""
        values = [(at / seconds, gauges[name]) for at, gauges in self.looks if name in gauges]
        first = [value for at, value in values if BEGIN <= at < BEGIN + WINDOW]
        last = [value for at, value in values if 1 - WINDOW <= at <= 1]
        if not first or not last:
            return None
        begin, end = statistics.median(first), statistics.median(last)
        most = max(value for _, value in values)
        return {"begin": begin, "end": end, "most": most, "percent": 100 * (end / begin - 1)}
