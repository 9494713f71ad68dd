"""What is newest is never a clock's word; an import sets right or refuses what nobody could go on from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from study.store import Imported, Store, StoreError, attempts, open_store, transfer
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
