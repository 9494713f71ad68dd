"""Panels in the store: a link for each member, ticks that are final once handed in."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from study.store import Interview, Member, Store, StoreError, open_store, panels


@pytest.fixture
def grace(store: Store, ada: str) -> Interview:
    return store.interviews.begin(ada, "Grace", 45, ("q06", "q13"))


@pytest.fixture
def barbara(store: Store, grace: Interview) -> Member:
    return store.panels.invite(grace, " Barbara ")


def test_ticks_are_there_after_a_restart_and_final_once_handed_in(
    store: Store, grace: Interview, barbara: Member
) -> None:
    for line, on in (("bytes", True), ("heads", True), ("heads", False), ("bytes", True)):
        store.panels.tick(barbara, "q06", line, on=on)
    store.panels.hand_in(barbara)
    for act in (
        lambda: store.panels.tick(barbara, "q06", "late", on=True),
        lambda: store.panels.hand_in(barbara),
    ):
        with pytest.raises(StoreError, match="You have handed in"):
            act()
    again = open_store()
    [member] = again.panels.of(grace)
    assert (member.name, member.ticks, member.link) == ("Barbara", {"q06": ("bytes",)}, barbara.link)
    assert member.handed is not None and again.panels.handed_in() == (member,)
    again.close()


def test_a_link_opens_one_members_page_until_it_expires(
    store: Store, grace: Interview, barbara: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.panels.invite(grace, "Charles")
    assert barbara.link and other.link and barbara.link not in (other.link, grace.link)
    assert store.panels.linked(barbara.link) == (grace, barbara)
    assert store.panels.linked("") is None and store.panels.linked(grace.link or "") is None
    assert store.interviews.linked(barbara.link) is None, "it does not open the candidate's window"
    assert barbara.link not in repr(barbara)
    monkeypatch.setattr(panels, "now", lambda: barbara.expires + 1)
    assert store.panels.linked(barbara.link) is None


def test_who_is_removed_ticks_no_more_and_a_deleted_interview_has_no_panel(
    store: Store, grace: Interview, barbara: Member
) -> None:
    store.panels.remove(barbara)
    with pytest.raises(StoreError, match="not on this panel"):
        store.panels.tick(barbara, "q06", "bytes", on=True)
    store.panels.invite(grace, "Charles")
    store.interviews.delete(grace)
    assert store.panels.of(grace) == ()
    with pytest.raises(StoreError, match="was deleted"):
        store.panels.invite(grace, "Dorothy")


def test_a_panel_has_room_for_some(store: Store, grace: Interview) -> None:
    for number in range(panels.MOST_MEMBERS):
        store.panels.invite(grace, f"Member {number}")
    with pytest.raises(StoreError, match="at most 12 members"):
        store.panels.invite(grace, "One more")
    with pytest.raises(StoreError, match="A name has"):
        store.panels.invite(grace, "  ")


def test_many_members_tick_at_once(store: Store, grace: Interview, barbara: Member) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda line: store.panels.tick(barbara, "q06", f"line-{line}", on=True), range(12)))
    [member] = store.panels.of(grace)
    assert sorted(member.ticks["q06"]) == sorted(f"line-{line}" for line in range(12))


def test_only_finished_interviews_of_all_people_are_told_of(store: Store, grace: Interview) -> None:
    bob = store.profiles.create("Bob").id
    other = store.interviews.begin(bob, "Alan", 20, ("q01",))
    for interview in (grace, other):
        store.interviews.add(interview, "shown", interview.questions[0])
        store.interviews.add(interview, "note", interview.questions[0], {"text": "private"})
    store.interviews.finish(other, "finished")
    [(interview, events)] = store.panels.finished(("shown", "ticked"))
    assert interview.id == other.id and [event.kind for event in events] == ["shown"]


def test_a_panel_travels_with_its_interview_without_links(
    store: Store, grace: Interview, barbara: Member
) -> None:
    store.panels.tick(barbara, "q06", "bytes", on=True)
    store.panels.hand_in(barbara)
    data = store.transfer.export(grace.profile)
    assert barbara.link and barbara.link not in data
    bob = store.profiles.create("Bob").id
    for _ in range(2):
        store.transfer.import_into(bob, data)
    [led] = store.interviews.of(bob)
    [member] = store.panels.of(led)
    assert (member.name, member.ticks, member.link) == ("Barbara", {"q06": ("bytes",)}, None)
    assert member.handed is not None


def test_a_file_from_before_there_were_panels_comes_in_and_a_broken_panel_does_not(
    store: Store, grace: Interview, barbara: Member
) -> None:
    content = json.loads(store.transfer.export(grace.profile))
    bob = store.profiles.create("Bob").id
    broken = json.loads(json.dumps(content))
    broken["interviews"][0]["panel"] *= 2
    for wrong in (broken, json.loads(json.dumps(content).replace('"ticks": {}', '"ticks": {"q06": 3}', 1))):
        with pytest.raises(StoreError, match="nothing was imported"):
            store.transfer.import_into(bob, json.dumps(wrong))
    del content["interviews"][0]["panel"]
    store.transfer.import_into(bob, json.dumps(content | {"version": 2}))
    [led] = store.interviews.of(bob)
    assert store.panels.of(led) == ()
