"""Finding labs and their experiments."""

from __future__ import annotations

import pytest

from labs.contract.registry import Registry
from minimind_core.errors import ConfigError

REGISTRY = Registry.discover()


def test_the_first_of_a_question_is_its_primary() -> None:
    assert REGISTRY.find("q13") is REGISTRY.find("q13/next_token") is REGISTRY.of_question("q13")[0]
    assert REGISTRY.of_question("q99") == []


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no experiment 'q13/nxt_token'; did you mean 'q13/next_token'"):
        REGISTRY.find("q13/nxt_token")


def test_the_questions_come_first_in_the_order_of_their_numbers() -> None:
    labs = list(dict.fromkeys(experiment.lab for experiment in REGISTRY))
    questions = [lab for lab in labs if lab[1:].isdigit()]
    assert questions == sorted(questions) and labs[: len(questions)] == questions
    assert {"playground", "evidence"} <= set(labs) - set(questions)
    assert [experiment.lab for experiment in REGISTRY.of_questions()] == [
        experiment.lab for experiment in REGISTRY if experiment.lab in questions
    ]


def test_two_experiments_cannot_share_an_id() -> None:
    with pytest.raises(AssertionError, match="two labs have one name"):
        Registry(["tests.labs.q00_specimens"] * 2)


def test_a_lab_has_its_own_words_before_the_shared_ones() -> None:
    words = REGISTRY.strings("en")
    assert (words["playground.temperature"], words["q13.temperature"]) == (
        "Temperature (0 = greedy)",
        "Temperature",
    )
    assert words["playground.progress.writing"] == words["q13.progress.writing"] == "Writing"
    assert words["q13.grid.samples"] == "Texts a cell" and words["q13.grid.samples.0"] == "auto"
