"""What a run of the real service comes to, from what it told: worked out by hand, no process."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labs.q14_serving.live import Live, LiveParams
from labs.q14_serving.live_breaks import BREAKS, setups
from labs.q14_serving.live_seen import LiveResult
from tests.labs.one_lab import REGISTRY, OneLab

PLAN = {
    "slots": 2,
    "queue": 2,
    "closed": False,
    "rate": 2.0,
    "goal": 1000.0,
    "seconds": 4.0,
    "away": 0.0,
    "planned": 4,
    "capacity": 1.0,
}
REQUESTS = [
    {"due": 0.0, "gone": 0.0, "first": 0.2, "end": 0.4, "kind": "answered", "degraded": True},
    {"due": 1.0, "gone": 1.5, "first": 1.7, "end": 2.5, "kind": "answered", "degraded": False},
    {"due": 2.0, "gone": 2.0, "first": None, "end": 2.1001, "kind": "rejected", "degraded": False},
    {"due": 3.0, "gone": 3.0, "first": 3.1, "end": 3.3, "kind": "http 504", "degraded": False},
]
LOOKS = [
    {"second": 0.1, "waiting": 0, "running": 1, "breaker": "closed"},
    {"second": 2.0, "waiting": 2, "running": None, "breaker": "open"},
]


def told(name: str = "sound", **plan: Any) -> list[dict[str, Any]]:
    """The words of one service, in two pieces."""
    happened = [{"second": 0.5, "what": "hang"}]
    return [
        {"service": name, "plan": {**PLAN, **plan}},
        {"service": name, "requests": REQUESTS[:1], "looks": LOOKS[:1], "happened": []},
        {"service": name, "requests": REQUESTS[1:], "looks": LOOKS[1:], "happened": happened},
    ]


def result(*partials: dict[str, Any], fault: str = "none") -> LiveResult:
    made = Live().so_far(LiveParams(fault=fault), list(partials))
    assert made is not None
    return Live().complete(LiveParams(fault=fault, at=2.05), made)


def test_an_open_client_counts_from_when_a_request_was_due() -> None:
    outcome = result(*told())["services"]["sound"]["outcome"]
    assert (outcome["sent"], outcome["answered"], outcome["refused"], outcome["failed"]) == (4, 2, 1, 1)
    assert outcome["p50"] == pytest.approx(400) and outcome["p95"] == outcome["p99"] == pytest.approx(1500)
    assert outcome["in_time_percent"] == 25 and outcome["goodput"] == 0.25 and outcome["rate"] == 1.0
    assert outcome["first_p95"] == pytest.approx(700) and outcome["refusal"] == pytest.approx(200.05)
    assert outcome["recovery"] == pytest.approx(2.0) and outcome["longest_queue"] == 2
    assert outcome["mean_running"] == 1.0 and outcome["degraded"] == 1


def test_a_closed_client_counts_from_when_it_sent() -> None:
    outcome = result(*told(closed=True))["services"]["sound"]["outcome"]
    assert outcome["p95"] == pytest.approx(1000) and outcome["due_p95"] == pytest.approx(1500)
    assert outcome["in_time_percent"] == 50


def test_capacity_over_rate_less_the_time_away_is_the_formula() -> None:
    assert result(*told())["services"]["sound"]["by_hand"] == 50
    assert result(*told(capacity=9.0))["services"]["sound"]["by_hand"] == 100
    assert result(*told(capacity=9.0, away=0.25))["services"]["sound"]["by_hand"] == 75


def test_the_goal_is_that_of_the_sound_service() -> None:
    made = result(*told(goal=300.0), *told("broken", goal=300.0), fault="breaker_off")
    assert made["goal"] == 300 and made["services"]["sound"]["outcome"]["in_time_percent"] == 0


def test_a_request_has_the_mark_of_what_became_of_it(lab: OneLab) -> None:
    data = lab.show("live", result(*told())).figures["latency"].data
    marks = {trace["marker"]["symbol"]: len(trace["x"]) for trace in data if trace.get("mode") == "markers"}
    assert marks == {"circle": 1, "diamond-open": 1, "x": 2}


def test_each_second_has_its_percentiles_its_first_token_and_its_refusals(lab: OneLab) -> None:
    """The two answers ended at 0.4 and 2.5 s, after 400 and 1500 ms; the refusal at 2.1 s."""
    figures = lab.show("live", result(*told())).figures
    times = figures["tails"].data[0]["x"]
    at = {time: place for place, time in enumerate(times)}
    lines = {trace["name"]: trace["y"] for trace in figures["tails"].data}
    percentiles = [lab.text(f"live.{key}") for key in ("p50", "p95", "p99")]
    assert list(lines) == [*percentiles, lab.text("live.first_p95")]
    for name, early, late in zip(lines, [400] * 3 + [200], [1500] * 3 + [700], strict=True):
        assert lines[name][at[0.5]] == pytest.approx(early) and lines[name][at[2.75]] == pytest.approx(late)
        assert lines[name][at[1.75]] is None
    *_, refused = figures["rates"].data
    assert refused["name"] == "sound, told no"
    assert [refused["y"][at[time]] for time in (2.0, 2.25, 3.25)] == [0, 1, 0]
    both = lab.show("live", result(*told(), *told("broken"), fault="slow_worker")).figures["tails"].data
    assert len(both) == 4 and {trace["meta"]["role"] for trace in both} == {"said"}


def test_a_crowd_that_the_machine_can_bear_is_said_to_be_none() -> None:
    from labs.contract.registry import words_of

    text = words_of("q14", REGISTRY.strings("en"))
    crowd = [*told(), *told("broken")]
    calm = [*told(capacity=9.0), *told("broken", capacity=9.0)]
    said = [
        any("not full" in note for note in Live().show(result(*some, fault="unbounded_queue"), text).notes)
        for some in (crowd, calm)
    ]
    assert said == [False, True]


def test_nothing_is_drawn_before_something_came_back() -> None:
    assert Live().so_far(LiveParams(), []) is None
    assert Live().so_far(LiveParams(), told()[:1]) is None


def test_the_stations_light_up_with_who_is_there(lab: OneLab) -> None:
    made = result(*told())
    assert made["view"]["services"]["sound"] == {
        "in_flight": 2,
        "waiting": 2,
        "running": None,
        "breaker": "open",
    }
    data = lab.show("live", made).figures["path"].data
    roles = [trace["meta"]["role"] for trace in data if trace.get("mode") == "markers"]
    assert roles == ["measured", "said", "said", "said"]  # two in flight; full; open; no answer
    assert {"2 in flight", "2 wait", "open", "no answer"} <= {
        word for trace in data if trace.get("mode") == "text" for word in trace["text"]
    }


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_break_says_what_broke_and_what_repairs_it(fault: str, language: str) -> None:
    from labs.contract.registry import words_of

    text = words_of("q14", REGISTRY.strings(language))
    made = result(*told(), *told("broken", closed=True), fault=fault)
    shown = Live().show(made, text)
    assert [row[text("live.service")] for row in shown.rows] == [text("live.sound"), text("live.broken")]
    note = shown.notes[0]
    assert "repair" in note.lower() if language == "en" else "修法" in note
    assert not re.search(r"\d\.\d{3}", note), note
    half = Live().show(result(*told(), fault=fault), text)
    assert half.notes[0] == text("live.waiting_for_broken")


def test_a_break_changes_one_thing() -> None:
    for fault in BREAKS:
        services = setups(fault, 4)
        changed = [
            name for name, value in vars(services["sound"]).items() if vars(services["broken"])[name] != value
        ]
        assert len(changed) == 1, fault
    assert list(setups("none", 4)) == ["sound"]


def test_nobody_answers_while_the_worker_hangs_unless_a_smaller_model_may() -> None:
    sound, broken = setups("breaker_off", 4).values()
    deadline = sound.deadline(capacity=2.0)
    assert deadline == broken.deadline(capacity=2.0) == pytest.approx(2.5)  # two and a half times 2 slots / 2
    assert sound.deadline(1000.0) == 1.0 and sound.deadline(0.01) == 10.0
    assert sound.away(20.0, deadline) == 0
    assert broken.away(20.0, deadline) == pytest.approx(0.8 - 0.2 - 2.5 / 20)
    assert setups("slow_worker", 4)["broken"].away(20.0, 10.0) == 0


def test_a_slow_machine_gets_a_run_long_enough_to_show_its_break() -> None:
    broken = setups("breaker_off", 4)["broken"]
    assert broken.lasts(5.0, start=10.0, rate=1.0) == 40 and broken.lasts(5.0, start=10.0, rate=30.0) == 12
    assert broken.lasts(5.0, start=10.0, rate=0.2) == 60
