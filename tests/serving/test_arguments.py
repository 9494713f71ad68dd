"""The engine as the command line asks for it."""

from __future__ import annotations

import argparse
import asyncio
import gc

from serving.arguments import embedded
from serving.settings import Settings


def test_what_an_engine_is_built_of_is_not_looked_through_again() -> None:
    """Python's collector would otherwise hold up requests for as long as it takes to see all of it."""
    options = argparse.Namespace(model="toy-unmasked", tokenizer=None, device="cpu", dtype="fp32")

    async def frozen_while_it_runs() -> int:
        backend = await embedded(Settings(), options)
        await backend.close()
        return gc.get_freeze_count()

    try:
        assert asyncio.run(frozen_while_it_runs()) > 10_000
    finally:
        gc.unfreeze()
