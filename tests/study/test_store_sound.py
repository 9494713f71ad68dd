"""Whatever the database holds can be read and gone on from; what is newest is never a clock's word."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text

from study.store import Imported, Store, StoreError, attempts, open_store, transfer
from study.store.damage import make_private
from study.store.sound import LARGEST_REVISION, MOST_SECONDS

KEY = ("q06", "answer")
NOW = 1_795_600_000.0
DAY = 86_400.0


def filled(store: Store, profile: str) -> None:
    """A draft, a copy, a scored attempt and an open one."""
    store.drafts.save(profile, *KEY, "a draft", 7)
    store.drafts.save(profile, *KEY, "a loser", 3)
    attempt = store.attempts.predict(store.attempts.open(profile, "q06"), "speedup", 4.0)
    store.attempts.finish(store.attempts.measure(attempt, "speedup", 1.08), 80, seconds=3)
    store.attempts.open(profile, "q06")


def goes_on(store: Store, profile: str) -> None:
    """Everything that pages do with a question, to its end and once more."""
    draft = store.drafts.get(profile, *KEY)
    revision = (draft.revision if draft else 0) + 1
    assert store.drafts.save(profile, *KEY, "on it goes", revision, base=revision - 1).accepted
    for _ in range(2):
        attempt = store.attempts.predict(store.attempts.open(profile, "q06"), "another", 2.0)
        attempt = store.attempts.measure(attempt, "another", 1.0)
        assert store.attempts.of(profile, "q06")[0] == attempt
        done = store.attempts.finish(attempt, 60, ticks={"a"}, seconds=5)
        assert store.attempts.of(profile, "q06")[0] == done
    store.drafts.copies(profile)
    data = store.transfer.export(profile)
    other = store.profiles.create("Another").id
    store.transfer.import_into(other, data)
    assert store.attempts.of(other, "q06")[0].tier == 60
    store.profiles.delete(other)


@pytest.mark.parametrize("turned", [-DAY, DAY, -NOW], ids=["back a day", "ahead a day", "to 1970"])
def test_a_clock_that_is_turned_changes_no_order(
    store: Store, ada: str, monkeypatch: pytest.MonkeyPatch, turned: float
) -> None:
    moments = iter([NOW, NOW, NOW, NOW, NOW, *[NOW + turned] * 100])
    for module in ("attempts", "drafts", "profiles"):
        monkeypatch.setattr(f"study.store.{module}.now", lambda: next(moments))
    store.drafts.save(ada, *KEY, "text", 5)
    store.drafts.save(ada, *KEY, "first loser", 4)
    first = store.attempts.finish(store.attempts.open(ada, "q06"), 40)
    second = store.attempts.open(ada, "q06")
    assert [each.id for each in store.attempts.of(ada, "q06")] == [second.id, first.id]
    assert store.attempts.finish(second, 80) == store.attempts.of(ada, "q06")[0]
    store.drafts.save(ada, *KEY, "second loser", 3)
    assert [copy.text for copy in store.drafts.copies(ada)] == ["second loser", "first loser"]
    bob = store.profiles.create("Bob").id
    assert [profile.id for profile in store.profiles.named()] == [ada, bob]


def attempt_entry(name: str, started: float, tier: int | None = 80, **more: Any) -> dict[str, Any]:
    entry = {
        "id": name, "question": "q06", "text": "", "started": started, "changed": started, "tier": tier,
        "finished": None if tier is None else started, "predictions": {}, "measurements": {}, "ticks": [],
        "help_used": [], "seconds": 0,
    }  # fmt: skip
    return entry | more


def exported(**lists: list[dict[str, Any]]) -> str:
    content = {"format": "minimind-study", "version": 1, "exported": NOW, "profile": {"name": "Ada"}}
    return json.dumps(content | {"drafts": [], "copies": [], "attempts": []} | lists)


def test_an_attempt_dated_in_the_future_is_set_right(store: Store, ada: str) -> None:
    data = exported(attempts=[attempt_entry("later", 250_000_000_000.0), attempt_entry("early", NOW)])
    assert store.transfer.import_into(ada, data) == Imported(0, 2, repaired=1)
    [later, early] = store.attempts.of(ada, "q06")
    assert (later.id, early.id) == ("later", "early") and later.started < 250_000_000_000.0
    goes_on(store, ada)


@pytest.mark.parametrize("here", [None, 60], ids=["open here", "scored here"])
@pytest.mark.parametrize("there", [None, 80], ids=["open in the file", "scored in the file"])
def test_whatever_is_imported_the_question_can_be_scored_again(
    store: Store, ada: str, here: Any, there: Any
) -> None:
    mine = store.attempts.predict(store.attempts.open(ada, "q06"), "speedup", 3.0)
    if here:
        store.attempts.finish(mine, here)
    attempts_there = [attempt_entry("there", NOW, there), attempt_entry("older", NOW - 1, 40)]
    store.transfer.import_into(ada, exported(attempts=attempts_there))
    newest = store.attempts.of(ada, "q06")[0]
    assert newest.id == ("there" if here else mine.id), "what is being worked on stays on top"
    goes_on(store, ada)
    assert {each.id for each in store.attempts.of(ada, "q06")} >= {"there", "older", mine.id}


def test_an_open_attempt_below_a_scored_one_comes_up_when_it_is_gone_on_with(store: Store, ada: str) -> None:
    """As an import of an earlier version could leave it."""
    old = store.attempts.open(ada, "q06")
    with store._database.write() as connection:
        attempts.add_attempts(
            connection, ada, [attempts.Attempt(ada, "done", "q06", NOW, NOW, finished=NOW, tier=80)]
        )
    assert store.attempts.of(ada, "q06")[0].id == "done"
    assert store.attempts.open(ada, "q06") == old == store.attempts.of(ada, "q06")[0]


@pytest.mark.parametrize("revision", [2**53 - 1, 2**53 - 2, LARGEST_REVISION + 1])
def test_a_revision_at_its_end_is_lowered_and_saves_go_on(store: Store, ada: str, revision: int) -> None:
    draft = {"question": "q06", "field": "answer", "text": "mine", "changed": NOW, "revision": revision}
    assert store.transfer.import_into(ada, exported(drafts=[draft])) == Imported(1, 0, repaired=1)
    goes_on(store, ada)
    stale = store.drafts.save(ada, *KEY, "of an old window", 2**53 - 1)
    assert not stale.accepted and stale.draft.text == "on it goes"
    assert "of an old window" in [copy.text for copy in store.drafts.copies(ada)]


def test_a_revision_that_an_earlier_version_took_is_lowered_when_it_is_read(store: Store, ada: str) -> None:
    store.drafts.save(ada, *KEY, "mine", 1)
    with store._database.write() as connection:
        connection.execute(text("UPDATE drafts SET revision = 9007199254740991"))
    goes_on(store, ada)


def test_times_out_of_all_bounds_are_set_right(store: Store, ada: str) -> None:
    data = exported(attempts=[attempt_entry("long", NOW, None, seconds=1e299)])
    assert store.transfer.import_into(ada, data).repaired == 1
    attempt = store.attempts.update(store.attempts.open(ada, "q06"), seconds=float("nan"))
    assert attempt.seconds == MOST_SECONDS


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [10**400, -(10**301), {"a": [10**400]}, deep(900), deep(65)], ids=str)
def test_what_no_page_could_draw_is_refused_in_one_sentence(store: Store, ada: str, value: Any) -> None:
    data = exported(attempts=[attempt_entry("x", NOW, measurements={"speedup": value})])
    with pytest.raises(StoreError, match="'measurements' of entry 1 of attempts is missing or wrong"):
        store.transfer.import_into(ada, data)
    assert not store.attempts.of(ada)


def test_a_file_of_more_entries_than_anybody_has_is_refused(
    store: Store, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.store.shape.MOST_ENTRIES", 2)
    with pytest.raises(StoreError, match="more than 2 attempts"):
        store.transfer.import_into(ada, exported(attempts=[attempt_entry(str(n), NOW) for n in range(3)]))


ANYTHING = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(
        ["{", "{bad", "[", "null", "5", '"abc"', "[1]", '[["a"]]', '{"speedup": [1]}', '{"a": NaN}']
    )
    | st.sampled_from(
        ['{"speedup": 1' + "0" * digits + "}" for digits in (200, 400, 5000)]
        + ['{"speedup": ' + "[" * levels + "]" * levels + "}" for levels in (60, 70, 900, 100_000)]
        + ['{"speedup": 1e999}', '{"speedup": -Infinity}', '{"speedup": {"a": 10e308}}']
    )
)
COLUMNS = {
    "attempts": "started changed finished text predictions measurements ticks help_used seconds tier",
    "drafts": "text revision changed",
    "draft_copies": "text changed",
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns.split()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place_in=st.sampled_from(PLACES), value=ANYTHING)
def test_whatever_another_program_wrote_into_the_file_everything_goes_on(
    place: Path, place_in: tuple[str, str], value: Any
) -> None:
    store = open_store()
    for profile in store.profiles.named():  # of an example that failed
        store.profiles.delete(profile.id)
    ada = store.profiles.create("Ada").id
    filled(store, ada)
    table, column = place_in
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = coalesce(?, {column})", (value,))
    goes_on(store, ada)
    store.profiles.delete(ada)
    store.close()


def test_a_text_that_is_no_utf8_is_read_with_marks_in_it(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    store.drafts.save(ada, *KEY, "x", 1)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE drafts SET text = CAST(X'61ff' AS TEXT)")
    draft = store.drafts.get(ada, *KEY)
    assert draft and draft.text == "a\ufffd"
    store.close()


@pytest.mark.parametrize("table", ["attempts", "drafts", "draft_copies", "profiles"])
def test_a_lost_table_is_one_sentence_at_work_and_at_start(
    store: Store, ada: str, database: str, table: str
) -> None:
    filled(store, ada)
    engine = create_engine(database)
    with engine.begin() as connection:
        for statement in [f"DROP TABLE {table} CASCADE"] if "post" in database else [f"DROP TABLE {table}"]:
            connection.execute(text(statement))
    engine.dispose()
    for action in (lambda: store.transfer.export(ada), lambda: store.transfer.export(ada), open_store):
        with pytest.raises(StoreError, match="lacks a part of our tables"):
            action()


@pytest.mark.parametrize("version", [0, -1, None])
def test_a_version_that_is_none_is_one_sentence(store: Store, database: str, version: int | None) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM schema_version"))
        if version is not None:
            connection.execute(text(f"INSERT INTO schema_version VALUES ({version})"))
    engine.dispose()
    with pytest.raises(StoreError, match="another program"):
        open_store()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_is_emptied_while_the_app_runs_is_begun_anew(store: Store, database: str) -> None:
    before = store.openings
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    with pytest.raises(StoreError):
        store.profiles.named()
    assert store.profiles.create("Ada") in store.profiles.named() and store.openings == before + 1


def statements_of(store: Store, action: Callable[[], object]) -> int:
    """How often an action asks the database, a list of rows in one go counting once."""
    asked = []
    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    action()
    return len(asked)


def test_an_import_asks_the_database_as_often_however_long_it_is(store: Store) -> None:
    counts = []
    for number in (20, 200):
        profile = store.profiles.create(f"Of {number}").id
        entries = range(number)
        copies = [
            {"question": "q06", "field": "answer", "text": f"copy {n}", "changed": NOW} for n in entries
        ]
        drafts = [copy | {"field": f"f{n}", "revision": 3} for n, copy in enumerate(copies)]
        data = exported(
            copies=copies, drafts=drafts, attempts=[attempt_entry(str(n), NOW, text=f"{n}") for n in entries]
        )
        counts.append(
            statements_of(store, lambda data=data, to=profile: store.transfer.import_into(to, data))
        )
        assert store.transfer.import_into(profile, data) == Imported(0, 0)
        assert len(store.drafts.copies(profile)) == len(store.attempts.of(profile)) == number
    assert counts[0] == counts[1] or counts[1] <= counts[0] + 5, counts


def test_others_write_while_a_file_is_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    ada, bob = store.profiles.create("Ada").id, store.profiles.create("Bob").id
    mend, saved = transfer._mended, []

    def meanwhile(*arguments: Any) -> Any:
        saved.append(store.drafts.save(bob, *KEY, "meanwhile", 1).accepted)
        return mend(*arguments)

    monkeypatch.setattr("study.store.transfer._mended", meanwhile)
    store.transfer.import_into(ada, exported(attempts=[attempt_entry("a", NOW)]))
    assert saved == [True]
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_no_other_user_reads_the_files(place: Path, before: int | None) -> None:
    place.parent.chmod(0o755)
    old_mask = os.umask(0)
    try:
        if before is not None:
            open_store().close()
            for path in place.parent.iterdir():
                path.chmod(before)
        store = open_store()
        ada = store.profiles.create("Ada").id
        store.drafts.save(ada, *KEY, "private", 1)
        modes = {path.name: path.stat().st_mode & 0o777 for path in place.parent.iterdir()}
        store.close()
    finally:
        os.umask(old_mask)
    assert len(modes) == 4 and set(modes.values()) == {0o600}, modes


def test_opening_again_in_one_process_keeps_the_locks_of_the_first(place: Path) -> None:
    """To open and close the file beside SQLite would drop them: POSIX locks belong to the process."""
    store = open_store()
    code = f"import sqlite3; sqlite3.connect({str(place)!r}, timeout=0.1).execute('BEGIN IMMEDIATE')"
    with store._database.write():
        make_private(place)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "database is locked" in other.stderr
    store.close()
