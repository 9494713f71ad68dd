"""Attempts: one open at a time, predictions final, scored once."""

from __future__ import annotations

import itertools
import threading

import pytest

from study.store import Store, StoreError


def test_an_attempt_from_start_to_score(store: Store, ada: str) -> None:
    assert store.attempts.of(ada, "q06") == ()
    attempt = store.attempts.open(ada, "q06")
    attempt = store.attempts.predict(attempt, "speedup", 4.0)
    attempt = store.attempts.predict(attempt, "choice", "memory")
    attempt = store.attempts.predict(attempt, "cache", None)
    attempt = store.attempts.measure(attempt, "speedup", {"value": 1.08, "spread": [1.0, 1.1], "说明": "真"})
    attempt = store.attempts.update(
        attempt, text="Fewer KV heads", ticks={"b", "a"}, help_used={"hint-1"}, seconds=12
    )
    done = store.attempts.finish(attempt, 80, text="Fewer KV heads.", seconds=30.5)
    assert done.predictions == {"speedup": 4.0, "choice": "memory", "cache": None}
    assert done.measurements == {"speedup": {"value": 1.08, "spread": [1.0, 1.1], "说明": "真"}}
    assert (done.text, done.ticks, done.help_used, done.seconds, done.tier) == (
        "Fewer KV heads.",
        ("a", "b"),
        ("hint-1",),
        30.5,
        80,
    )
    assert done.finished and done.started <= done.finished
    assert store.attempts.of(ada) == (done,)


def test_one_attempt_is_open_at_a_time(store: Store, ada: str) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(store.attempts.open(ada, "q06").id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8 and len(set(ids)) == 1
    [first] = store.attempts.of(ada, "q06")
    assert store.attempts.open(ada, "q13").id != first.id
    store.attempts.finish(first, 0)
    second = store.attempts.open(ada, "q06")
    assert [attempt.id for attempt in store.attempts.of(ada, "q06")] == [second.id, first.id]


@pytest.mark.parametrize("first", [4.0, None, "memory"])
def test_the_first_word_of_a_prediction_stays(store: Store, ada: str, first: float | str | None) -> None:
    attempt = store.attempts.open(ada, "q06")
    store.attempts.predict(attempt, "speedup", first)
    assert store.attempts.predict(attempt, "speedup", 1.08).predictions == {"speedup": first}


def test_two_tabs_add_to_each_other(store: Store, ada: str) -> None:
    first_tab = second_tab = store.attempts.open(ada, "q06")
    store.attempts.predict(first_tab, "speedup", 4)
    store.attempts.update(second_tab, help_used={"hint-2"}, seconds=40)
    both = store.attempts.update(first_tab, help_used={"hint-1", "hint-2"}, seconds=7)
    assert (both.predictions, both.help_used, both.seconds) == ({"speedup": 4}, ("hint-2", "hint-1"), 40)
    assert store.attempts.measure(second_tab, "speedup", 2) == store.attempts.of(ada, "q06")[0]


def test_a_scored_attempt_is_final(store: Store, ada: str) -> None:
    attempt = store.attempts.open(ada, "q06")
    done = store.attempts.finish(attempt, 60)
    assert store.attempts.finish(attempt, 60, text="double click") == done
    for change in (
        lambda: store.attempts.finish(attempt, 100),
        lambda: store.attempts.update(attempt, text="x"),
        lambda: store.attempts.predict(attempt, "speedup", 1.0),
        lambda: store.attempts.measure(attempt, "speedup", 1.0),
    ):
        with pytest.raises(StoreError, match="already scored"):
            change()
    assert store.attempts.of(ada) == (done,)


def test_an_attempt_that_is_gone(store: Store, ada: str) -> None:
    attempt = store.attempts.open(ada, "q06")
    store.profiles.delete(ada)
    with pytest.raises(StoreError, match="no longer exists"):
        store.attempts.update(attempt, text="x")


def test_what_json_lacks_never_enters(store: Store, ada: str) -> None:
    attempt = store.attempts.open(ada, "q06")
    with pytest.raises(ValueError):
        store.attempts.measure(attempt, "loss", float("nan"))
    assert store.attempts.of(ada, "q06") == (attempt,)


def test_every_change_changes_the_stamp(store: Store, ada: str) -> None:
    stamps = [store.attempts.stamps(ada)]
    attempt = store.attempts.open(ada, "q06")
    stamps.append(store.attempts.stamps(ada))
    attempt = store.attempts.predict(attempt, "speedup", 4.0)
    stamps.append(store.attempts.stamps(ada))
    store.attempts.finish(attempt, 60)
    stamps.append(store.attempts.stamps(ada))
    store.attempts.open(ada, "q13")
    stamps.append(store.attempts.stamps(ada))
    assert (
        all(before != after for before, after in itertools.combinations(stamps, 2))
        and store.attempts.stamps(ada) == stamps[-1]
    )


def test_some_attempts_are_found_without_the_others(store: Store, ada: str) -> None:
    kept = {key: store.attempts.open(ada, key) for key in ("q05", "q06", "q13")}
    assert store.attempts.at(ada, ["q05", "q13"]) == (kept["q13"], kept["q05"]) and not store.attempts.at(
        ada, []
    )
    assert store.attempts.with_ids(ada, [kept["q06"].id, "nobody"]) == (kept["q06"],)
    assert not store.attempts.with_ids("nobody", [kept["q06"].id])
    store.drafts.save(ada, "q06", "answer", "Fewer", 1)
    store.drafts.save(ada, "q06", "predictions", "{}", 1)
    assert store.drafts.texts(ada, "answer") == {"q06": "Fewer"}


def test_every_draft_changes_its_stamp(store: Store, ada: str) -> None:
    stamps = [store.drafts.stamp(ada, "answer")]
    for revision in (1, 2):
        store.drafts.save(ada, "q06", "answer", "Fewer", revision)
        stamps.append(store.drafts.stamp(ada, "answer"))
    assert len(set(stamps)) == 3
