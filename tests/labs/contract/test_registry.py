"""Finding experiments, their keys, the code behind them and the command that repeats them."""

from __future__ import annotations

import shlex

import pytest

from labs.__main__ import main
from labs.contract.registry import Registry
from minimind_core.errors import ConfigError

REGISTRY = Registry.discover()
SPECIMENS = Registry(["tests.labs.specimens"])


def test_the_first_of_a_question_is_its_primary() -> None:
    assert REGISTRY.find("q13") is REGISTRY.find("q13/next_token") is REGISTRY.of_question("q13")[0]
    assert REGISTRY.of_question("q99") == []


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no experiment 'q13/nxt_token'; did you mean 'q13/next_token'"):
        REGISTRY.find("q13/nxt_token")


def test_keys_tell_apart_what_differs_and_nothing_else() -> None:
    wait = SPECIMENS.find("q00/wait")
    params = wait.params.from_dict({"seconds": 1})
    same = wait.params.from_dict({"seconds": 1.0, "shown": 5})
    other = wait.params.from_dict({"seconds": 2})
    assert wait.key(params) == wait.key(same) != wait.key(other)
    assert wait.key(params, device="a") != wait.key(params, device="b")
    assert SPECIMENS.find("q00/kept").key(params) != wait.key(params)


def test_the_command_repeats_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    experiment = REGISTRY.find("q13")
    params = experiment.params.from_dict({"prompt": "it's a 'test' 今天", "temperature": 0.7, "top_k": 5})
    words = shlex.split(experiment.command(params, device="cpu", dtype="bf16", model="random:byte-128"))
    assert words[:3] == ["python", "-m", "labs"]
    assert main(words[3:]) == 0
    assert experiment.id in capsys.readouterr().out
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    assert experiment.params.from_dict(settings) == params
