"""Both command lines print any text to anything: another encoding, a closed pipe, a full disk, no output."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.__main__ import main
from minimind_core.console import read_input
from minimind_core.errors import DataError

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


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32")


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff\0"), max_size=20),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["cp1252", "gbk", "utf-8"]),
)
def test_what_is_piped_in_is_read_as_it_was_written(text: str, encoding: str, locale: str) -> None:
    text = f"{{text: {text}"  # without a mark the first characters tell the encoding
    for newline in ("\n", "\r\n"):
        assert piped(text.replace("\n", newline).encode(encoding), locale) == text


def test_what_is_typed_in_the_encoding_of_the_shell_is_read_in_it() -> None:
    assert piped("今天天气".encode("gbk"), "gbk") == "今天天气"
    with pytest.raises(DataError, match="in no encoding of Unicode"):
        piped("今天天气".encode("gbk"), "utf-8")


def test_as_much_is_read_as_is_asked_for() -> None:
    assert len(piped(b"a" * 1000, "utf-8", most=10)) > 10
    assert len(piped("𝔸".encode() * 1000, "utf-8", most=10)) == 11
    assert piped("𝔸".encode() * 10, "utf-8", most=10) == "𝔸" * 10


def test_a_closed_input_is_one_sentence() -> None:
    done = shell("$python -m minimind_core generate --prompt - --model nano-rope <&-")
    assert done.returncode == 1
    assert done.stderr == b"Standard input is closed; give the text as an argument.\n"


def piped(data: bytes, locale: str, most: int = 100) -> str:
    """What is read of these bytes in a shell of this encoding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding=locale))
        return read_input(most)


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
