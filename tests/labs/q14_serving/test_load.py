"""The engine itself: its steps timed, the same arrivals replayed and served, both clients heard."""

from __future__ import annotations

from typing import Any

import pytest

from labs.q14_serving.calibration import GREEDY, FullBatch, prompt, replay
from labs.q14_serving.load import LoadParams
from labs.tools.models import TINY, untrained
from minimind_core.decoding.engine import Engine
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import REGISTRY, OneLab

SMALL: dict[str, Any] = {"seconds": 2, "tokens": 2, "rate": 3.0}


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return untrained(TINY, "cpu").eval()


@pytest.fixture(scope="module")
def result(lab: OneLab) -> dict[str, Any]:
    return lab.result("load", **SMALL)


def test_every_row_of_a_full_batch_always_runs(model: MiniMind) -> None:
    full = FullBatch(model, 3)
    full.fill()
    for _ in range(5):
        full.step()
        assert full.engine.stats().batch_size == 3 == full.running


def test_a_replay_is_the_engine_with_another_clock(model: MiniMind) -> None:
    due = [0.0, 0.0, 10_000.0]
    ends = replay(model, 2, due, 4, lambda _share: None)
    assert all(end > at for end, at in zip(ends, due, strict=True))
    assert ends[0] == ends[1] < ends[2]
    engine = Engine(model, num_slots=2, max_length=512)
    for number in range(2):
        engine.submit(prompt(number), GREEDY, max_new_tokens=4, stop_ids=())
    assert len(engine.run_until_idle()) == 8


def test_all_requests_come_back_and_are_drawn(result: dict[str, Any], lab: OneLab) -> None:
    for client in ("open", "closed", "simulated", "replayed"):
        assert result[client]["answered"] == result[client]["sent"] > 0
    assert result["open"]["sent"] == result["simulated"]["sent"] == result["replayed"]["sent"]
    assert result["closed"]["p50"] >= 320 and result["closed"]["rate"] <= result["formula_rate"]
    assert result["alpha"] >= 0 and result["beta"] >= 0 and result["model_error"] > 0
    shown = lab.show("load", result)
    assert shown.sentence == {
        "said": 100.0,
        "formula": pytest.approx(3.0303, rel=1e-4),
        "measured": result["closed"]["rate"],
        "unit": "requests/s",
    }
    roles = [trace["meta"]["role"] for trace in shown.figures["latency"].data]
    assert roles == ["formula", "peer", "said", "measured", "peer"] and len(shown.rows) == 4


def test_it_draws_itself_while_it_runs(lab: OneLab, result: dict[str, Any]) -> None:
    job, params = lab.done("load", **SMALL), LoadParams(**SMALL)
    experiment = REGISTRY.find("q14/load")
    first = experiment.so_far(params, job.partials[:2])
    assert first is not None and "closed" in first and "open" not in first
    assert lab.show("load", first).figures
    whole = experiment.so_far(params, job.partials)
    assert whole is not None and whole["open"]["sent"] == result["open"]["sent"]


def test_the_calibrated_line_is_the_fit_of_what_was_timed(lab: OneLab) -> None:
    result = lab.result("calibrate", max_batch=4)
    assert result["batches"] == [1, 2, 4] and min(result["step_milliseconds"]) > 0
    assert result["alpha"] >= 0 and result["beta"] >= 0 and result["r2"] <= 1
    step = result["alpha"] + 8 * result["beta"]
    assert result["requests_per_second"][1] == pytest.approx(1000 * 8 / (50 * step))


def test_nothing_is_said_or_drawn_beyond_what_was_timed(lab: OneLab) -> None:
    result = lab.result("calibrate", max_batch=4)
    drawn = lab.show("calibrate", result)
    assert drawn.sentence is None and not any("numbers above" in note for note in drawn.notes)
    (table,) = (line for line in drawn.figures["step"].data if line["meta"]["role"] == "said")
    assert table["x"] == [1, 32]
    (here,) = (bar for bar in drawn.figures["rate"].data if bar["meta"]["role"] == "measured")
    assert here["x"] == ["1"] and here["y"] == [pytest.approx(1000 / (50 * result["step_milliseconds"][0]))]
    quick = {**result, "goal_rows": 4095}
    assert "With all 4 rows that were timed" in " ".join(lab.show("calibrate", quick).notes)
    some = {**result, "goal_rows": 3}
    assert "Up to 3 rows" in " ".join(lab.show("calibrate", some).notes)


def test_the_table_is_compared_at_the_same_number_of_tokens(lab: OneLab) -> None:
    made = {**lab.result("calibrate", max_batch=4), "tokens": 25}
    made |= {"batches": [32], "step_milliseconds": [10.0], "spread": [{"low": 9.0, "high": 11.0}]}
    made |= {"tokens_per_second": [3200.0]}
    sentence = lab.show("calibrate", made).sentence
    assert sentence is not None and sentence["said"] == 100 and sentence["measured"] == pytest.approx(128)
