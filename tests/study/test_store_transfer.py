"""Export and import: everything comes back, nothing is overwritten, a broken file changes nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from questions import load_question
from study.intervals import range_of
from study.store import Imported, Store, StoreError
from study.store.drafts import read_drafts

Content = dict[str, Any]


def fill(store: Store, profile: str) -> None:
    store.drafts.save(profile, "q06", "answer", "少 KV 头 \ud83d\ude42", 7)
    store.drafts.save(profile, "q06", "answer", "an older text", 3)
    attempt = store.attempts.predict(store.attempts.open(profile, "q06"), "speedup", 4.0)
    attempt = store.attempts.predict(attempt, "cache", None)
    store.attempts.measure(attempt, "half", {"text": "\ud83d"})
    store.attempts.finish(attempt, 80, text="text", ticks=["a"], help_used=["hint-1"], seconds=3)
    store.attempts.open(profile, "q13")
    interview = store.interviews.begin(profile, "Grace", 45, ("q06", "q13"))
    store.interviews.save_text(interview, "draft", "q06", "fewer heads", 3)
    store.interviews.add(interview, "note", "q06", {"text": "halves of \ud83d"})
    store.interviews.finish(interview, "finished")


def content_of(store: Store, profile: str) -> Content:
    content: Content = json.loads(store.transfer.export(profile))
    return {name: content[name] for name in ("drafts", "copies", "attempts", "interviews")}


def test_an_export_comes_back_into_another_profile(store: Store, ada: str) -> None:
    fill(store, ada)
    data = store.transfer.export(ada).encode()  # has a UTF-8 form, whatever was measured
    bob = store.profiles.create("Bob").id
    assert store.transfer.import_into(bob, b"\xef\xbb\xbf" + data) == Imported(1, 2, interviews=1)
    assert content_of(store, bob) == content_of(store, ada)
    assert store.transfer.import_into(bob, data) == Imported(0, 0)
    assert content_of(store, bob) == content_of(store, ada)
    assert store.profiles.find(bob) and json.loads(data)["profile"] == {"name": "Ada"}


def test_ranges_and_typed_predictions_come_back(store: Store, ada: str) -> None:
    given = {"cache-size": 8.0, "cache-size.low": 7.0, "cache-size.high": 9.5, "slowest-way": None}
    attempt = store.attempts.open(ada, "q06")
    for name, answer in given.items():
        attempt = store.attempts.predict(attempt, name, answer)
    store.drafts.save(ada, "q06", "predictions", '{"cache-size": "8,4"}', 1)
    bob = store.profiles.create("Bob").id
    assert store.transfer.import_into(bob, store.transfer.export(ada)) == Imported(1, 1)
    assert store.attempts.of(bob)[0].predictions == given
    assert range_of(
        load_question("q06_gqa").prediction("cache-size"), store.attempts.of(bob)[0].predictions
    ) == (7.0, 9.5)


def test_an_export_is_of_one_moment(store: Store, ada: str) -> None:
    with store._database.read() as connection:
        before = read_drafts(connection, ada)
        assert store.drafts.save(ada, "q06", "answer", "written meanwhile", 1).accepted
        assert read_drafts(connection, ada) == before == ()
    assert store.drafts.of(ada)


def test_an_import_never_overwrites(store: Store, ada: str) -> None:
    fill(store, ada)
    data = store.transfer.export(ada)
    draft = store.drafts.save(ada, "q06", "answer", "written since", 9).draft
    done = store.attempts.finish(store.attempts.open(ada, "q13"), 40)
    assert store.transfer.import_into(ada, data) == Imported(0, 0)
    assert store.drafts.get(ada, "q06", "answer") == draft and store.attempts.of(ada, "q13") == (done,)
    assert {kept.text for kept in store.drafts.copies(ada)} == {"少 KV 头 🙂", "an older text"}


def test_a_newer_draft_in_the_file_leaves_the_text_here_as_a_copy(store: Store, ada: str) -> None:
    fill(store, ada)
    data = store.transfer.export(ada)
    bob = store.profiles.create("Bob").id
    store.drafts.save(bob, "q06", "answer", "of Bob", 2)
    store.transfer.import_into(bob, data)
    draft = store.drafts.get(bob, "q06", "answer")
    assert draft and draft.revision == 7 and "of Bob" in {kept.text for kept in store.drafts.copies(bob)}


def test_of_two_versions_of_an_attempt_the_finished_then_the_later_stays(store: Store, ada: str) -> None:
    attempt = store.attempts.update(store.attempts.open(ada, "q06"), text="open")
    open_file = store.transfer.export(ada)
    done = store.attempts.finish(attempt, 60)
    done_file = store.transfer.export(ada)
    assert store.transfer.import_into(ada, open_file) == Imported(0, 0)
    bob = store.profiles.create("Bob").id
    assert [store.transfer.import_into(bob, file).attempts for file in (open_file, done_file, open_file)] == [
        1,
        1,
        0,
    ]
    assert [attempt.tier for attempt in store.attempts.of(bob)] == [60] and store.attempts.of(ada) == (done,)
    assert not store.drafts.copies(ada) and not store.drafts.copies(bob), "the same text needs no copy"


@pytest.mark.parametrize("later_is_here", [True, False])
def test_a_text_of_an_attempt_that_was_finished_twice_is_kept(
    store: Store, ada: str, later_is_here: bool
) -> None:
    attempt = store.attempts.open(ada, "q06")
    bob = store.profiles.create("Bob").id
    store.transfer.import_into(bob, store.transfer.export(ada))
    for profile in (ada, bob) if later_is_here else (bob, ada):
        store.attempts.finish(replace(attempt, profile=profile), 60, text=f"of {profile}")
    data = store.transfer.export(ada)
    for _ in range(2):
        store.transfer.import_into(bob, data)
        texts = [
            *(attempt.text for attempt in store.attempts.of(bob)),
            *(kept.text for kept in store.drafts.copies(bob)),
        ]
        assert texts == ([f"of {bob}", f"of {ada}"] if later_is_here else [f"of {ada}", f"of {bob}"])


def test_a_text_that_a_draft_has_needs_no_copy(store: Store, ada: str) -> None:
    attempt = store.attempts.update(store.attempts.open(ada, "q06"), text="first")
    store.drafts.save(ada, "q06", "answer", "first, and more", 2)
    data = store.transfer.export(ada)
    store.attempts.finish(attempt, 60, text="something else")
    assert store.transfer.import_into(ada, data) == Imported(0, 0) and not store.drafts.copies(ada)


def damage(path: str, value: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        *parents, last = path.split(".")
        holder: Any = content
        for name in parents:
            holder = holder[int(name)] if name.isdigit() else holder[name]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value

    return change


BROKEN = [
    damage(path, value)
    for path, value in [
        ("version", 0),
        ("version", True),
        ("version", "1"),
        ("exported", "today"),
        ("exported", ...),
        ("profile", []),
        ("profile.name", 3),
        ("profile.id", "x"),
        ("drafts", {}),
        ("drafts", ...),
        ("more", 1),
        ("drafts", [None]),
        ("drafts.0.text", None),
        ("drafts.0.text", "x" * 1_000_001),
        ("drafts.0.revision", 0),
        ("drafts.0.revision", 1.0),
        ("drafts.0.revision", 2**53),
        ("drafts.0.revision", True),
        ("drafts.0.question", ""),
        ("drafts.0.question", "a\0"),
        ("drafts.0.field", "\ud800"),
        ("drafts.0.changed", -1),
        ("drafts.0.changed", 10**400),
        ("drafts.0.changed", float("inf")),
        ("copies.0.text", 5),
        ("attempts.0.id", None),
        ("attempts.0.tier", 50),
        ("attempts.0.tier", 80.0),
        ("attempts.1.tier", None),
        ("attempts.1.finished", None),
        ("attempts.0.ticks", "abc"),
        ("attempts.0.help_used", [1]),
        ("attempts.0.predictions", {"speedup": []}),
        ("attempts.0.predictions", {"speedup": True}),
        ("attempts.0.measurements", []),
        ("attempts.0.measurements", {"loss": float("nan")}),
        ("attempts.0.seconds", -1),
        ("attempts.0.profile", "somebody"),
        ("attempts.1.text", ...),
    ]
]
BROKEN += [
    lambda content: content["drafts"].append(content["drafts"][0]),
    lambda content: content["attempts"].append(content["attempts"][0]),
    lambda content: content["interviews"].append(content["interviews"][0]),
    damage("interviews", ...),
    damage("interviews.0.link", "mine"),
    damage("interviews.0.candidate", 3),
    damage("interviews.0.events", {}),
    damage("interviews.0.events.0.moment", "now"),
    damage("interviews.0.events.0.data", []),
]


def test_a_broken_file_is_one_sentence_and_changes_nothing(store: Store, ada: str) -> None:
    fill(store, ada)
    good = json.loads(store.transfer.export(ada))
    bob = store.profiles.create("Bob").id
    for number, change in enumerate(BROKEN):
        content = copy.deepcopy(good)
        change(content)
        with pytest.raises(StoreError, match=r"^This file is broken .*nothing was imported") as caught:
            store.transfer.import_into(bob, json.dumps(content))
        assert str(caught.value).count(". ") == 0, number
    good["attempts"][1]["measurements"] = {"loss": "INFINITY"}
    huge = json.dumps(good).replace('"INFINITY"', "1e999")
    for data in (huge, b"", b"\xff\xfe", b"{", b"[" * 100_000, '{"format": "minimind-study", "version": 1}'):
        with pytest.raises(StoreError):
            store.transfer.import_into(bob, data)
    assert content_of(store, bob) == {"drafts": [], "copies": [], "attempts": [], "interviews": []}


def test_a_file_from_before_there_were_interviews_comes_in(store: Store, ada: str) -> None:
    store.drafts.save(ada, "q06", "answer", "old", 7)
    content = json.loads(store.transfer.export(ada)) | {"version": 1}
    del content["interviews"]
    bob = store.profiles.create("Bob").id
    assert store.transfer.import_into(bob, json.dumps(content)) == Imported(1, 0)


def test_of_two_lines_of_an_interview_the_longer_stays(store: Store, ada: str) -> None:
    interview = store.interviews.open_console(store.interviews.begin(ada, "Grace", 20, ("q06",)))
    short = store.transfer.export(ada)
    store.interviews.add(interview, "note", "q06", {"text": "later"})
    long = store.transfer.export(ada)
    bob = store.profiles.create("Bob").id
    for data, count in ((short, 1), (long, 1), (short, 0)):
        assert store.transfer.import_into(bob, data) == Imported(0, 0, interviews=count)
    [led] = store.interviews.of(bob)
    assert [event.data for event in store.interviews.events(led)] == [{"text": "later"}]
    assert led.link is led.console_link is None
    assert not [link for link in (interview.link, interview.console_link) if str(link) in long]


def test_foreign_and_newer_files_say_so(store: Store, ada: str) -> None:
    for data in ("[]", "{}", "3", '{"format": "anki"}'):
        with pytest.raises(StoreError, match="no export of this app"):
            store.transfer.import_into(ada, data)
    with pytest.raises(StoreError, match="update the app"):
        store.transfer.import_into(ada, '{"format": "minimind-study", "version": 4}')
    with pytest.raises(StoreError, match="no longer exists"):
        store.transfer.export("nobody")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_wrong_value_anywhere_is_taken_or_refused_whole(store: Store, data: st.DataObject) -> None:
    ada = store.profiles.named_or_new("Ada").id
    if not store.attempts.of(ada):
        fill(store, ada)
    bob = store.profiles.named_or_new("Bob").id
    store.profiles.delete(bob)
    bob = store.profiles.create("Bob").id
    content = json.loads(store.transfer.export(ada))
    lists = (content["drafts"], content["copies"], content["attempts"])
    entry = data.draw(st.sampled_from([content, *(entry for entries in lists for entry in entries)]))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(JSON)
    try:
        store.transfer.import_into(bob, json.dumps(content))
    except StoreError:
        assert not store.drafts.of(bob) and not store.attempts.of(bob) and not store.drafts.copies(bob)
    else:
        assert len(content_of(store, bob)["attempts"]) == len(content["attempts"])
