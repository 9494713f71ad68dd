"""The engine as the command line asks for it."""

from __future__ import annotations

import argparse
import asyncio
import gc

import pytest

from serving.__main__ import main
from serving.arguments import MOST_HERE, MOST_IN_CLUSTER, embedded
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


@pytest.mark.parametrize(
    ("command", "option", "most"),
    [
        ("cluster", "--nodes", MOST_HERE),
        ("cluster", "--workers", MOST_HERE),
        ("soak", "--processes", MOST_HERE),
        *(("ray", option, MOST_IN_CLUSTER) for option in ("--fronts", "--min-engines", "--max-engines")),
    ],
)
def test_more_processes_than_a_machine_bears_are_one_sentence(
    command: str, option: str, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in ("0", "-1", str(most + 1), "9" * 30):
        with pytest.raises(SystemExit) as ended:
            main([command, option, number])
        assert ended.value.code == 2
        assert f"argument {option}: must be from 1 to {most} processes" in capsys.readouterr().err
