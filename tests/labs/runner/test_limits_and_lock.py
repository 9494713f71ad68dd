"""A worker without its model, the time limit, and the device lock, on one real worker."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labs.runner import WorkerClient, supervisor
from labs.runner.device_lock import hold_device
from labs.runner.inline import InlineClient
from minimind_core.errors import DeviceError
from tests.labs.runner.specimens import SPECIMENS, specimen_client
from tests.labs.runner.waiting import SOON, wait_for


@pytest.fixture(scope="module")
def client(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(supervisor.LIMITS, "cpu", 0.5)
        folder = tmp_path_factory.mktemp("results")
        client = specimen_client(folder, model="no-such-model", runner=backend)
        yield client
        client.close()


def test_without_its_model_the_worker_is_ready_and_says_what_is_missing(client: WorkerClient) -> None:
    wait_for(lambda: client.status().state == "ready")
    status = client.status()
    assert status.model_name == "" and "no-such-model" in status.error and status.error.endswith(".")
    job = client.submit("q00/whoami")
    assert job.wait(SOON) and job.state == "done"


def test_the_limit_counts_only_while_others_wait(client: WorkerClient) -> None:
    alone = client.submit("q00/wait", {"seconds": 1.2})
    assert alone.wait(SOON) and alone.state == "done"
    long = client.submit("q00/wait", {"seconds": 600.0, "tag": 1})
    wait_for(lambda: long.state == "running")
    behind = client.submit("q00/wait", {"seconds": 0.0, "tag": 2})
    assert behind.wait(SOON) and behind.state == "done"
    assert long.state == "failed" and long.error.key == "failure.limit"  # type: ignore[attr-defined]
    assert long.error.startswith("Stopped after 0.5 s because others were waiting")


HOLD = (
    "import sys, time; from labs.runner.device_lock import hold_device\n"
    "with hold_device('cpu'): print('held', flush=True); time.sleep(600)"
)


def test_two_programs_do_not_measure_at_once_and_a_dead_one_lets_go(client: WorkerClient) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        job = client.submit("q00/wait", {"seconds": 0.0, "tag": 3})
        wait_for(lambda: job.doing[0] == "waiting")
        assert job.state == "queued"
        impatient = client.submit("q00/wait", {"seconds": 0.0, "tag": 4})
        impatient.cancel()
        other.kill()
    assert job.wait(SOON) and job.state == "done" and impatient.state == "cancelled"


def test_waiting_for_a_device_can_be_given_up(tmp_path: Path) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    def wait() -> str:
        try:
            with hold_device("cpu", folder=tmp_path, while_waiting=give_up):
                return "held"
        except KeyboardInterrupt:
            return "given up"

    with ThreadPoolExecutor() as threads:
        with hold_device("cpu", folder=tmp_path), hold_device("cuda", folder=tmp_path):
            assert threads.submit(wait).result() == "given up"
        assert threads.submit(wait).result() == "held"


def test_a_run_inside_a_run_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    with (
        hold_device("cpu", folder=tmp_path),
        pytest.raises(RuntimeError, match="Deadlock"),
        hold_device("cpu", folder=tmp_path),
    ):
        pytest.fail("held twice")


class Places:
    """The temporary folder and the cache of this user, for a test."""

    def __init__(self, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
        self.temp, self.cache = tmp_path / "temp", tmp_path / "cache"
        self.own = self.temp / f"minimind-lab-{os.getuid()}"
        self.temp.mkdir()
        patch.delenv("MINIMIND_LAB_CACHE")
        patch.setenv("XDG_CACHE_HOME", str(self.cache))
        patch.setattr(tempfile, "tempdir", str(self.temp))

    def locks(self) -> list[str]:
        return [path.parent.name for path in sorted(self.temp.parent.rglob("cpu.lock"))]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(tmp_path, monkeypatch)


on_posix = pytest.mark.skipif(sys.platform == "win32", reason="there the temporary folder is a user's own")


@on_posix
def test_the_lock_lies_in_a_folder_of_this_user_alone(places: Places) -> None:
    places.own.mkdir(mode=0o777)
    places.own.chmod(0o777)
    with hold_device("cpu"):
        assert places.locks() == [places.own.name]
        assert places.own.stat().st_mode & 0o777 == 0o700


@on_posix
@pytest.mark.parametrize("taken", ["folder of another", "link", "file", "pipe", "read-only"])
def test_a_place_that_somebody_took_keeps_nobody_from_measuring(
    places: Places, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if taken == "link":
        places.own.symlink_to(places.temp)
    elif taken == "file":
        places.own.touch()
    elif taken == "pipe":
        os.mkfifo(places.own)
    else:
        places.own.mkdir()
    if taken == "folder of another":
        lstat = Path.lstat
        theirs = os.stat_result([0o40777, 1, 1, 1, 54321, 54321, 1, 1, 1, 1])
        monkeypatch.setattr(Path, "lstat", lambda path: theirs if path == places.own else lstat(path))
    if taken == "read-only":
        opened = os.open

        def refuse(path: str, *arguments: int, **options: int) -> int:
            if Path(path).parent == places.own:
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse)
    with hold_device("cpu"):
        (place,) = places.locks()
    assert place.startswith("locks-") and (places.cache / "minimind-lab" / place).is_dir()


def test_where_no_lock_can_be_made_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINIMIND_LAB_CACHE", str(tmp_path / "file"))
    with (
        pytest.raises(DeviceError, match=r"^No lock for the device can be made in .*MINIMIND_LAB_CACHE\.$"),
        hold_device("cpu"),
    ):
        pytest.fail("held")
    job = InlineClient.start("cpu", registry=SPECIMENS).submit("q00/whoami")
    assert job.state == "failed" and job.error.startswith("No lock for the device")
