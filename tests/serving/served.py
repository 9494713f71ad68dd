"""A service in this process, spoken to over ASGI, around a tiny model with random weights."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from fastapi import FastAPI

from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.tokenizer import ByteTokenizer
from serving.api.app import create_app
from serving.backends.backend import Backend
from serving.backends.embedded import EmbeddedBackend
from serving.service import Service
from serving.settings import Settings
from tests.minimind_core.checkpoint_samples import TINY, random_model
from tests.minimind_core.gated_engine import GatedEngine

PATIENCE = 60.0
SMALL: dict[str, Any] = {
    "num_slots": 3,
    "queue": 8,
    "max_length": 96,
    "max_new_tokens": 40,
    "deadline": 60.0,
    "gather_seconds": 0.0,
}
PROMPT = "Ab"


class Served(NamedTuple):
    """What a test speaks to, and what it looks into."""

    client: httpx.AsyncClient
    service: Service
    app: FastAPI


@cache
def tiny() -> LoadedModel:
    return LoadedModel(random_model(), ByteTokenizer(), TINY, "tiny", Path("tiny"), {})


def alone(seed: int, count: int, prompt: str = PROMPT, **settings: Any) -> list[int]:
    """The tokens that the model gives without any service."""
    ids, params = tiny().prompt_ids(prompt), SamplingParams(seed=seed, **settings)
    return generate(tiny().model, [ids], params, count, stop_ids=()).new_ids[0]


@asynccontextmanager
async def served(
    backend: Backend | None = None, fallback: Backend | None = None, **settings: Any
) -> AsyncGenerator[Served]:
    """A service with small bounds; our engine answers where no backend is given."""
    chosen = Settings(**{**SMALL, **settings})
    service = Service(chosen, backend or EmbeddedBackend(tiny(), chosen), fallback)
    app = create_app(service)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", timeout=PATIENCE
    ) as client:
        try:
            yield Served(client, service, app)
        finally:
            await service.close()


@asynccontextmanager
async def held_back(
    clock: Callable[[], float] = time.monotonic, **settings: Any
) -> AsyncGenerator[tuple[Served, GatedEngine]]:
    """A service whose engine takes steps only when `engine.let` is released."""
    chosen = Settings(**{**SMALL, **settings})
    engine = GatedEngine(
        tiny().model,
        num_slots=chosen.num_slots,
        max_length=chosen.max_length,
        queue_limit=chosen.most_in_flight,
        clock=clock,
    )
    try:
        async with served(EmbeddedBackend(tiny(), chosen, lambda: engine), **settings) as there:
            try:
                yield there, engine
            finally:
                engine.let.release(10_000)
    finally:
        engine.let.release(10_000)


Ask = Callable[[Callable[[Served], Awaitable[Any]]], Any]


@contextmanager
def standing(**settings: Any) -> Iterator[Ask]:
    """A service for all examples of a property: calls what it is given with it, in one event loop."""
    with asyncio.Runner() as runner:
        context = served(**settings)
        there = runner.run(context.__aenter__())
        yield lambda ask: runner.run(ask(there))  # type: ignore[arg-type]
        runner.run(context.__aexit__(None, None, None))


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            now = holds()
            if now if isinstance(now, bool) else await now:
                return
            await asyncio.sleep(0.005)


def events(text: str) -> list[str]:
    """The data of server-sent events."""
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]
