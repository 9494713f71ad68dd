"""Texts in company: batches are filled up, and the repair leaves every bit as it is alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q08_speedup.batch_steps import greedy
from labs.q08_speedup.company import Alone, alone, in_fixed_order, together
from labs.q08_speedup.invariance import company
from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab, shown


def silent(done: float) -> None:
    assert 0 <= done <= 1


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return OneLab("q08", "random:byte-128", once=True).result("invariance", prompts=3, tokens=4)


@torch.inference_mode()
def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    model = untrained(TINY, "cpu").eval()
    ids = torch.randint(TINY.vocab_size, (7, 9))
    fixed = in_fixed_order(model)
    together = fixed(ids)
    for row in range(7):
        assert torch.equal(together[row : row + 1], model(ids[row : row + 1]))
    assert torch.allclose(together, model(ids), atol=1e-5)
    assert "lm_head.weight" not in model.state_dict(), "the model itself stays as it was"


PROMPTS = [[4, 9, 2], [7, 7, 1], [3, 8, 5]]


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return untrained(TINY, "cpu").eval()


def test_texts_alone_are_what_the_decoder_writes(model: MiniMind) -> None:
    written = alone(model, PROMPTS, 5, silent)
    assert written.ids.tolist() == greedy(model, PROMPTS, 1, 5, silent)
    assert torch.equal(written.logits.argmax(-1), written.ids)


@pytest.mark.parametrize("batch", [2, 8])
def test_in_company_the_same_texts_are_compared_token_by_token(model: MiniMind, batch: int) -> None:
    written = alone(model, PROMPTS, 5, silent)
    told = together(model, PROMPTS, batch, written, silent)
    assert told.places == [None] * 3 and told.gap < 1e-5
    assert together(in_fixed_order(model), PROMPTS, batch, written, silent).gap == 0

    other = Alone(written.ids.clone(), written.logits.clone())
    other.ids[1, 2] += 1
    other.logits[2, 4, 6] += 0.5
    told = together(model, PROMPTS, batch, other, silent)
    assert told.places[0] is None and told.places[1] == 2 and told.places[2] is None
    assert told.gap > 0.4


def test_a_text_counts_as_changed_from_its_first_other_token_on() -> None:
    told = company("float32", 8, False, [None, 2, 0, None], 4, 0.0)
    assert (told["changed"], told["share"], told["first"]) == (2, 50.0, 1)
    assert told["equal"] == [75.0, 75.0, 50.0, 50.0]
    assert company("float32", 8, True, [None], 2, 0.0)["first"] is None


def test_every_batch_is_compared_in_every_dtype_and_the_repair_changes_nothing(
    result: dict[str, Any],
) -> None:
    runs = {(run["dtype"], run["batch"], run["fixed"]): run for run in result["runs"]}
    assert runs.keys() == {
        (dtype, *way) for dtype in ("float32", "bfloat16") for way in ((8, False), (32, False), (8, True))
    }
    assert result["prompts"] == 3 and all(len(run["equal"]) == 4 for run in runs.values())
    assert result["repaired"] == 0 and all(run["gap"] == 0 for run in runs.values() if run["fixed"])
    assert result["share"] == {d: runs[d, 32, False]["share"] for d in ("float32", "bfloat16")}


def test_the_bars_are_the_shares(result: dict[str, Any]) -> None:
    drawn = shown("q08/invariance", result).figures["share"].data[0]
    assert list(drawn["x"]) == [run["share"] for run in result["runs"]]


@pytest.mark.parametrize(
    ("gap", "changed", "said"),
    [(0.0, 0, "not one bit"), (2e-6, 0, "luck"), (0.03, 1, "1 of 3 texts changed")],
)
def test_a_note_says_whether_bits_moved_and_whether_a_text_changed(
    result: dict[str, Any], gap: float, changed: int, said: str
) -> None:
    runs = [run if run["fixed"] else run | {"gap": gap, "changed": changed} for run in result["runs"]]
    assert said in shown("q08/invariance", result | {"runs": runs}).notes[1]
