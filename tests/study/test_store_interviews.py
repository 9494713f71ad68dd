"""Interviews in the store: a line that only grows, a link that opens one window for a while."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from study.store import Interview, Store, StoreError, interviews, open_store


@pytest.fixture
def grace(store: Store, ada: str) -> Interview:
    return store.interviews.begin(ada, "  Grace  Hopper ", 45, ("q06", "q13"))


def test_what_happened_is_there_after_a_restart(store: Store, grace: Interview) -> None:
    store.interviews.add(grace, "note", "q06", {"text": "数错了头"})
    store.interviews.add(grace, "paused")
    again = open_store()
    [led] = again.interviews.of(grace.profile)
    assert led == grace and led.candidate == "Grace Hopper"
    line = again.interviews.events(led)
    assert [(event.kind, event.question, event.data) for event in line] == [
        ("note", "q06", {"text": "数错了头"}),
        ("paused", "", {}),
    ]
    assert again.interviews.events(led, kinds=("paused",)) == line[1:]
    again.close()


def test_a_link_opens_one_interview_until_it_expires_or_is_replaced(
    store: Store, grace: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.interviews.begin(grace.profile, "Alan", 20, ("q01",))
    assert grace.link and other.link and grace.link != other.link and len(grace.link) >= 32
    assert store.interviews.linked(grace.link) == grace
    assert store.interviews.linked("") is None and store.interviews.linked(grace.link[:-1]) is None
    new = store.interviews.relink(grace)
    assert new.link and store.interviews.linked(grace.link) is None
    assert store.interviews.linked(new.link) == new
    monkeypatch.setattr(interviews, "now", lambda: new.expires + 1)
    assert store.interviews.linked(new.link) is None


def test_no_link_is_in_a_repr(store: Store, grace: Interview) -> None:
    found = store.interviews.by_console(store.interviews.open_console(grace).console_link or "")
    assert found and grace.link and found.console_link
    assert grace.link not in repr(found) and found.console_link not in repr(found)


def test_a_link_to_the_console_opens_it_alone(store: Store, grace: Interview) -> None:
    """Several consoles are open at once; none is opened by a candidate's link, or by none."""
    assert grace.console_link is None and store.interviews.by_console("") is None
    other = store.interviews.open_console(store.interviews.begin(grace.profile, "Alan", 20, ("q01",)))
    mine = store.interviews.open_console(grace)
    link = mine.console_link or ""
    assert len(link) >= 32 and link not in (grace.link, other.console_link)
    assert store.interviews.by_console(link) == mine
    assert store.interviews.linked(link) is None and store.panels.linked(link) is None
    assert store.interviews.by_console(grace.link or "") is None
    assert store.interviews.by_console(link[:-1]) is None


@pytest.mark.parametrize("way", ["closed", "replaced", "expired", "deleted"])
def test_a_console_that_is_closed_is_read_and_written_no_more(
    store: Store, grace: Interview, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a device still shows: what it does is refused in the same transaction."""
    link = store.interviews.open_console(grace).console_link or ""
    elsewhere = store.interviews.by_console(link)
    assert elsewhere is not None
    store.interviews.add(elsewhere, "note", "q06", {"text": "from a phone"})
    match way:
        case "closed":
            assert store.interviews.close_console(grace).console_link is None
        case "replaced":
            assert store.interviews.open_console(grace).console_link != link
        case "expired":
            monkeypatch.setattr(interviews, "now", lambda: elsewhere.console_expires + 1)
        case "deleted":
            store.interviews.delete(grace)
    assert store.interviews.by_console(link) is None
    for act in (
        lambda: store.interviews.add(elsewhere, "shown", "q06"),
        lambda: store.interviews.save_text(elsewhere, "noting", "q06", "x", 9),
        lambda: store.interviews.finish(elsewhere, "finished"),
        lambda: store.interviews.relink(elsewhere),
        lambda: store.interviews.open_console(elsewhere),
        lambda: store.interviews.events(elsewhere),
    ):
        with pytest.raises(StoreError, match=r"was (closed|deleted)"):
            act()
    if way != "deleted":
        assert [event.kind for event in store.interviews.events(grace)] == ["note"]


def test_typing_is_one_event_in_a_few_seconds_and_a_text_that_loses_stays(
    store: Store, grace: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_795_600_000.0
    monkeypatch.setattr(interviews, "now", lambda: clock)
    for revision, (seconds, text) in enumerate(((0, "f"), (2, "fewer"), (6, "fewer heads")), 1):
        monkeypatch.setattr(interviews, "now", lambda moment=clock + seconds: moment)
        store.interviews.save_text(grace, "draft", "q06", text, revision)
    store.interviews.save_text(grace, "draft", "q06", "from another window", 2)
    store.interviews.save_text(grace, "draft", "q06", "few", 2)  # part of what is there already
    texts = [event.data["text"] for event in store.interviews.events(grace)]
    assert texts == ["fewer", "fewer heads", "from another window"]
    store.interviews.save_text(grace, "draft", "q06", "fewer heads, so", 4)
    assert [event.data["revision"] for event in store.interviews.events(grace)] == [2, 3, 2, 4]


def test_many_windows_add_to_one_line(store: Store, grace: Interview) -> None:
    def add(number: int) -> None:
        store.interviews.add(grace, "note", "q06", {"number": number})

    before = store.interviews.stamp(grace, kinds=("note",))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    numbers = [event.data["number"] for event in store.interviews.events(grace)]
    assert sorted(numbers) == list(range(20))
    assert store.interviews.stamp(grace, kinds=("note",)) != before
    assert store.interviews.stamp(grace, kinds=("paused",)) == before


def test_the_end_is_once(store: Store, grace: Interview) -> None:
    for _ in range(2):
        store.interviews.finish(grace, "finished")
    [event] = store.interviews.events(grace)
    found = store.interviews.find(grace.profile, grace.id)
    assert found and found.finished == event.moment


def test_deleted_with_its_line_and_with_its_profile(store: Store, grace: Interview) -> None:
    other = store.interviews.begin(grace.profile, "Alan", 20, ("q01",))
    for interview in (grace, other):
        store.interviews.add(interview, "note", "q06", {"text": "to be forgotten"})
    store.interviews.delete(grace)
    assert [each.id for each in store.interviews.of(grace.profile)] == [other.id]
    assert store.interviews.events(grace) == ()
    with pytest.raises(StoreError, match="was deleted"):
        store.interviews.add(grace, "paused")
    store.profiles.delete(grace.profile)
    assert store.interviews.of(grace.profile) == () and store.interviews.events(other) == ()


def test_a_row_that_another_program_wrote_is_read_nevertheless(store: Store, grace: Interview) -> None:
    if store._database.path is None:
        pytest.skip("PostgreSQL refuses such values itself")
    store.interviews.add(grace, "note", "q06", {"text": "x"})
    with sqlite3.connect(store._database.path) as other:
        other.execute("UPDATE interviews SET questions = 'no json', started = 'today', minutes = 'x'")
        other.execute("UPDATE interview_events SET data = '[1]', moment = -1, kind = x'6e6f7465'")
    [led] = store.interviews.of(grace.profile)
    assert (led.questions, led.started, led.minutes) == ((), 0.0, 0)
    [event] = store.interviews.events(led)
    assert (event.moment, event.kind, event.data) == (0.0, "note", {})
