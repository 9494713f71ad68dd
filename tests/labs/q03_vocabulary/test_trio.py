"""Three vocabularies trained alike: each byte of the text counts once, and all spend the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from labs.q03_vocabulary import claims, rules, same_text, trio
from labs.q03_vocabulary.plans import PLANS
from labs.q03_vocabulary.rules import KNOWN, Rules, RulesParams, fitted
from labs.tools.budgets import PerDevice
from minimind_core.tokenizer import load_tokenizer
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig
from tests.labs.one_lab import OneLab, Run, Show

PIECES = ["def one():\n    return 1\n", "A vocabulary of six thousand entries. ", "词表变大，句子变短。"]
TINY = replace(PLANS.cpu, rows=2, length=16, warmup=2, flops=6e8, characters=20_000, scored=500)


@pytest.fixture(scope="module")
def source() -> same_text.Stream:
    return same_text.stream(load_tokenizer("1k"), PIECES, TINY, lambda _share: None)


def test_every_byte_of_the_text_is_read_once_a_pass(source: same_text.Stream) -> None:
    whole = sum(len(piece.encode()) for piece in PIECES)
    assert source.bytes_after[-1] == whole
    steps = 3 * len(source.ids)  # a multiple of all ids, whatever the batch
    assert source.bytes_read(steps) == whole * steps * 32 // len(source.ids)
    for wanted in (1, 10, whole, whole + 1, 5 * whole):
        fewest = source.steps_for(wanted)
        assert source.bytes_read(fewest) >= wanted > source.bytes_read(fewest - 1)


def test_rows_follow_each_other_and_begin_again(source: same_text.Stream) -> None:
    ids = torch.cat([source.batch(step).inputs.flatten() for step in range(4)])
    assert ids.tolist() == (source.ids.tolist() * 4)[:128]
    batch = source.batch(1)
    assert torch.equal(batch.inputs.flatten()[1:], batch.targets.flatten()[:-1])


def test_bits_a_byte_are_those_of_a_uniform_guess_at_first() -> None:
    text, tokenizer = "".join(PIECES), load_tokenizer("1k")
    trainer = Trainer(
        same_text.untrained(TINY.config(1024), "cpu"),
        same_text.stream(tokenizer, PIECES, TINY, lambda _share: None),
        TrainingConfig(steps=1, batch_size=2, seq_len=16, warmup_steps=1),
    )
    for weight in trainer.model.parameters():
        torch.nn.init.zeros_(weight)
    score = same_text.scored(trainer, tokenizer, text, 16)
    count, size = len(tokenizer.encode(text)), len(text.encode())
    assert (score.tokens, score.bytes) == (count, size)
    assert score.bits_per_byte == pytest.approx(math.log2(1024) * count / size, rel=1e-5)


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio, "PLANS", PerDevice(cpu=TINY, cuda=TINY))
        return run("trio", seeds=2)


def test_all_spend_the_same_and_are_compared_at_one_text(result: dict[str, Any], show: Show) -> None:
    assert list(result["curves"]) == ["small", "ours", "32k"]
    for name, by_seed in result["curves"].items():
        entries, last = trio.ENTRIES[name], [curve[-1] for curve in by_seed]
        assert len(by_seed) == 2 and last[0]["bits"] != last[1]["bits"], "a seed decides the first weights"
        off = TINY.step_flops(entries) / 2
        assert all(abs(1e9 * reading["gflop"] - TINY.flops) <= max(off, 1e9 * 0.3) for reading in last)
        assert result["equal_flops"]["mean"][name] == pytest.approx(sum(one["bits"] for one in last) / 2)
    read = [by_seed[0][-1]["bytes"] for by_seed in result["curves"].values()]
    assert read[0] > read[1] > read[2] == result["text"], "the dearest reads least"
    assert result["equal_text"]["mean"]["32k"] == result["equal_flops"]["mean"]["32k"]
    shown = show("trio", result)
    assert len(shown.rows) == 3 and {"flops", "text"} == set(shown.figures)


@pytest.mark.parametrize(("best", "change"), [("32k", "change"), ("ours", "change_less")])
@pytest.mark.parametrize("seeds", [1, 2])
def test_what_would_change_it_follows_who_is_ahead(
    best: str, change: str, seeds: int, result: dict[str, Any]
) -> None:
    other = {**result, "seeds": seeds, "equal_flops": {**result["equal_flops"], "best": best}}
    notes = trio.Trio().show(other, lambda key, **values: key).notes  # type: ignore[arg-type]
    assert notes[-1] == f"trio.{change}" and ("trio.one_seed" in notes) == (seeds == 1)


def test_an_unfinished_run_is_drawn(result: dict[str, Any], show: Show) -> None:
    first = {"curves": {"small": [result["curves"]["small"][0][:1]]}, "budget": 1.0}
    assert show("trio", first).figures["flops"].data and not show("trio", first).rows


def test_the_rules_are_those_of_the_claims(show: Show) -> None:
    experiment, params = Rules(), RulesParams()
    view = experiment.view(params, experiment.formula(params))
    claimed, law = claims.square_root_rule(), claims.vocabulary_law()
    assert (round(view["product"]), round(view["root"])) == (claimed["product"], claimed["root"])
    assert [100 * round(view[name] / 100) for name in ("low", "fitted", "high")] == [
        pytest.approx(law[name], abs=100) for name in ("from", "about", "to")
    ]
    shown = show("rules", experiment.complete(params, experiment.formula(params)))
    assert len(shown.rows) == 1 + len(KNOWN) and "509,902" in shown.notes[0]


def test_the_law_grows_more_slowly_than_the_model_and_finds_the_papers_figures() -> None:
    assert fitted(33e6, 512) == 6144
    assert fitted(66e6, 512) / fitted(33e6, 512) == pytest.approx(2**rules.EXPONENT)
    assert 212_000 < fitted(70e9, 8192) < 232_000  # "at least 216K", Tao et al. 2024, abstract
    assert KNOWN["LLaMA-7B"]["others"] + 2 * 32_000 * 4096 == pytest.approx(6.738e9, rel=1e-3)


def test_a_vocabulary_larger_than_the_model_is_one_sentence(lab: OneLab) -> None:
    assert lab.refused("rules", millions=3.0) == (
        "The vocabulary alone would have 3.3 million parameters; raise the model's parameters, or lower "
        "entries or hidden size."
    )
