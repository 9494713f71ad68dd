"""A file is written whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minimind_core import atomic_file
from minimind_core.atomic_file import ABANDONED_AFTER, check_target, open_whole, write_flushed, write_whole

ROOT = Path(__file__).resolve().parents[2]
KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from minimind_core.atomic_file import write_whole
step = int(sys.argv[2])

def fatal(function):
    def call(*args, **kwargs):
        global step
        step -= 1
        if step < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

for name in ("fsync", "replace", "unlink"):
    setattr(os, name, fatal(getattr(os, name)))
write_whole(Path(sys.argv[1]), b"new" * 1000)
"""


def test_bytes_and_texts_in_a_folder_that_was_missing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_whole(path, b"old")
    write_whole(path, "新的")
    assert path.read_bytes() == "新的".encode() and os.listdir(path.parent) == ["a.txt"]


def test_a_fault_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(RuntimeError, match="on the way"), open_whole(path) as file:
        file.write(b"half of it")
        raise RuntimeError("on the way")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_at_any_step_leaves_one_whole_version(tmp_path: Path) -> None:
    outcomes, step, code = [], 0, -9
    while code:
        path = tmp_path / str(step) / "a.txt"
        write_whole(path, "old")
        code = subprocess.run([sys.executable, "-c", KILLED_WRITER, path, str(step)], cwd=ROOT).returncode
        outcomes.append(path.read_text())
        step += 1
    assert set(outcomes) == {"old", "new" * 1000} and outcomes == sorted(outcomes, reverse=True)


def test_two_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with open_whole(path) as first, open_whole(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_text() == "first"  # the outer block ends last


def test_what_a_killed_writer_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    stale, recent = tmp_path / ".a.txt.partial-1", tmp_path / ".a.txt.partial-2"
    for path, age in ((stale, ABANDONED_AFTER + 60), (recent, 60)):
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    write_whole(tmp_path / "a.txt", "new")
    assert sorted(os.listdir(tmp_path)) == [recent.name, "a.txt"]


def test_progress_adds_up_to_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_file, "CHUNK", 4)
    told: list[tuple[int, int]] = []
    write_flushed(tmp_path / "a", b"0123456789", lambda *progress: told.append(progress))
    assert told == [(4, 10), (8, 10), (10, 10)] and (tmp_path / "a").read_bytes() == b"0123456789"


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe"])
def test_what_is_no_file_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    """A rename puts a file into the place of whatever has the name: root would lose /dev/null for everybody.

    Pipes stand for devices here: a test that fails must not cost one.
    """
    place = tmp_path / "place"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place))
    else:
        os.mkfifo(tmp_path / "pipe")
        place.symlink_to("pipe")
    before = place.stat()
    for write in (check_target, lambda path: write_whole(path, "new")):
        with pytest.raises(OSError, match="it is a device or a pipe, not a file"):
            write(place)
    assert (place.stat().st_ino, place.stat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "a.txt", tmp_path / "link"
    link.symlink_to(target)
    for content in ("new", "newer"):  # at first the link leads nowhere
        write_whole(link, content)
        assert link.is_symlink() and target.read_text() == content
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link"] and os.listdir(target.parent) == ["a.txt"]
