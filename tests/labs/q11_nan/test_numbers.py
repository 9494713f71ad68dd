"""First losses, the rules of alarm, rates, costs and the checklist, against independent counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q11_nan.checklist import texts_in
from labs.q11_nan.first_loss import STDS, tied, untied
from labs.q11_nan.monitor import MonitorParams
from tests.labs.one_lab import REGISTRY, OneLab, Run
from tests.labs.q11_nan.conftest import SOME_RATES


def test_a_plateau_is_a_coin_toss_and_only_the_robust_rule_hears_nan(result: Run) -> None:
    told = result("monitor", seed=3)
    formula = REGISTRY.find("q11/monitor").formula(MonitorParams())
    assert formula is not None
    assert told["plateau_percent"] == pytest.approx(formula["plateau_percent"], abs=4)
    assert told["falling_percent"] == pytest.approx(formula["falling_percent"], abs=4)
    assert told["alarms"]["maximum"] == {"flat": 0, "falling": 0, "spike": 100, "nan": 0}
    assert told["alarms"]["robust"] == {"flat": 0, "falling": 0, "spike": 1, "nan": 1500}
    assert told["delay"]["robust"] == {"spike": 0, "nan": 0} and told["delay"]["maximum"]["nan"] == -1


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 2))
def test_the_formulas_of_the_first_loss_are_at_least_a_uniform_guess(std: float) -> None:
    assert tied(std) >= untied(std) >= math.log(6400)


def test_the_first_loss_of_the_formula_is_that_of_random_logits() -> None:
    """V normal logits of deviation σ√C, by simulation; beyond the freezing the formula is an upper bound."""
    random = np.random.default_rng(0)
    for std in STDS.values():
        logits = random.normal(size=(40, 6400)) * std * math.sqrt(512)
        largest = logits.max(1, keepdims=True)
        simulated = float((largest[:, 0] + np.log(np.exp(logits - largest).sum(1))).mean())
        assert simulated == pytest.approx(untied(std), rel=0.12)


def test_any_spread_is_drawn_at_once_and_measured_on_demand(lab: OneLab, result: Run) -> None:
    experiment = REGISTRY.find("q11/first_loss")
    for std in (0.01, 0.05, 0.3, 2.0):
        params = experiment.params(std=std)
        drawn = lab.show("first_loss", experiment.complete(params, experiment.formula(params)))
        assert {trace["meta"]["role"] for trace in drawn.figures["losses"].data} == {"formula", "peer"}
        assert (
            f"a tied head has {tied(std):.2f} nats at σ = {std:g}" in drawn.notes[0]
            and drawn.sentence is None
        )
    told = result("first_loss", std=0.05)
    assert told["std"] == 0.05 and set(told["tied"]) == {*STDS, "chosen"}
    assert told["tied"]["std_0_02"] < told["tied"]["chosen"] < told["tied"]["std_0_1"]
    drawn = lab.show("first_loss", told)
    assert drawn.sentence is not None and drawn.sentence["measured"] == told["tied"]["chosen"]
    assert drawn.sentence["formula"] == tied(0.05)
    assert [row["σ of the embedding"] for row in drawn.rows] == [0.02, 0.05, 0.1, 0.3, 1.0]


def test_a_spread_of_the_four_is_measured_by_every_run(lab: OneLab, result: Run) -> None:
    usual, chosen = result("first_loss"), result("first_loss", std=0.3)
    assert chosen == usual | {"std": 0.3} and set(usual["tied"]) == set(STDS)
    for told, name in ((usual, "std_1"), (chosen, "std_0_3")):
        sentence = lab.show("first_loss", told).sentence
        assert sentence is not None and sentence["measured"] == told["tied"][name]


def test_a_sweep_keeps_order(result: Run) -> None:
    told = result("rates", steps=10)
    for arm, largest in told["largest_finite_rate"].items():
        bad = told["first_bad_step"][arm]
        assert largest in SOME_RATES and (bad[: SOME_RATES.index(largest) + 1] == -1).all()
        assert told["best_rate"][arm] in SOME_RATES
    assert told["largest_finite_rate"]["sgd"] <= told["largest_finite_rate"]["sgd_clipped"]
    assert told["largest_finite_rate"]["adamw_fp16"] <= told["largest_finite_rate"]["adamw"]


def test_looking_takes_no_less_than_not_looking(result: Run) -> None:
    told = result("cost", rows="1")
    assert set(told["slowdown"]) == {"loss", "deferred", "hooks", "anomaly"} and told["tensors"] > 300
    assert told["slowdown"]["anomaly"] > 0.8


# --- the checklist ---


def test_the_checklist_reads_ones_own_settings_and_lines(lab: OneLab, result: Run) -> None:
    told = result(
        "checklist", settings='{"model": {"num_layers": 1}}', lines='{"text": "a tale"}\nanother\n\n'
    )
    by_name = {item["name"]: item for item in told["items"]}
    assert len(by_name) == 10 and by_name["empty"]["values"] == {"empty": 1, "count": 3}
    assert len(lab.show("checklist", told).rows) == 10


@pytest.mark.parametrize(
    ("settings", "lines", "said"),
    [
        ("{", "a text", "The settings are no JSON from line 1, column 2"),
        ('{"training": {"learning_rate": -1}}', "a text", "learning_rate must be at least"),
        ("{}", "", "There is no text to look at"),
        ("[1, 2]", "a text", "settings must be a JSON object, not [1, 2]"),
        ('"a"', "a text", 'settings must be a JSON object, not "a"'),
        ("{}", '{"txt": "a"}', "Line 1 is no JSON object with a"),
        ('{"model": {"vocab_size": 10}}', "a text", "set vocab_size"),
    ],
)
def test_bad_input_is_one_sentence(lab: OneLab, settings: str, lines: str, said: str) -> None:
    assert said in lab.refused("checklist", settings=settings, lines=lines)


def test_any_text_is_a_text() -> None:
    assert texts_in('{"text": "x"} {"text": "y"}') == ["x", "y"]
    strange = "😀\u0000\u202e 天气 abc"
    assert texts_in(f'{{"text": "x"}}\n{strange}\n{{"text": null}}') == ["x", strange, ""]


def test_alarms_are_counted_from_the_event_on_and_beside_a_plateau(lab: OneLab, result: Run) -> None:
    nervous = result("monitor", threshold=2.0)
    assert nervous["alarms"]["robust"]["nan"] > nervous["since"]["robust"]["nan"] == 1500
    since = nervous["since"]["robust"]
    (note,) = (note for note in lab.show("monitor", nervous).notes if note.startswith("From the spike"))
    assert f"the robust one {since['spike']}; on as many steps of a plateau 0 and {since['flat']}" in note
    assert since["spike"] < nervous["alarms"]["robust"]["spike"]
