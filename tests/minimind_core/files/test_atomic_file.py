"""One file written whole: the old content or the new, whatever happens in between."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from minimind_core.files.atomic_file import write_whole


@pytest.mark.parametrize("data", ["温度 → 0\n", b"\x00\xff"])
def test_a_file_is_made_and_replaced(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "file"
    for _ in range(2):
        write_whole(path, data)
        assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
        path.write_bytes(b"older, and much longer than what replaces it")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_data_are_on_the_disk_before_they_take_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for step in ("fsync", "replace"):
        real = getattr(os, step)
        monkeypatch.setattr(os, step, lambda *a, step=step, real=real: (steps.append(step), real(*a)))
    write_whole(tmp_path / "file", "new")
    assert steps == ["fsync", "replace"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_permissions_stay_those_of_the_file_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    private, usual = tmp_path / "private", tmp_path / "usual"
    private.touch(mode=0o600)
    usual.touch()
    expected = usual.stat().st_mode
    usual.unlink()
    for path, mode in ((private, 0o100600), (usual, expected)):
        write_whole(path, "new")
        assert path.stat().st_mode == mode
