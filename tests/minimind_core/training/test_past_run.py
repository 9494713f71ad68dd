"""What is left of a training is looked through: spikes, NaN and spoilt moments, in states and in logs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minimind_core.__main__ import main
from minimind_core.training.past_run import look_back
from tests.minimind_core.checkpoint_samples import save_tiny, sentence
from tests.minimind_core.training.test_whole_steps import MATRIX, poison
from tests.minimind_core.training_run import SHORT, fresh_trainer

CONFIG = dataclasses.replace(SHORT, dtype="fp16")


def log(folder: Path, losses: list[float], **more: Any) -> Path:
    path = folder / "run.jsonl"
    path.write_text("".join(json.dumps({"loss": loss, **more}) + "\n" for loss in losses))
    return path


def state(folder: Path, change: Callable[[dict[str, Any]], object] = lambda state: None) -> Path:
    """Of a run of three updates, the last of which had no finite gradient."""
    trainer = fresh_trainer(CONFIG)
    list(trainer.steps(until=2))
    stop = poison(trainer, MATRIX, [math.inf, 0.0])
    list(trainer.steps(until=3))
    stop()
    trainer.save(folder / "run.state.pt")
    kept = torch.load(folder / "run.state.pt", weights_only=True)
    change(kept)
    torch.save(kept, folder / "run.state.pt")
    return folder / "run.state.pt"


def test_a_calm_log_is_calm_and_a_spike_and_a_nan_are_named_by_step(tmp_path: Path) -> None:
    calm = [3 + 0.01 * math.sin(step) for step in range(60)]
    assert [told[0] for told in look_back(log(tmp_path, calm))] == ["ok"]
    [(how, said)] = look_back(log(tmp_path, [*calm[:40], 9.5, *calm[40:]]))
    assert how == "note" and "spiked at step 41 (9.5)" in said
    [(how, said)] = look_back(log(tmp_path, [*calm, math.nan, *calm]))
    assert how == "note" and "not finite at step 61 (nan)" in said
    [(how, said)] = look_back(log(tmp_path, [*calm, *[math.inf] * 9]))
    assert how == "mend" and "and 4 more" in said


def test_a_step_that_is_told_is_the_step(tmp_path: Path) -> None:
    path = log(tmp_path, [math.nan], step=700)
    path.write_text('{"epoch": 1}\nno JSON\n[]\n' + path.read_text())
    [(_, said)] = look_back(path)
    assert "step 700" in said


def test_a_state_whose_moments_are_spoilt_is_to_be_mended(tmp_path: Path) -> None:
    told = list(look_back(state(tmp_path)))
    assert [how for how, _ in told] == ["ok", "ok", "note"]
    assert "the last updates were skipped (1 in a row)" in told[2][1]

    def spoil(kept: dict[str, Any]) -> None:
        kept["optimizers"][0]["state"][1]["exp_avg"][0] = math.nan

    told = list(look_back(state(tmp_path, spoil)))
    assert told[1][0] == "mend" and "first exp_avg of weight 1, which the optimizer keeps" in told[1][1]

    def spoil_weight(kept: dict[str, Any]) -> None:
        kept["model"]["model.norm.weight"][0] = math.inf

    assert "first model.norm.weight" in list(look_back(state(tmp_path, spoil_weight)))[1][1]


def test_a_loss_scale_that_ran_away_is_noted(tmp_path: Path) -> None:
    def fall(kept: dict[str, Any]) -> None:
        kept["records"][-1] = (*kept["records"][-1][:4], 2.0**-20, *kept["records"][-1][5:])

    assert "loss scale has fallen to 9.53674e-07" in list(look_back(state(tmp_path, fall)))[-1][1]


@pytest.mark.parametrize("key", ["records", "model", "optimizers"])
def test_a_state_that_lacks_a_part_is_one_sentence(tmp_path: Path, key: str) -> None:
    path = state(tmp_path, lambda kept: kept.pop(key))
    assert "is not a whole training state" in sentence(lambda: list(look_back(path)))


@pytest.mark.parametrize(
    "content",
    ["", "[1]", '{"loss": "3"}', '{"loss": 1' + "0" * 400 + "}", '{"loss": 1, "step": NaN}', "\xff"],
)
def test_a_log_without_losses_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.jsonl").write_bytes(content.encode("latin-1"))
    assert "run.jsonl" in sentence(lambda: list(look_back(tmp_path / "run.jsonl")))


def test_the_doctor_looks_back_at_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny(tmp_path / "tiny")
    runs = [state(tmp_path), tmp_path / "none.state.pt"]
    assert main(["doctor", "--json", "--model", str(tmp_path / "tiny"), "--run", *map(str, runs)]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    found = [(one["state"], one["sentence"]) for one in findings if one["area"] == "run"]
    assert [how for how, _ in found] == ["ok", "ok", "note", "mend"]
    assert found[-1][1] == f"There is no {runs[1]}; check the name."
