"""The content asks the labs for what they can give: experiments, their parameters, their results."""

from __future__ import annotations

import pytest

from labs.claims.checks import value_at
from labs.contract.registry import Registry
from labs.runner.inline import InlineClient
from minimind_core.errors import ConfigError
from questions import Prediction, load_questions

REGISTRY = Registry.discover()
PREDICTIONS = [prediction for question in load_questions() for prediction in question.predictions]
QUICK_SECONDS = 2.0


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: prediction.id)
def test_a_prediction_is_answered_by_its_experiment(prediction: Prediction) -> None:
    try:
        experiment = REGISTRY.find(prediction.experiment)
    except ConfigError:
        pytest.skip(f"{prediction.experiment} is still to come")
    params = experiment.params.from_dict(prediction.params)
    if experiment.seconds(params, "cpu") > QUICK_SECONDS:
        pytest.skip("too slow for this test; `labs verify --full` runs it")
    job = InlineClient.start("cpu").submit(experiment.id, params)
    assert job.result is not None, job.error
    measured = value_at(experiment.complete(params, job.result), prediction.measures)
    if prediction.kind == "choice":
        assert measured in {choice.id for choice in prediction.choices}
    else:
        assert isinstance(float(measured), float)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: prediction.id)
def test_a_formula_answers_at_the_path_that_is_measured(prediction: Prediction) -> None:
    """Where the lab has a formula for the very number: else *the formula says …* would silently go."""
    if prediction.experiment not in REGISTRY:
        pytest.skip(f"{prediction.experiment} is still to come")
    experiment = REGISTRY.find(prediction.experiment)
    formula = experiment.formula(experiment.params.from_dict(prediction.params))
    answered = {"speedup-at-batch-one", "cache-size", "finished-turns", "last-safe-tokens", "skipped-steps"}
    answered |= {"tokens-per-round"}
    if prediction.id in answered:
        assert formula is not None and float(value_at(formula, prediction.measures)) > 0
