"""The version of a checkpoint's files, whatever its name stands for: nothing is opened, nothing raises."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.runner.weights import weights_version


def test_a_replaced_file_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = weights_version(str(tmp_path))
    assert weights_version(str(tmp_path)) == first != "missing"
    (tmp_path / "config.json").write_text("{ }")
    assert weights_version(str(tmp_path)) != first
    alone = weights_version(str(tmp_path / "config.json"))
    (tmp_path / "other.json").write_text("{}")
    assert weights_version(str(tmp_path / "config.json")) == alone


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are as on POSIX")
def test_special_files_have_a_version_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "config.json")
    (tmp_path / "folder" / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder" / "broken").symlink_to("/nowhere")
    with open(os.fsencode(tmp_path / "folder") + b"/\xff\xfe", "wb"):
        pass
    for path in (tmp_path / "folder", Path("/proc/self")):
        assert len(weights_version(str(path))) == 16
    for name in ("pipe", "loop", "nowhere", "pipe/x", "/dev/zero", "/dev/null"):
        assert weights_version(str(tmp_path / name)) == "missing"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_missing(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    assert weights_version(str(tmp_path)) == "missing"
    tmp_path.chmod(0o700)


def test_a_folder_that_vanishes_meanwhile_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_path: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "iterdir", gone)
    assert weights_version(str(tmp_path)) == "missing"


@given(st.text(st.characters(exclude_categories=()), max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_name_has_a_version(name: str) -> None:
    assert weights_version(name)
    assert weights_version(f"random:{name}")
