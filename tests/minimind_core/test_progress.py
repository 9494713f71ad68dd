"""A bar for people at a terminal, and nothing for anybody else."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from minimind_core.__main__ import main
from minimind_core.commands import generate
from minimind_core.decoding import prefill
from minimind_core.model.minimind import Decoder
from minimind_core.progress import progress_bar
from minimind_core.training.data import ReadReport, read_documents
from tests.minimind_core.checkpoint_samples import save_tiny


class Terminal(io.StringIO):
    """Standard error as a person sees it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("silent", "drawn"), [(False, True), (True, False)])
def test_a_bar_follows_what_is_done(monkeypatch: pytest.MonkeyPatch, silent: bool, drawn: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)  # not in a fixture: pytest takes stderr before the test
    with progress_bar("packing", "B", silent) as on_progress:
        on_progress(1000, 4000)
        on_progress(4000, 4000)
    assert ("packing: 100%" in terminal.getvalue()) is drawn
    assert ("4.00k/4.00k" in terminal.getvalue()) is drawn


def test_nothing_is_drawn_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("packing", "B", silent=False) as on_progress:
        on_progress(4000, 4000)
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("json", [False, True])
def test_long_commands_have_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, json: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    save_tiny(tmp_path / "tiny")
    text = tmp_path / "text.jsonl"
    text.write_text('{"text": "A text to score and to pack.", "lang": "en"}\n' * 3)
    commands = {
        "scoring": ["eval", "--model", tmp_path / "tiny", "--data", text, "--device", "cpu"],
        "packing": ["pack", "byte-128", "--data", text, "--out", tmp_path / "text.npz"],
        "writing": ["export", "--model", tmp_path / "tiny", "--out", tmp_path / "hf"],
        "reading": ["import", tmp_path / "hf", "--out", tmp_path / "ours"],
    }
    for words, arguments in commands.items():
        terminal.truncate(0)
        assert main([*map(str, arguments), *["--json"] * json]) == 0
        assert (f"{words}: 100%" in terminal.getvalue()) is not json, arguments


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As at a terminal: a process that a shell puts in the background ignores SIGINT from its start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("options", [(), ("--method", "compiled"), ("--json",)])
def test_a_long_prompt_has_a_bar_and_a_cancel_is_heard_between_its_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruptible: None, options: tuple[str, ...]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(generate, "LONG_PROMPT", 8)
    monkeypatch.setitem(prefill.CHUNK_TOKENS, "cpu", 8)
    save_tiny(tmp_path / "tiny")
    read: list[int] = []
    forward = Decoder.forward

    def interrupted_at_the_third(self: Decoder, ids: Tensor, *rest: Any, **named: Any) -> Tensor:
        read.append(ids.shape[1])
        if len(read) == 3:
            signal.raise_signal(signal.SIGINT)
        return forward(self, ids, *rest, **named)

    monkeypatch.setattr(Decoder, "forward", interrupted_at_the_third)
    arguments = ["generate", "--model", str(tmp_path / "tiny"), "--prompt", "x" * 39, "--device", "cpu"]
    assert main([*arguments, "--max-new-tokens", "1", *options]) == 130
    assert read == [8, 8, 8], "two more chunks were to come"
    assert ("40%" in terminal.getvalue()) is ("--json" not in options)
    assert ("Reading a prompt of 40 tokens.\n" in terminal.getvalue()) is ("--json" not in options)


def test_reading_reports_bytes_of_all_files(tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        file.write_text('{"text": "abc"}\n' * 2)
    progress: list[tuple[int, int]] = []
    list(read_documents(files, ReadReport(), lambda *each: progress.append(each)))
    total = sum(file.stat().st_size for file in files)
    assert progress[-1] == (total, total) and progress == sorted(progress) and len(progress) == 4
