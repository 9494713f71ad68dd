"""Texts in company: batches are filled up, and the repair leaves every bit as it is alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q08_speedup import company as in_company
from labs.q08_speedup.company import in_fixed_order, texts
from labs.q08_speedup.invariance import company
from labs.tools.models import TINY, untrained
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


def test_batches_are_filled_up_to_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def greedy(model: object, prompts: list[Any], batch: int, *rest: object) -> list[Any]:
        assert len(prompts) % batch == 0
        seen.append(len(prompts))
        return [[prompt[0]] for prompt in prompts]

    monkeypatch.setattr(in_company, "greedy", greedy)
    model: Any = None
    assert texts(model, [[4], [5], [6]], 8, 1, silent) == [[4], [5], [6]]
    assert texts(model, [[4], [5]], 1, 1, silent) == [[4], [5]]
    assert seen == [8, 2]


def test_a_text_counts_as_changed_from_its_first_other_token_on() -> None:
    told = company("float32", 8, False, [None, 2, 0, None], 4)
    assert (told["changed"], told["share"], told["first"]) == (2, 50.0, 1)
    assert told["equal"] == [75.0, 75.0, 50.0, 50.0]
    assert company("float32", 8, True, [None], 2)["first"] is None


def test_every_batch_is_compared_in_every_dtype_and_the_repair_changes_nothing(
    result: dict[str, Any],
) -> None:
    runs = {(run["dtype"], run["batch"], run["fixed"]): run for run in result["runs"]}
    assert runs.keys() == {
        (dtype, *way) for dtype in ("float32", "bfloat16") for way in ((8, False), (32, False), (8, True))
    }
    assert result["prompts"] == 3 and all(len(run["equal"]) == 4 for run in runs.values())
    assert result["repaired"] == 0
    assert result["share"] == {d: runs[d, 32, False]["share"] for d in ("float32", "bfloat16")}


def test_the_bars_are_the_shares(result: dict[str, Any]) -> None:
    drawn = shown("q08/invariance", result).figures["share"].data[0]
    assert list(drawn["x"]) == [run["share"] for run in result["runs"]]
