"""A folder is replaced as a whole: after a kill at any step, or a full disk, one whole version is there."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minimind_core.atomic_file import ABANDONED_AFTER, write_flushed
from minimind_core.errors import CheckpointError
from minimind_core.files.atomic_folder import current_folder, replace_folder

OWN = re.compile(r"[ab]\.txt")

KILLED_WRITER = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from minimind_core.files import atomic_folder
from minimind_core.atomic_file import write_flushed
steps_left = int(sys.argv[2])

def fatal(function):
    def step(*args, **kwargs):
        global steps_left
        steps_left -= 1
        if steps_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return step

for name in ("rename", "fsync", "mkdir", "unlink", "rmdir"):
    setattr(os, name, fatal(getattr(os, name)))
with atomic_folder.replace_folder(Path(sys.argv[1]), __import__("re").compile(r"[ab]\\.txt")) as partial:
    write_flushed(partial / "a.txt", b"new")
    write_flushed(partial / "b.txt", b"new")
"""


def save(folder: Path, text: str) -> None:
    with replace_folder(folder, OWN) as partial:
        for name in ("a.txt", "b.txt"):
            write_flushed(partial / name, text.encode())


def content(folder: Path) -> list[str]:
    return [(current_folder(folder) / name).read_text() for name in ("a.txt", "b.txt")]


def test_first_save_and_replacement(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "x"
    save(folder, "old")
    assert content(folder) == ["old", "old"]
    save(folder, "new")
    assert content(folder) == ["new", "new"]
    assert os.listdir(folder.parent) == ["x"]  # nothing hidden is left


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_at_any_step_leaves_one_whole_version(tmp_path: Path) -> None:
    program = KILLED_WRITER.format(root=str(Path(__file__).resolve().parents[3]))
    outcomes = []
    for step in range(40):
        folder = tmp_path / str(step) / "x"
        save(folder, "old")
        run = subprocess.run([sys.executable, "-c", program, str(folder), str(step)], capture_output=True)
        outcomes.append(content(folder))
        assert outcomes[-1] in (["old", "old"], ["new", "new"]), f"mixed after step {step}"
        save(folder, "later")
        assert content(folder) == ["later", "later"] and not (folder.parent / ".x.previous").exists()
        if run.returncode == 0:
            break
    assert run.returncode == 0, run.stderr.decode()
    assert outcomes[0] == ["old", "old"] and outcomes[-1] == ["new", "new"] and step > 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_leaves_the_old_version(tmp_path: Path) -> None:
    save(tmp_path / "x", "old")
    with (
        pytest.raises(CheckpointError, match=r"No space left on device.*unchanged"),
        replace_folder(tmp_path / "x", OWN) as partial,
    ):
        write_flushed(partial / "a.txt", b"new")
        write_flushed(Path("/dev/full"), b"new")
    assert content(tmp_path / "x") == ["old", "old"] and os.listdir(tmp_path) == ["x"]


def test_an_error_inside_the_block_leaves_the_old_version(tmp_path: Path) -> None:
    save(tmp_path / "x", "old")
    with pytest.raises(KeyboardInterrupt), replace_folder(tmp_path / "x", OWN):
        raise KeyboardInterrupt
    assert content(tmp_path / "x") == ["old", "old"] and os.listdir(tmp_path) == ["x"]


def test_a_failed_swap_puts_the_old_version_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "x", "old")
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if ".partial-" in str(source):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(CheckpointError, match="Input/output error"):
        save(tmp_path / "x", "new")
    assert (tmp_path / "x" / "a.txt").read_text() == "old"


def test_other_peoples_files_are_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(CheckpointError, match=r"'thesis.tex'.*new or empty folder"):
        save(tmp_path, "new")
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        save(tmp_path / "file", "new")


def test_the_folder_of_the_command_itself_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--out "$FOLDER"` of a variable that is not set: the shell would stand in a folder that is gone."""
    monkeypatch.chdir(tmp_path)
    for place in (Path(), Path("."), tmp_path):
        with pytest.raises(CheckpointError, match="is the folder of this command"):
            save(place, "new")
    assert Path.cwd() == tmp_path and not list(tmp_path.iterdir())
    save(Path("below"), "new")


def test_half_written_leftovers_go_once_they_are_old(tmp_path: Path) -> None:
    stale, recent = tmp_path / ".x.partial-1", tmp_path / ".x.partial-2"
    stale.mkdir()
    recent.mkdir()
    long_ago = time.time() - ABANDONED_AFTER - 60
    os.utime(stale, (long_ago, long_ago))
    save(tmp_path / "x", "new")
    assert not stale.exists() and recent.exists()


def test_permissions_and_links_are_the_users(tmp_path: Path) -> None:
    save(tmp_path / "x", "old")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "link").symlink_to(tmp_path / "x")
    save(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and content(tmp_path / "x") == ["new", "new"]
