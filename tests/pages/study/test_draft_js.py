"""The answer's field in the browser (draft.js), run by node with a small document and a clock of its own.

What goes through a real Chromium stands in tests/browser; here is what needs many states of storage.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pages.addresses import APP

HARNESS = Path(__file__).with_name("draft_harness.mjs")
MODULE = APP.parent / "pages" / "ui" / "study" / "draft.js"
Step = tuple[str, Any]
Seen = dict[str, Any]
AWAY: Step = ("draw", {"known": False})


def node() -> str:
    """The node of this machine, else the one that playwright brings."""
    if own := shutil.which("node"):
        return own
    driver = pytest.importorskip("playwright._impl._driver")
    return str(driver.compute_driver_executable()[0])


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file under a name that every node takes for a module."""
    copy = tmp_path_factory.mktemp("draft") / "draft.mjs"
    shutil.copy(MODULE, copy)
    return copy


def play(
    module: Path, *scenarios: tuple[dict[str, Any], list[Step]], blocked: bool = False
) -> list[list[Seen]]:
    """What the field shows and sends after each step of each scenario, which begins with a storage of JSON
    data (or of text that is none, as it is)."""
    given = [
        {
            "storage": {
                name: kept if isinstance(kept, str) else json.dumps(kept) for name, kept in storage.items()
            },
            "blocked": blocked,
            "steps": steps,
        }
        for storage, steps in scenarios
    ]
    done = subprocess.run(
        [node(), str(HARNESS), str(module)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    seen: list[list[Seen]] = json.loads(done.stdout)
    return seen


def run(
    module: Path, *steps: Step, storage: dict[str, Any] | None = None, blocked: bool = False
) -> list[Seen]:
    """One scenario."""
    return play(module, (storage or {}, list(steps)), blocked=blocked)[0]


def store(text: str = "", revision: int = 0, profile: str = "ada", **more: Any) -> Step:
    """A page drawn with what the store has."""
    data = {"known": True, "text": text, "revision": revision, "profile": profile, "round": 0, "seconds": 0}
    return ("draw", data | more)


def held(text: str, revision: int) -> dict[str, Any]:
    """What the browser keeps of a saved text of Ada's."""
    return {"text": text, "revision": revision, "base": revision, "profile": "ada"}


def texts(seen: Seen) -> list[str]:
    return [message["text"] for message in seen["sent"] if "text" in message]


def test_a_failed_read_leaves_the_field_and_the_text_is_sent_when_the_store_is_back(module: Path) -> None:
    first, away, typed, waiting, back, saved = run(
        module,
        store("An answer", 9),
        AWAY,
        ("type", "An answer, and more"),
        ("pass", 10_000),
        store("An answer", 9),
        store("An answer, and more", 10),
    )
    assert first["state"] == "saved" and away["text"] == "An answer" and away["state"] == "saving"
    assert typed["state"] == "saving" and typed["storage"]["s"]["text"] == "An answer, and more"
    assert waiting["state"] == "waiting" and len(texts(waiting)) >= 3, "it is sent again and again"
    assert back["text"] == "An answer, and more" and saved["state"] == "saved" and not texts(saved)


def test_who_types_without_a_pause_is_at_most_a_second_ahead_of_the_server(module: Path) -> None:
    """Whatever the server says in the meantime; a server that is killed then has all but that second."""
    steps, words = [store()], [f"{'x' * count}" for count in range(1, 61)]
    for count, text in enumerate(words, 1):
        steps += [("type", text), ("pass", 100)]
        if count % 7 == 0:
            steps.append(store(text[: count - 3], count - 3))  # it has heard of a text of before
    sent = [len(text) for seen in run(module, *steps) for text in texts(seen)]
    ahead = [after - before for before, after in itertools.pairwise([0, *sent])]
    assert max(ahead) <= 11 and sent == sorted(sent), "a key each tenth of a second"
    assert 5 <= len(sent) <= 9, "and hardly more often"


def test_a_page_opened_while_the_store_is_away_shows_what_the_browser_holds(module: Path) -> None:
    opened, asked, back = run(module, AWAY, ("pass", 7_000), store("mine", 3), storage={"s": held("mine", 3)})
    assert (opened["text"], opened["state"]) == ("mine", "saving")
    assert asked["sent"] and not texts(asked), "it asks, and sends nothing that was saved"
    assert (back["text"], back["state"], back["offer"]) == ("mine", "saved", None)


def test_what_was_sent_in_vain_is_kept_beside_a_newer_text_from_elsewhere(module: Path) -> None:
    *_, back = run(module, AWAY, ("type", "abc"), ("pass", 1_000), store("a long text from elsewhere", 50))
    assert texts(back) == ["abc"] and back["text"] == "a long text from elsewhere"


def test_a_database_that_began_anew_under_an_open_page_gets_the_text_again(module: Path) -> None:
    _, anew, sent, saved = run(
        module, store("an hour", 90), store(profile="eve"), ("pass", 500), store("an hour", 91, "eve")
    )
    assert anew["text"] == "an hour" and anew["state"] == "saving"
    assert [(message["text"], message["base"]) for message in sent["sent"]] == [("an hour", 0)]
    assert saved["state"] == "saved" and saved["storage"]["s"]["profile"] == "eve" and saved["offer"] is None


@pytest.mark.parametrize("before", [[], [AWAY, ("pass", 4_000)]], ids=["at once", "after a failed read"])
def test_what_an_older_life_left_in_the_browser_is_offered_and_goes_in_when_asked(
    module: Path, before: list[Step]
) -> None:
    *_, opened, typed, used, sent = run(
        module,
        *before,
        store(profile="eve"),
        ("type", "new"),
        ("press", ".use"),
        ("pass", 500),
        storage={"s": held("an hour of writing", 90)},
    )
    assert opened["text"] == "" and opened["offer"] == "an hour of writing" and not texts(opened)
    assert typed["storage"]["s.offer"]["text"] == "an hour of writing", "typing does not write over it"
    assert used["text"] == "new\n\nan hour of writing" and used["offer"] is None
    assert texts(sent) == ["new\n\nan hour of writing"] and "s.offer" not in sent["storage"]


def test_an_offer_stays_until_it_is_discarded_and_a_second_joins_it(module: Path) -> None:
    [opened] = run(
        module,
        store("other", 2, "eve"),
        storage={"s": held("second", 5), "s.offer": {"text": "first", "profile": "x"}},
    )
    assert opened["offer"] == "first\n\nsecond" and opened["text"] == "other"
    *_, dropped = run(module, store(profile="eve"), ("press", ".drop"), storage=opened["storage"])
    assert dropped["offer"] is None and "s.offer" not in dropped["storage"]


def test_nothing_is_offered_that_the_store_has(module: Path) -> None:
    [opened] = run(module, store("all of it, and more", 2, "eve"), storage={"s": held("all of it", 90)})
    assert opened["offer"] is None and opened["text"] == "all of it, and more"


def test_an_unsent_text_under_the_name_of_older_versions_is_found(module: Path) -> None:
    old = {"text": "typed before the update", "revision": 7, "base": 5}
    _, sent = run(module, store("typed", 5, former="old"), ("pass", 500), storage={"old": old})
    assert texts(sent) == ["typed before the update"]


def test_a_text_typed_before_the_store_said_whose_page_it_is_is_offered_on_theirs(module: Path) -> None:
    *_, other = run(module, AWAY, ("type", "whose?"), store("Ada's", 4, storage="t"))
    assert other["text"] == "Ada's" and other["offer"] == "whose?"
    *_, typed = run(module, AWAY, store("Ada's", 4, storage="t"), ("type", "Ada's own"), ("pass", 500))
    assert texts(typed) == ["Ada's own"] and typed["storage"].get("s") is None


BROKEN = ["{", "null", "5", [], {"text": 5, "revision": 1, "base": 1}, {"text": 5}]
BROKEN += [
    {"text": "x", "revision": revision, "base": base}
    for revision, base in [("9", 1), (1e300, 1), (-1, 1), (1.5, 1), (None, 1), (9, [])]
]


def test_whatever_lies_in_the_browser_the_field_works(module: Path) -> None:
    steps = [store("kept", 3), ("type", "kept on"), ("pass", 500)]
    scenarios = [({"s": broken, "s.offer": broken, "s.clock": broken}, steps) for broken in BROKEN]
    for broken, (_, typed, sent) in zip(BROKEN, play(module, *scenarios), strict=True):
        assert typed["text"] == "kept on" and [each["revision"] for each in sent["sent"]] == [4], broken


def test_a_revision_at_the_end_of_its_type_can_be_counted_on(module: Path) -> None:
    steps = [store("mine", 2**51), ("type", "mine!"), ("pass", 500)]
    for _, _, sent in play(module, *(({"s": held("mine", end)}, steps) for end in (2**53 - 1, 2**52 + 1))):
        assert [each["revision"] for each in sent["sent"]] == [2**51 + 1]


def test_the_clock_stops_once_the_answer_is_fixed_and_begins_anew_with_the_next_attempt(module: Path) -> None:
    typed = [store(), ("type", "a"), ("pass", 65_000)]
    fixed = [store("a", 1, over=True), ("pass", 60_000), ("type", "ab"), ("pass", 60_000)]
    *_, running, stopped, later, on, still = run(module, *typed, *fixed)
    assert "1:05" in running["clock"]
    assert stopped["sent"][-1]["seconds"] == 65, "the store knows when it stopped"
    assert all("1:05" in seen["clock"] for seen in (stopped, later, on, still))
    paused = [("press", ".clock"), ("pass", 60_000), store("a", 1, over=True)]
    *_, stopped = run(module, *typed, *paused)
    assert stopped["sent"][-1]["seconds"] == 65, "a clock that was paused has its time to say too"
    *_, again = run(module, *typed, *fixed, store("", 9, round=1), ("type", "b"), ("pass", 3_000))
    assert "0:03" in again["clock"]


def test_a_clock_that_says_nonsense_stays_a_clock(module: Path) -> None:
    steps = [store("a", 1), ("type", "b"), ("pass", 500)]
    nonsense: list[Any] = [1e300, "x", None, -5, []]
    clocks = [{"round": 0, "seconds": seconds} for seconds in nonsense]
    for opened, _, sent in play(module, *(({"s.clock": clock}, steps) for clock in clocks)):
        assert "NaN" not in opened["clock"] and len(opened["clock"]) < 30
        assert 0 <= sent["sent"][0]["seconds"] <= 100 * 86_400


def test_a_browser_that_keeps_nothing_is_no_obstacle(module: Path) -> None:
    _, typed, sent = run(module, store(), ("type", "text"), ("pass", 500), blocked=True)
    assert typed["text"] == "text" and texts(sent) == ["text"]


def test_in_a_mock_interview_the_clock_runs_unasked_and_is_sent_without_a_word(module: Path) -> None:
    exam = {"before": 100}
    words = {"clock": "{own} of {all}", "saved": "", "saving": "", "waiting": "", "empty": ""}
    opened, early, told, pressed, back = run(
        module,
        store(seconds=20, exam=exam, words=words),
        ("pass", 9_000),
        ("pass", 10_000),
        ("press", ".clock"),
        store(seconds=20, exam=exam, words=words),
    )
    assert opened["clock"] == "0:20 of 2:00"
    assert early["clock"] == "0:29 of 2:09" and early["sent"] == [21]
    assert told["clock"] == "0:39 of 2:19" and told["sent"] == [36]
    assert pressed["clock"] == back["clock"] == "0:39 of 2:19", "nobody pauses it, and it never goes back"
    assert told["storage"]["s.clock"]["seconds"] == 39
