"""Speculation: the rules' laws, rounds against a plain reading, and yield over cost."""

from __future__ import annotations

from collections.abc import Callable
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
    speedups,
    tokens_per_round,
)
from labs.q08_speedup.drafters import Drafter, ModelDraft, PastDraft, found_before
from labs.q08_speedup.rule_laws import laws, typical_law
from labs.q08_speedup.speculation import passes, rounds
from labs.q08_speedup.speculative import SpeculativeParams, count_kept
from labs.q08_speedup.text_readers import Reader, probabilities
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


def test_typical_acceptance_keeps_more_and_is_seen_by_a_chi_square() -> None:
    """What it emits by arithmetic: all typical drafts as drafted, and the target's law for the others."""
    p, q = np.array(laws(0)["target"]), np.array([0.15, 0.30, 0.20, 0.05, 0.10, 0.10, 0.05, 0.05])
    for seed in range(6):
        law = typical_law(0.09, seed)
        assert law["statistic"] > 2 * CRITICAL and law["kept"] > law["possible"] == pytest.approx(0.7)
        likely = p > law["threshold"]
        expected = q * likely + (1 - law["kept"]) * p
        assert law["shares"] == pytest.approx(expected, abs=0.02) and law["kept"] == q[likely].sum()
    assert typical_law(0.0, 0)["kept"] == 1, "all is typical: the draft speaks for itself"
    assert typical_law(1.0, 0)["threshold"] == pytest.approx(np.exp((p * np.log(p)).sum()))


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
    assert (p * q).sum() <= kept.sum() <= 1, "an equal sample is rarer than what the exact rule keeps"
    assert np.allclose(kept + (1 - kept.sum()) * beyond, p), "kept and drawn again make the target"


def test_many_draws_by_the_exact_rule_are_the_target_s() -> None:
    p, q = np.array(laws(0)["target"]), np.full(8, 1 / 8)
    shares = np.bincount(exact_draws(p, q, 200_000, np.random.default_rng(3)), minlength=8) / 200_000
    assert np.abs(shares - p).sum() / 2 < 0.01
    assert accept(p[None], np.empty((0, 8)), [], np.random.default_rng(0)) in [[token] for token in range(8)]


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
    assert tokens_per_round(0, 5) == tokens_per_round(0.7, 0) == 1 and tokens_per_round(1, 5) == 6
    assert speedups(0.7, 0.2, 1.5, 5, 7)[4] == pytest.approx(speedup(0.7, 5, 0.2, 1.5))
    assert speedup(0.7, 5, 0.2, 1.5) == pytest.approx(tokens_per_round(0.7, 5) / 2.5)


def test_a_reader_that_forgot_reads_as_if_it_had_never_known() -> None:
    model = untrained(TINY, "cpu").eval()
    with torch.inference_mode():
        reader = Reader(model, 16)
        reader.logits([5, 6, 7, 8, 9])
        reader.forget(3)
        again = reader.logits([5, 6, 7, 20, 21])
        assert torch.allclose(again, model(torch.tensor([[5, 6, 7, 20, 21]]))[0, 3:], atol=1e-5)


@pytest.mark.parametrize(
    "drafter",
    [lambda: ModelDraft(lively(1), 64, 0.0), lambda: PastDraft(lively(0).config.vocab_size)],
    ids=["model", "past"],
)
@torch.inference_mode()
def test_greedy_rounds_are_the_greedy_text(drafter: Callable[[], Drafter]) -> None:
    """At temperature 0 the rounds put together are plain decoding, whatever the draft."""
    target = lively(0)
    emitted = [token for one in rounds(target, drafter(), [5, 6], 299, 3, 8, 0.0, 0) for token in one.emitted]
    assert len(set(emitted)) > 2, "a text that stands still shows nothing"
    ids = [5, 6]
    for token in emitted:
        assert int(target(torch.tensor([ids]))[0, -1].argmax()) == token
        ids.append(token)
    alike = rounds(target, ModelDraft(target, 64, 0.0), [5, 6], 299, 3, 4, 0.0, 0)
    assert [len(one.emitted) for one in alike] == [4] * 4, "a draft that is the target is kept whole"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=24), st.integers(1, 5))
