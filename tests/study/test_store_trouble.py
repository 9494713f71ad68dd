"""What can go wrong with a SQLite file: each is one sentence that says what to do, and nothing is deleted."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import make_url

from study.store import StoreError, data_folder, open_store
from study.store.database import without_secrets

NEEDS_MODES = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no modes")
NOBODY = 65534


def test_the_folder_is_where_the_system_keeps_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIMIND_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    expected = {
        "linux": Path("/data/minimind-lab"),
        "win32": Path("/local/minimind-lab/data"),
        "darwin": Path.home() / "Library/Application Support/minimind-lab",
    }
    for system, folder in expected.items():
        monkeypatch.setattr(sys, "platform", system)
        assert data_folder() == folder
    monkeypatch.setenv("MINIMIND_DATA", "~/mine")
    assert data_folder() == Path.home() / "mine"


def test_a_missing_folder_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path / "new" / "er"))
    store = open_store()
    assert store.place == str(tmp_path / "new" / "er" / "study.sqlite3") and store.notice is None
    assert sys.platform == "win32" or (tmp_path / "new" / "er").stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(store.place)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


@pytest.mark.parametrize("folder", ["a file/data", "a file"])
def test_a_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path / folder))
    with pytest.raises(StoreError, match="make its folder writable, or set MINIMIND_DATA"):
        open_store()


@pytest.fixture
def shared_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """As `place`, in a folder that other users reach; those of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("MINIMIND_DATA", folder)
        yield Path(folder) / place.name


@contextmanager
def reading_only(folder: Path) -> Iterator[None]:
    """Somebody who may read a folder and no more; root, as in a container, becomes nobody meanwhile."""
    root = os.geteuid() == 0
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        if root:
            os.seteuid(NOBODY)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


@NEEDS_MODES
def test_a_read_only_folder(shared_place: Path) -> None:
    with reading_only(shared_place.parent), pytest.raises(StoreError, match=r"writable.* MINIMIND_DATA"):
        open_store()


@NEEDS_MODES
def test_a_read_only_database_is_left_as_it_was(shared_place: Path) -> None:
    place = shared_place
    store = open_store()
    ada = store.profiles.create("Ada").id
    store.drafts.save(ada, "q06", "answer", "before", 1)
    store.close()
    before = place.read_bytes()
    with reading_only(place.parent), pytest.raises(StoreError, match=r"writable.* MINIMIND_DATA"):
        open_store()
    assert place.read_bytes() == before and not list(place.parent.glob("*damaged*"))
    for path in place.parent.iterdir():
        path.chmod(0o600)
    again = open_store()
    draft = again.drafts.get(ada, "q06", "answer")
    assert draft and draft.text == "before" and again.notice is None
    again.close()


def test_a_folder_in_the_place_of_the_file(place: Path) -> None:
    place.mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store()


def test_a_locked_database(place: Path) -> None:
    store = open_store(busy_seconds=0.05)
    ada = store.profiles.create("Ada").id
    with closing(sqlite3.connect(place)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"Another program holds .*close it"):
            store.drafts.save(ada, "q06", "answer", "text", 1)
        assert store.profiles.find(ada), "reading goes on"
        with pytest.raises(StoreError, match="Another program holds"):
            open_store(busy_seconds=0.05)
    assert store.drafts.save(ada, "q06", "answer", "text", 1).accepted
    store.close()


def test_a_full_disk_loses_nothing_committed(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    store.drafts.save(ada, "q06", "answer", "before", 1)
    with store._database._engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA max_page_count=1")
    with pytest.raises(StoreError, match="disk is full"):
        store.drafts.save(ada, "q06", "answer", "x" * 500_000, 2)
    store.close()
    draft = store.drafts.get(ada, "q06", "answer")
    assert draft and draft.text == "before"


def overwrite(start: int, count: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:start] + b"\xa5" * count + content[start + count :]


@pytest.mark.parametrize(
    "damage",
    [
        overwrite(0, 100),
        overwrite(4096, 8192),
        lambda content: content[:5000],
        lambda content: b"not a database",
    ],
    ids=["header", "pages", "cut", "foreign"],
)
def test_a_damaged_file_is_kept_aside_and_said_so(place: Path, damage: Callable[[bytes], bytes]) -> None:
    for expected in (f"study.sqlite3.damaged-{date.today()}", f"study.sqlite3.damaged-{date.today()}-2"):
        store = open_store()
        ada = store.profiles.named_or_new("Ada").id
        store.drafts.save(ada, "q06", "answer", "text" * 5000, 1)
        store.profiles.delete(store.profiles.create("Bob").id)  # empties the log into the file
        store.close()
        broken = damage(place.read_bytes())
        place.write_bytes(broken)
        for suffix in ("-wal", "-shm"):
            Path(f"{place}{suffix}").unlink(missing_ok=True)
        fresh = open_store()
        assert fresh.notice and expected in str(fresh.notice) and fresh.profiles.named() == ()
        assert place.with_name(expected).read_bytes() == broken
        fresh.close()


def test_damage_while_the_app_runs(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    store.drafts.save(ada, "q06", "answer", "text" * 5000, 1)
    store.profiles.delete(store.profiles.create("Bob").id)
    store.close()
    with place.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096 * 5)
    with pytest.raises(StoreError, match="damaged: try again"):
        store.profiles.named()
    assert store.profiles.named() == () and store.notice and "kept as" in str(store.notice)
    assert store.profiles.create("Ada")
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps open files")
def test_a_file_removed_while_the_app_runs_is_noticed(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    for path in place.parent.iterdir():
        path.unlink()
    with pytest.raises(StoreError, match="This profile no longer exists"):
        store.drafts.save(ada, "q06", "answer", "text", 1)
    assert store.notice and "removed or replaced" in str(store.notice)
    assert open_store().profiles.create("Bob") in store.profiles.named()
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps open files")
def test_a_file_that_is_away_for_a_while_is_the_same_when_it_is_back(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    openings, aside = store.openings, place.with_name("aside")
    place.rename(aside)
    place.mkdir()
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot be opened"):
            store.profiles.named()
    place.rmdir()
    aside.rename(place)
    assert store.profiles.find(ada) and store.notice is None and store.openings == openings
    store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://host/study", "change its address"),
        ("sqlite://", "change its address"),
        ("postgresql://host", "change its address"),
    ],
)
def test_an_address_that_is_none(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        open_store(url)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:s3cret@db.example/study",
        "postgresql://ada:p@s3cret@db.example/study",
        "postgresql://ada:a/s3cret@db.example/study",
        "postgresql://ada:a:s3cret@db.example/study",
        "postgresql://ada:a?s3cret@db.example/study",
        "postgresql://s3cret@db.example/study",
        "postgresql://db.example/study?password=s3cret&sslpassword=s3cret",
        "postgresql://db.example/study?PASSWORD=s3cret",
        "postgresql://db.example/study?options=-c%20x=s3cret&passfile=/home/s3cret",
        "postgresql+psycopg://ada:s3cret@db.example:5432/study?sslmode=require",
    ],
)
def test_no_form_of_address_shows_a_password(address: str) -> None:
    assert re.fullmatch(r"postgresql://db\.example(:5432)?/study", without_secrets(make_url(address)))


@pytest.mark.parametrize(
    "address", ["postgresql://ada:s3cret@db:port/study", "s3cret", "mysql://a:s3cret@b/c"]
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(address)
    assert "s3cret" not in str(caught.value) and caught.value.key in ("store.address", "store.kind")
