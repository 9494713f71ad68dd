"""Models that learn to look facts up: their task, what each way to read can see, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labs.q04_long_text import recall, recall_sizes
from labs.q04_long_text.recall_rows import ASK, FACT, VALUE, VOCABULARY, Rows, rows
from labs.q04_long_text.recall_scores import by_bin, farthest
from labs.q04_long_text.recall_sizes import ARMS, CHANCE, KEYS, reach_back
from labs.q04_long_text.recall_training import (
    Plan,
    ask,
    fresh_levels,
    fresh_model,
    hierarchy,
    reader,
    train,
    with_yarn,
)
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import shown

LENGTH = 32


def some_rows(length: int = LENGTH, seed: int = 0) -> Rows:
    return rows(torch.Generator().manual_seed(seed), 4, length)


def test_every_question_is_answered_by_the_fact_at_its_place() -> None:
    batch = some_rows()
    facts = batch.text.gather(1, batch.places) - FACT
    assert torch.equal(facts // KEYS, batch.asks - ASK)
    assert torch.equal(facts % KEYS, batch.values - VALUE)
    assert all(sorted(values) == list(range(VALUE, VALUE + KEYS)) for values in batch.values.tolist())
    asked_at = torch.arange(LENGTH, LENGTH + KEYS)
    assert torch.equal(batch.ids.gather(1, asked_at - batch.back), batch.text.gather(1, batch.places))


@pytest.mark.parametrize("window", [2, 5])
def test_a_token_beyond_the_reach_changes_no_answer_and_one_within_it_does(window: int) -> None:
    batch, answer = some_rows(), reader(fresh_model(LENGTH, "cpu", 0), window)
    first = LENGTH  # of the questions
    with torch.no_grad():
        plain = answer(batch).values[:, 0]
        for back, arrives in ((reach_back(window), True), (reach_back(window) + 1, False)):
            text = batch.text.clone()
            text[:, first - back] = (text[:, first - back] + 1) % VOCABULARY
            assert torch.equal(answer(batch._replace(text=text)).values[:, 0], plain) != arrives


def test_chunks_in_another_order_give_the_same_answers_and_move_the_finger() -> None:
    batch, answer = some_rows(), hierarchy(fresh_levels(LENGTH, "cpu", 0))
    swapped = batch.text.view(4, recall_sizes.CHUNKS, -1)[:, [2, 1, 0, 3]].flatten(1)
    with torch.no_grad():
        plain, moved = answer(batch), answer(batch._replace(text=swapped))
    assert plain.chunks is not None and moved.chunks is not None
    torch.testing.assert_close(moved.values, plain.values)
    torch.testing.assert_close(moved.chunks, plain.chunks[..., [2, 1, 0, 3]])
    assert not torch.allclose(plain.chunks, moved.chunks)


def test_yarn_has_tables_and_weights_of_its_own() -> None:
    model, batch = fresh_model(LENGTH, "cpu", 0), some_rows()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stretched = with_yarn(model, 4.0)
    with torch.no_grad():
        plain = reader(model)(batch).values
        torch.testing.assert_close(reader(with_yarn(model, 1.0))(batch).values, plain)
        assert not torch.allclose(reader(stretched)(batch).values, plain)
    for _ in train(stretched, reader(stretched), Plan(1, 1e-2, 4, LENGTH), 0, "cpu"):
        pass
    assert not torch.equal(stretched.head_weight, model.head_weight)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def curve(seed: int) -> list[float]:
    model = fresh_model(LENGTH, "cpu", seed)
    return [float(nats) for _, nats, _ in train(model, reader(model), Plan(3, 3e-3, 4, LENGTH), seed, "cpu")]


def test_one_seed_has_one_curve() -> None:
    assert curve(3) == curve(3) != curve(4)


def test_texts_are_short_in_the_first_half_of_the_training() -> None:
    assert [Plan(4, 1.0, 1, 64).length_at(step) for step in range(4)] == [16, 16, 64, 64]
    assert Plan(4, 1.0, 1, 64, short_first=False).length_at(0) == 64


def test_a_model_learns_to_recall_and_a_fresh_one_guesses() -> None:
    model = fresh_model(16, "cpu", 0)
    before = ask(reader(model), 16, 256, 9, "cpu", lambda: None)
    for _ in train(model, reader(model), Plan(150, 3e-3, 32, 16, short_first=False), 0, "cpu"):
        pass
    after = ask(reader(model), 16, 256, 9, "cpu", lambda: None)
    assert len(after.hits) == 256 and after.chunks is None
    assert float(before.hits.float().mean()) < 0.35 and float(after.hits.float().mean()) > 0.9
    assert torch.equal(before.back, after.back)  # the same texts


def test_a_mean_is_taken_of_what_was_asked_and_how_far_it_goes() -> None:
    hits, bins = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 2, 7])
    np.testing.assert_array_equal(by_bin(hits, bins, 3), np.array([50, np.nan, 100], np.float32))
    found = np.array([100, 60, 50, 100], np.float32)
    assert farthest(found, 64) == 32  # the third bin is below half of what lies above chance
    assert farthest(np.full(4, 99, np.float32), 64) == 64
    assert farthest(np.full(4, CHANCE, np.float32), 64) == 0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TRAINED": LENGTH, "TIMES": (1, 2), "SEEDS": 2, "QUESTIONS": 16}.items():
        monkeypatch.setattr(recall, name, PerDevice(cpu=value, cuda=value))
    for name in ("ROWS", "TUNED_ROWS"):
        monkeypatch.setattr(recall_sizes, name, PerDevice(cpu=1, cuda=1))


@pytest.mark.usefixtures("small")
def test_a_run_tells_of_every_arm_and_owns_up_to_what_was_not_learned(
    result: Callable[..., dict[str, Any]],
) -> None:
    read = result("recall", steps=50)
    assert read["arms"].keys() == ARMS.keys() and read["seeds"] == 2
    assert read["curves"].keys() == set(recall_sizes.LEARNING)
    for arm, found in read["arms"].items():
        assert found["map"].shape == (recall_sizes.DEPTHS, 2) and found["learned"] == 0
        assert found["low"] <= read["longest"][arm] <= found["high"]
        assert len(found["chunks"]) == (2 if arm == "hierarchy" else 0)
    drawn = shown("q04/recall", read)
    assert sum(note.startswith("Not learned") for note in drawn.notes) == len(recall_sizes.LEARNING)
    assert drawn.sentence is not None and drawn.sentence["formula"] == reach_back(LENGTH // 4)
    learned = {arm: {**found, "learned": 2} for arm, found in read["arms"].items()}
    notes = shown("q04/recall", {**read, "arms": learned}).notes
    assert not any(note.startswith(("Not learned", "Diverged")) for note in notes)
    read["curves"]["window"]["nats"][-1] = np.nan
    assert any(note.startswith("Diverged: window") for note in shown("q04/recall", read).notes)


@pytest.mark.usefixtures("small")
def test_the_wall_stands_where_facts_get_out_of_reach(result: Callable[..., dict[str, Any]]) -> None:
    read = result("recall", steps=50)
    wall = next(
        trace for trace in shown("q04/recall", read).figures["map"].data if trace["type"] == "scatter"
    )
    assert wall["y"] == [100 * (1 - reach_back(8) / 32), 100 * (1 - reach_back(8) / 64)]
    other = shown("q04/recall", {**read, "view": {"arm": "full"}}).figures["map"].data
    assert [trace["type"] for trace in other] == ["heatmap"]
