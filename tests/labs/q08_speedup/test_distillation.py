"""Drafts that are trained: what they begin with, what they learn from, and what their acceptance says."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch

from labs.q08_speedup import distillation
from labs.q08_speedup.distillation import SAME, TEACHERS, TEXT, Distillation, DistillationParams, shapes_of
from labs.q08_speedup.draft_rules import accept, speedup
from labs.q08_speedup.draft_training import (
    Arm,
    Teacher,
    acceptances,
    fresh_arms,
    fresh_draft,
    train,
    written_by,
)
from labs.tools.budgets import PerDevice
from labs.tools.models import TINY, copied
from minimind_core.model.cost import num_parameters
from tests.labs.one_lab import OneLab, Show
from tests.labs.q08_speedup.conftest import lively

STEPS = 16


@pytest.fixture(scope="module")
def result(lab: OneLab) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        return lab.result("distillation", steps=STEPS)


def test_narrow_layers_have_as_many_weights_as_the_wide_one(result: dict[str, Any]) -> None:
    costs = result["costs"]
    assert costs["narrow_4"]["weights"] == pytest.approx(costs[SAME]["weights"], rel=0.01)
    assert costs["narrow_4"]["layers"] == 4 * costs[SAME]["layers"]
    assert costs[SAME]["median"] < costs["wide_2"]["median"] < 1 and costs[TEXT] == costs[SAME]
    assert costs[SAME]["median"] < costs["narrow_4"]["median"]


def test_a_wide_draft_has_the_target_s_embedding_and_a_narrow_one_what_is_closest_to_it() -> None:
    target = lively(0)
    table = target.model.embed_tokens.weight.detach()
    wide, narrow = (
        fresh_draft(target, shape, 0).model.embed_tokens.weight.detach()
        for shape in (TINY.replace(num_layers=1), TINY.replace(num_layers=3, hidden_size=32))
    )
    assert torch.equal(wide, table) and wide.data_ptr() != table.data_ptr()
    assert narrow.shape == (TINY.vocab_size, 32)
    left = torch.linalg.matrix_norm(table @ table.T - narrow @ narrow.T, 2)
    assert left == pytest.approx(float(torch.linalg.svdvals(table)[32]) ** 2, rel=1e-3), (
        "no rank comes closer"
    )


def test_equal_shapes_begin_alike() -> None:
    arms = fresh_arms(lively(0), shapes_of(TINY), TEACHERS, 3)
    same, text = (arms[name].model.state_dict() for name in (SAME, TEXT))
    assert all(torch.equal(same[name], text[name]) for name in same)
    assert {name: arm.teacher for name, arm in arms.items()} == TEACHERS


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_acceptance_is_how_often_the_exact_rule_keeps_a_draft(temperature: float) -> None:
    """Drafts drawn at the very places, kept or not by the rule itself."""
    target, draft = lively(0), lively(1)
    written = written_by(target, [[5, 6], [7, 8]], 6, temperature, 0, lambda: None)
    assert written.ids.shape == (2, 8) and written.ids[:, :2].tolist() == [[5, 6], [7, 8]]
    arms = {"same": Arm(target, "target"), "other": Arm(draft, "text")}
    found = acceptances(arms, written)
    assert found["same"] == pytest.approx(1, abs=1e-5)
    logits = draft(written.ids[:, :-1])[:, 1:].flatten(0, 1).detach().double()
    p = written.laws.flatten(0, 1).double().numpy()
    q = (
        logits.softmax(-1) if temperature else torch.eye(logits.shape[1])[logits.argmax(-1)].double()
    ).numpy()
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    random, kept, many = np.random.default_rng(0), 0, 200
    for place in range(len(p)):
        for token in random.choice(q.shape[1], many, p=q[place]):
            two = np.stack([p[place], p[place]])
            kept += len(accept(two, q[place : place + 1], [int(token)], random)) == 2
    assert found["other"] == pytest.approx(kept / (many * len(p)), abs=0.03)


def test_the_target_teaches_its_own_law_and_the_text_what_it_says() -> None:
    """Texts that say something else than the target: each pupil comes to resemble its teacher."""
    target = lively(0)
    rows = torch.full((32, 9), 7)  # the text knows one word
    shape, teachers = TINY.replace(num_layers=1), get_args(Teacher)
    arms = {teacher: Arm(fresh_draft(target, shape, 0), teacher) for teacher in teachers}
    before = copied(target).state_dict()
    assert list(train(target, arms, rows, 8, 40, 2e-2)) == list(range(1, 41))
    assert all(torch.equal(before[name], value) for name, value in target.state_dict().items())
    with torch.no_grad():
        laws = {name: arm.model(rows[:1, :-1]).softmax(-1)[0, -1] for name, arm in arms.items()}
        own = target(rows[:1, :-1]).softmax(-1)[0, -1]
    assert laws["text"][7] > 0.9
    apart = {name: float((law - own).abs().sum() / 2) for name, law in laws.items()}
    assert apart["target"] < 0.1 < apart["text"]


def test_what_is_learned_is_looked_at_from_the_beginning_to_the_end(result: dict[str, Any]) -> None:
    assert result["steps"] == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    for shares in result["acceptance"].values():
        assert len(shares) == 9 and all(0 < share < 1 for share in shares) and shares[-1] > shares[0]
    assert result["acceptance"][SAME][0] == result["acceptance"][TEXT][0]


def test_the_speedup_is_that_of_the_own_acceptance_and_cost(result: dict[str, Any], show: Show) -> None:
    counted, more = result["counted"], (result["verify_ratio"] - 1) / distillation.VERIFIED
    for name, gains in result["speedup"].items():
        cost, share = result["costs"][name]["median"], result["acceptance"][name][-1]
        assert gains == [speedup(share, k, cost, 1 + more * k) for k in range(1, 17)]
        assert max(gains) <= max(result["speedup"][counted["draft"]])
    length, cost = counted["draft_length"], result["costs"][counted["draft"]]["median"]
    assert result["speedup"][counted["draft"]][length - 1] == max(result["speedup"][counted["draft"]])
    assert 1 <= counted["tokens_per_round"] <= length + 1 and counted["rounds"] == distillation.ROUNDS
    assert counted["speedup"] == pytest.approx(
        counted["tokens_per_round"] / (length * cost + 1 + more * length)
    )
    shown = show("distillation", result)
    assert shown.sentence is not None and shown.sentence["measured"] == counted["speedup"]
    assert shown.sentence["formula"] == max(result["speedup"][counted["draft"]])
    assert list(shown.figures) == ["learning", "gain"] and len(shown.rows) == 4
    lines = shown.figures["learning"].data
    assert [line["y"][-1] for line in lines] == [100 * shares[-1] for shares in result["acceptance"].values()]


@pytest.mark.parametrize(
    ("target", "said"), [(0.5, "50.0% of its drafts if the target"), (0.1, "if the text taught")]
)
def test_who_taught_better_is_said_as_it_is(
    result: dict[str, Any], show: Show, target: float, said: str
) -> None:
    acceptance = {**result["acceptance"], SAME: [0.0, target], TEXT: [0.0, 0.2]}
    assert said in show("distillation", {**result, "acceptance": acceptance}).notes[1]


def test_it_draws_itself_while_it_runs(lab: OneLab, result: dict[str, Any], show: Show) -> None:
    partials = [
        {"step": step, "acceptance": {name: shares[at] for name, shares in result["acceptance"].items()}}
        for at, step in enumerate(result["steps"][:3])
    ]
    half = Distillation().so_far(DistillationParams(steps=STEPS), partials)
    assert half["steps"] == [0, 2, 4] and list(show("distillation", half).figures) == ["learning"]
    shape = shapes_of(TINY)[SAME]
    assert num_parameters(shape) < num_parameters(TINY)