def test_what_is_found_followed_the_newest_tokens_before(tokens: list[int], length: int) -> None:
    found = found_before(tokens, length)
    newest, earlier = tokens[-1], tokens[:-1]
    assert bool(found) == (newest in earlier) and len(found) <= length
    if found:
        after = [
            tokens[place + 1 : place + 1 + length] for place in range(len(earlier)) if tokens[place] == newest
        ]
        assert found in after


def test_a_draft_that_is_sure_is_kept_as_often_as_the_target_says() -> None:
    random, many = np.random.default_rng(2), 4000
    target, drafter, first = np.array([[0.5, 0.3, 0.2]] * 2), PastDraft(3), np.zeros(3, int)
    for _ in range(many):
        drafted, laws = drafter.draft([1, 2, 1], 1, random)
        assert drafted == [2] and laws.tolist() == [[0, 0, 1]]
        first[accept(target, laws, drafted, random)[0]] += 1
    assert chi_square(first, target[0]) < CRITICAL
    drafted, laws = drafter.draft([0, 1, 2], 4, random)
    assert drafted == [] and laws.shape == (0, 3)
    assert len(accept(target[:1], laws, drafted, random)) == 1, "without a draft a round is a plain step"


def test_a_place_is_tried_only_where_something_was_drafted() -> None:
    counted = count_kept([(3, 4), (3, 2), (1, 2), (1, 1), (0, 1)], 3)
    assert counted["tried"] == [4, 2, 1] and counted["kept"] == [0.75, 0.5, 1.0]
    assert counted["measured_acceptance"] == pytest.approx(5 / 7)
    assert counted["drafted"] == [1, 2, 0, 2] and counted["tokens_per_round"] == 2
    assert count_kept([(0, 1)], 2)["measured_acceptance"] == 0


@torch.inference_mode()
def test_after_the_end_a_text_begins_anew() -> None:
    model = untrained(TINY, "cpu").eval()
    first = next(iter(rounds(model, ModelDraft(model, 32, 0.0), [5, 6], 299, 3, 1, 0.0, 0)))
    every = list(rounds(model, ModelDraft(model, 32, 0.0), [5, 6], first.emitted[-1], 3, 3, 0.0, 0))
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


def test_the_text_so_far_drafts_without_a_model(
    run: Run, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speculative, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
    result = run("speculative", rounds=30, draft_length=2, draft="past", temperature=0.0, prompt="ababab")
    drafted = result["drafted"]
    assert sum(drafted) == 30 and len(drafted) == 3 and result["tried"][0] == 30 - drafted[0]
    shown = show("speculative", result)
    assert f"before in {100 - 100 * drafted[0] / 30:.0f}% of the rounds" in shown.notes[1]
    rate = result["measured_acceptance"]
    assert shown.sentence is not None and shown.sentence["formula"] == pytest.approx(
        sum(many * tokens_per_round(rate, length) for length, many in enumerate(drafted)) / 30
    )


def test_the_formula_is_drawn_before_any_run(show: Show) -> None:
    formula = speculative.Speculative().formula(SpeculativeParams(acceptance=0.7, draft_length=5))
    assert formula["formula"]["tokens_per_round"] == pytest.approx(2.94117)
    shown = show("speculative", formula)
    assert shown.figures["yield"].data[0]["y"][4] == formula["formula"]["tokens_per_round"]


def test_bad_settings_are_one_sentence(lab: OneLab) -> None:
    assert lab.refused("speculative", draft_length=17) == speculative.SENTENCE
    other = OneLab("q08", "random:byte-128").refused("speculative")
    assert other.startswith("Draft and target must share one tokenizer: 6,400 against ")
