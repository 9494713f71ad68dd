"""Drafts: the newer revision wins, an older one never overwrites, and no text is lost."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from study.store import Saved, Store, StoreError, open_store

KEY = ("q06", "answer")
FIELDS = st.sampled_from(["answer", "notes"])


def texts(store: Store, profile: str) -> set[str]:
    return {copy.text for copy in store.drafts.copies(profile)}


def test_a_newer_revision_wins(store: Store, ada: str) -> None:
    assert store.drafts.get(ada, *KEY) is None
    store.drafts.save(ada, *KEY, "few", 1)
    assert store.drafts.save(ada, *KEY, "fewer heads", 2, base=1).accepted
    draft = store.drafts.get(ada, *KEY)
    assert draft and (draft.text, draft.revision) == ("fewer heads", 2) and not texts(store, ada)


@pytest.mark.parametrize("revision", [1, 4, 5])
def test_an_older_or_equal_one_never_overwrites_and_is_kept(store: Store, ada: str, revision: int) -> None:
    first = store.drafts.save(ada, *KEY, "mine", 5)
    assert store.drafts.save(ada, *KEY, "from another tab", revision) == Saved(first.draft, False)
    assert store.drafts.get(ada, *KEY) == first.draft and texts(store, ada) == {"from another tab"}


def test_sending_again_changes_nothing(store: Store, ada: str) -> None:
    first = store.drafts.save(ada, *KEY, "mine", 5)
    assert store.drafts.save(ada, *KEY, "mine", 5) == first
    assert store.drafts.save(ada, *KEY, "mine", 3).draft == first.draft and not texts(store, ada)


def test_a_text_written_elsewhere_meanwhile_becomes_a_copy(store: Store, ada: str) -> None:
    store.drafts.save(ada, *KEY, "at home", 5)
    assert store.drafts.save(ada, *KEY, "on the train", 60, base=3).accepted
    assert texts(store, ada) == {"at home"}


def test_keystrokes_of_one_stale_editor_leave_one_copy(store: Store, ada: str) -> None:
    store.drafts.save(ada, *KEY, "long answer", 50)
    for revision, text in enumerate(["s", "st", "sta", "stal", "stale"], 2):
        store.drafts.save(ada, *KEY, text, revision)
    store.drafts.save(ada, *KEY, "stal", 5)  # late
    store.drafts.save(ada, *KEY, "", 49)
    [copy] = store.drafts.copies(ada, "q06")
    assert copy.text == "stale"
    store.drafts.discard_copy(ada, copy.id)
    assert not store.drafts.copies(ada)


def test_profiles_questions_and_fields_are_apart(store: Store, ada: str) -> None:
    bob = store.profiles.create("Bob").id
    for profile, question, field in (
        (ada, "q06", "answer"),
        (ada, "q06", "notes"),
        (ada, "q13", "answer"),
        (bob, "q06", "answer"),
    ):
        store.drafts.save(profile, question, field, f"{profile}{question}{field}", 1)
    assert [(draft.question, draft.field) for draft in store.drafts.of(ada)] == [
        ("q06", "answer"),
        ("q06", "notes"),
        ("q13", "answer"),
    ]
    assert [draft.text for draft in store.drafts.of(bob, "q06")] == [f"{bob}q06answer"]
    store.drafts.save(ada, *KEY, "older", 1)
    [copy] = store.drafts.copies(ada)
    store.drafts.discard_copy(bob, copy.id)
    assert store.drafts.copies(ada) and not store.drafts.copies(bob)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("温度 → 0\r\n\ttab 🙂", "温度 → 0\r\n\ttab 🙂"),
        ("\ud83d\ude42", "🙂"),
        ("half \ud83d", "half \ufffd"),
        ("a\0b", "a\ufffdb"),
        ("'; DROP TABLE drafts; --", "'; DROP TABLE drafts; --"),
    ],
)
def test_any_text_a_browser_sends_is_kept(store: Store, ada: str, given: str, kept: str) -> None:
    assert store.drafts.save(ada, *KEY, given, 1).draft.text == kept
    draft = store.drafts.get(ada, *KEY)
    assert draft and draft.text == kept


@pytest.mark.parametrize("revision", [0, -1, 2**53, 1.5, True, "2"])
def test_a_revision_that_no_editor_counts_is_refused(store: Store, ada: str, revision: int) -> None:
    with pytest.raises(StoreError, match="whole number"):
        store.drafts.save(ada, *KEY, "text", revision)


def test_what_cannot_be_kept_is_refused_in_a_sentence(store: Store, ada: str) -> None:
    with pytest.raises(StoreError, match="shorten"):
        store.drafts.save(ada, *KEY, "x" * 1_000_001, 1)
    with pytest.raises(StoreError, match="reload"):
        store.drafts.save("nobody", *KEY, "text", 1)


def test_many_threads_share_one_store(store: Store, ada: str) -> None:
    failures: list[BaseException] = []

    def type_(thread: int) -> None:
        try:
            for step in range(10):
                store.drafts.save(ada, *KEY, f"{thread}/{step}", 1 + 8 * step + thread)
                store.drafts.get(ada, *KEY)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=type_, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    draft = store.drafts.get(ada, *KEY)
    assert not failures and draft and (draft.text, draft.revision) == ("7/9", 80)


class Typing(RuleBasedStateMachine):
    """Several editors, stale and fresh, on two fields; the server restarts in between."""

    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        self.store = open_store()
        self.ada = self.store.profiles.create("Ada").id
        self.drafts: dict[str, tuple[int, str]] = {}
        self.aside: dict[str, set[str]] = {"answer": set(), "notes": set()}

    @rule(
        target=copies,
        field=FIELDS,
        text=st.text("abc", max_size=4),
        revision=st.integers(1, 9),
        base=st.none() | st.integers(1, 9),
    )
    def save(self, field: str, text: str, revision: int, base: int | None) -> object:
        saved = self.store.drafts.save(self.ada, "q06", field, text, revision, base=base)
        old = self.drafts.get(field)
        if old is None or revision > old[0]:
            self.drafts[field] = revision, text
            assert saved.accepted
            if old and base is not None and base != old[0] and old[1] not in text:
                self.aside[field].add(old[1])
        else:
            assert saved.accepted is (text == old[1])
            if text not in old[1]:
                self.aside[field].add(text)
        assert (saved.draft.revision, saved.draft.text) == self.drafts[field]
        copies = self.store.drafts.copies(self.ada)
        return multiple(*((copy.id, copy.field, copy.text) for copy in copies))

    @rule(copy=copies)
    def discard(self, copy: tuple[str, str, str]) -> None:
        name, field, text = copy
        if name in {kept.id for kept in self.store.drafts.copies(self.ada)}:
            self.store.drafts.discard_copy(self.ada, name)
            self.aside[field] = {kept for kept in self.aside[field] if kept not in text}

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = open_store()

    @invariant()
    def the_newest_counts_and_nothing_is_lost(self) -> None:
        drafts = {draft.field: (draft.revision, draft.text) for draft in self.store.drafts.of(self.ada)}
        assert drafts == self.drafts
        copies = self.store.drafts.copies(self.ada)
        for field, kept in self.aside.items():
            held = [copy.text for copy in copies if copy.field == field]
            assert all(any(text in copy for copy in held) for text in kept)
            assert all(a not in b for a in held for b in held if a is not b), "a copy is part of another"

    def teardown(self) -> None:
        self.store.profiles.delete(self.ada)
        self.store.close()


def test_typing(database: str) -> None:
    limits = settings(max_examples=12, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(Typing, settings=limits)
