"""Speculation: the rules' laws, rounds against a plain reading, and yield over cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q08_speedup import speculative
from labs.q08_speedup.draft_rules import (
    CRITICAL,
    RULES,
    accept,
    chi_square,
    exact_draws,
    excess,
    speedup,
    tokens_per_round,
)
from labs.q08_speedup.speculation import Reader, passes, probabilities, rounds
from labs.q08_speedup.speculative import SpeculativeParams, laws
from labs.tools.budgets import PerDevice
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import OneLab, Run, Show
from tests.labs.q08_speedup.conftest import lively


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speculative, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        return run("speculative", rounds=12, draft_length=3)


@pytest.mark.parametrize("rule", RULES)
def test_only_one_rule_emits_the_law_of_the_target(rule: str) -> None:
    """Six seeds: a true law would stay below the critical value in all of them but for one in 170 times."""
    found = [laws(seed)["statistic"][rule] for seed in range(6)]
    assert (max(found) < CRITICAL) if rule == "exact" else (min(found) > 2 * CRITICAL)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=4, max_size=4), st.lists(st.integers(1, 9), min_size=4, max_size=4)
)
def test_what_a_rejection_draws_from_was_not_overrated(target: list[int], draft: list[int]) -> None:
    p, q = (np.array(weights) / sum(weights) for weights in (target, draft))
    if np.allclose(p, q):
        return
    beyond = excess(p, q)
    assert beyond.sum() == pytest.approx(1) and not beyond[p <= q].any()
    kept = np.minimum(p, q)
    assert np.allclose(kept + (1 - kept.sum()) * beyond, p), "kept and drawn again make the target"


def test_the_loop_and_the_draws_are_one_rule() -> None:
    random = np.random.default_rng(1)
    p, q = np.array([[0.5, 0.3, 0.2]] * 3), np.array([[0.2, 0.3, 0.5]] * 2)
    first, lengths, many = np.zeros(3, int), [], 4000
    for _ in range(many):
        emitted = accept(p, q, random.choice(3, 2, p=q[0]).tolist(), random)
        first[emitted[0]] += 1
        lengths.append(len(emitted))
    assert chi_square(first, p[0]) < CRITICAL
    assert chi_square(np.bincount(exact_draws(p[0], q[0], many, random), minlength=3), p[0]) < CRITICAL
    assert np.mean(lengths) == pytest.approx(tokens_per_round(0.7, 2), abs=0.05)


def test_yield_and_speedup() -> None:
    assert tokens_per_round(0.7, 5) == pytest.approx((1 - 0.7**6) / (1 - 0.7))
    assert tokens_per_round(0, 5) == 1 and tokens_per_round(1, 5) == 6
    assert speedup(0.7, 5, 0.2, 1.5) == pytest.approx(tokens_per_round(0.7, 5) / 2.5)


def test_a_reader_that_forgot_reads_as_if_it_had_never_known() -> None:
    model = untrained(TINY, "cpu").eval()
    with torch.inference_mode():
        reader = Reader(model, 16)
        reader.logits([5, 6, 7, 8, 9])
        reader.forget(3)
        again = reader.logits([5, 6, 7, 20, 21])
        assert torch.allclose(again, model(torch.tensor([[5, 6, 7, 20, 21]]))[0, 3:], atol=1e-5)


@torch.inference_mode()
def test_greedy_rounds_are_the_greedy_text() -> None:
    """At temperature 0 the rounds put together are plain decoding, whatever the draft."""
    target, draft = lively(0), lively(1)
    emitted = [token for one in rounds(target, draft, [5, 6], 299, 3, 4, 0.0, 0) for token in one]
    assert len(set(emitted)) > 2, "a text that stands still shows nothing"
    ids = [5, 6]
    for token in emitted:
        assert int(target(torch.tensor([ids]))[0, -1].argmax()) == token
        ids.append(token)
    alike = list(rounds(target, target, [5, 6], 299, 3, 4, 0.0, 0))
    assert [len(one) for one in alike] == [4] * 4, "a draft that is the target is kept whole"


@torch.inference_mode()
def test_after_the_end_a_text_begins_anew() -> None:
    model = untrained(TINY, "cpu").eval()
    first = next(iter(rounds(model, model, [5, 6], 299, 3, 1, 0.0, 0)))
    every = list(rounds(model, model, [5, 6], first[-1], 3, 3, 0.0, 0))
    assert every == [first] * 3


def test_probabilities_add_up_and_zero_is_greedy() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert probabilities(logits, 0.0).tolist() == [[0, 1, 0]]
    assert probabilities(logits, 2.0)[0] == pytest.approx((logits[0] / 2).softmax(-1).numpy())


def test_passes_read_the_last_tokens_of_a_full_cache() -> None:
    model, draft = untrained(TINY, "cpu").eval(), untrained(TINY.replace(num_layers=1), "cpu").eval()
    ways = passes(model, draft, 3, 12)
    assert list(ways) == ["plain", "draft", "verify"]
    assert ways["verify"]().shape == (1, 4)  # type: ignore[attr-defined]


def test_counts_by_place(result: dict[str, Any], show: Show) -> None:
    tried, kept = result["tried"], result["kept"]
    assert len(tried) == len(kept) == 3 and tried[0] == 12
    assert tried[1] == pytest.approx(tried[0] * kept[0]) and tried[2] == pytest.approx(tried[1] * kept[1])
    accepted = sum(many * share for many, share in zip(tried, kept, strict=True))
    assert result["tokens_per_round"] == pytest.approx(1 + accepted / 12)
    assert result["measured_acceptance"] == pytest.approx(accepted / sum(tried))
    shown = show("speculative", result)
    assert list(shown.figures) == ["yield", "speedup", "kept", "law"]
    assert shown.sentence is not None and shown.sentence["measured"] == result["tokens_per_round"]


def test_the_formula_is_drawn_before_any_run(show: Show) -> None:
    formula = speculative.Speculative().formula(SpeculativeParams(acceptance=0.7, draft_length=5))
    assert formula["formula"]["tokens_per_round"] == pytest.approx(2.94117)
    shown = show("speculative", formula)
    assert shown.figures["yield"].data[0]["y"][4] == formula["formula"]["tokens_per_round"]


def test_bad_settings_are_one_sentence(lab: OneLab) -> None:
    assert lab.refused("speculative", draft_length=17) == speculative.SENTENCE
    other = OneLab("q08", "random:byte-128").refused("speculative")
    assert other.startswith("Draft and target must share one tokenizer: 6,400 against ")
