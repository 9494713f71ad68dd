"""Both command lines print any text to anything: another encoding, a closed pipe, a full disk, no output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labs.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
NINES = "9" * 5000
LISTS = (("labs", "list"), ("minimind_core", "info"))


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash; `$python` is this one."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"python": sys.executable, "OMP_NUM_THREADS": "1"} | environment,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda environment: next(iter(environment.values())),
)
def test_output_is_utf_8_whatever_the_locale(environment: dict[str, str]) -> None:
    done = shell("$python -m labs list", **environment)
    assert done.returncode == 0 and not done.stderr
    assert "今天天气" in done.stdout.decode()


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_reader_that_goes_away_ends_it_quietly(words: tuple[str, ...]) -> None:
    done = shell(f"$python -m {' '.join(words)} | true")
    assert not done.stderr and done.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_full_disk_is_one_sentence(words: tuple[str, ...]) -> None:
    done = shell(f"$python -m {' '.join(words)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "The output cannot be written (No space left on device); write it elsewhere.\n"
    )


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_closed_output_is_no_failure(words: tuple[str, ...]) -> None:
    done = shell(f"$python -m {' '.join(words)} >&-")
    assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["run", "q06/wiring", "--set", "kv_heads=--1"], 2, "kv_heads must be one of 1, 2, 4, 8, not '--1'."),
        (["run", "q07/lengths", "--set", f"reach={NINES}"], 2, "The longest length must be one of 512"),
        (["run", "q06/wiring", "--set", f"kv_heads={NINES}"], 2, "cannot be split evenly over 999"),
        (
            ["run", "q07/spectrum", "--set", 'custom={"type":"yarn","factor":1e308}'],
            2,
            "'factor' in the RoPE",
        ),
        (["run", "q13", "--set", "prompt=\udcff"], 2, "prompt holds half a character at place 1"),
        (["run", "q13", "--device", "cpu", "--model", "/dev/null"], 1, "/dev/null"),
        (["run", NINES], 2, "There is no experiment '999"),
        (["run", "\x1b[31m"], 2, "There is no experiment"),
    ],
)
def test_odd_input_is_one_short_sentence(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and len(said) < 700 and "\x1b" not in said, said
    assert sentence in said
