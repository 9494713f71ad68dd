"""Kept results: found again whole, never wrong, never an error, and bounded."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.runner.job import Record, WorkerStatus
from labs.runner.store import MAX_FILE_BYTES, ResultStore, cache_folder, make_record

STATUS = WorkerStatus(state="ready", device="cpu", device_name="CPU", versions={"torch": "2"})


def test_a_record_comes_back_whole(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "new")
    result = {"x": np.arange(3, dtype=np.float32), "inf": math.inf}
    record = make_record("q00/x", {"a": 1}, STATUS, 0.5, result)
    store.keep("k", record)
    found = store.find("k")
    assert found is not None and found["result"]["x"].tolist() == [0, 1, 2]
    assert found["result"]["inf"] == math.inf
    assert {**found, "result": 0} == {**record, "result": 0}
    assert store.find("other") is None and [path.name for path in (tmp_path / "new").iterdir()] == ["k.json"]


DAMAGES = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"result": {"__array__": "float32"}}',
    b'{"result": {"__array__": "float32", "shape": [1e400], "base64": ""}}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"result": ' + b"9" * 10_000 + b"}",
]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_file_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "k.json").write_bytes(damage)
    assert ResultStore(tmp_path).find("k") is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(part=st.sampled_from(sorted(Record.__required_keys__)), value=ANYTHING)
@settings(max_examples=50, deadline=None)
def test_a_record_with_a_part_of_another_kind_counts_as_none(part: str, value: object) -> None:
    whole = make_record("q00/x", {"a": 1}, STATUS, 0.5, {"x": 1.0})
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(Path(folder))
        store.keep("k", {**whole, part: value})  # type: ignore[misc]
        found = store.find("k")
    same_kind = isinstance(value, type(whole[part])) or (part == "seconds" and isinstance(value, int))  # type: ignore[literal-required]
    assert (found is not None) == same_kind


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are made as on POSIX")
def test_a_pipe_or_an_endless_file_in_the_cache_counts_as_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    with open(tmp_path / "large.json", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert [ResultStore(tmp_path).find(key) for key in ("pipe", "zero", "large")] == [None] * 3


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = ResultStore(tmp_path / "file")
    store.keep("k", make_record("q00/x", {}, STATUS, 0.5, {}))
    assert store.find("k") is None
    store.forget()


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, max_bytes=2500)
    for number, key in enumerate("abc"):
        store.keep(key, make_record("q00/x", {}, STATUS, 0.5, {"text": "x" * 500}))
        os.utime(tmp_path / f"{key}.json", (number, number))
    assert store.find("a") is not None
    store.keep("d", make_record("q00/x", {}, STATUS, 0.5, {"text": "x" * 500}))
    assert [key for key in "abcd" if store.find(key)] == ["a", "c", "d"]
    store.forget()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINIMIND_LAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
