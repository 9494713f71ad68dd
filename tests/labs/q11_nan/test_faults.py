"""Twelve planted faults: where each begins, how it spreads, what repairs it and what silences it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.q11_nan.cases import FAULTS, MYSTERIES, PLAIN, Case, Recipe, mystery
from labs.q11_nan.patient import Patient
from labs.q11_nan.surgeon import verdict
from labs.q11_nan.witnesses import anomaly
from labs.tools.models import TINY, copied, untrained
from tests.labs.one_lab import OneLab, Run

ROWS = torch.randint(3, 290, (12, 17), generator=torch.Generator().manual_seed(0))
SMALL = TINY.replace(num_layers=3)
BLOCK = 1
UP, DOWN = f"model.layers.{BLOCK}.mlp.up_proj", f"model.layers.{BLOCK}.mlp.down_proj"


def patient(kind: str, repair: str = "none") -> Patient:
    return Patient(untrained(SMALL, "cpu"), ROWS, Case(kind, BLOCK, 2), 2, repair)


FIRST = {
    "inf_in_up_proj": (2, "forward", UP, "output", "inf"),
    "fp16_overflow": None,  # a small fresh model stays in range; on the nano below
    "empty_batch": (2, "forward", "loss", "output", "nan"),
    "no_eps": (2, "forward", "model.layers.0.input_layernorm", "output", "nan"),
    "bad_row": (2, "forward", "", "output", "nan"),
    "masked_row": (2, "forward", "model.layers.0.self_attn.o_proj", "input", "nan"),
    "root_of_zero": (2, "backward", DOWN, "output", "nan"),
    "poisoned_adam": (3, "forward", f"model.layers.{BLOCK}.mlp.gate_proj", "output", "nan"),
    "mask_times_inf": (2, "forward", "loss", "output", "nan"),
}


@pytest.mark.parametrize("kind", [kind for kind, first in FIRST.items() if first])
def test_a_fault_begins_where_it_was_planted(kind: str) -> None:
    one, found = patient(kind), None
    for step in range(4):
        _, _, seen = one.advance(watched=True)
        bad = next((s for s in seen if s.kind != "finite"), None)
        if bad is not None:
            found = (step, bad.phase, bad.module, bad.place, bad.kind)
            break
    assert found == FIRST[kind]


def test_without_a_fault_a_run_is_that_of_torch_alone_watched_or_not() -> None:
    """The twin by hand: AdamW, clipping, cross-entropy."""
    watched, plain = patient("none"), patient("none")
    model = copied(untrained(SMALL, "cpu")).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PLAIN.learning_rate, betas=(0.9, 0.95))
    for step in range(3):
        rows = ROWS[2 * step : 2 * step + 2]
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten(), reduction="sum") / 32
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert watched.advance(watched=True)[0] == plain.advance()[0] == float(loss)
    for ours, bare, theirs in zip(
        *(m.parameters() for m in (watched.model, plain.model, model)), strict=True
    ):
        assert torch.equal(ours, bare) and torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("recipe", "of_torch"),
    [
        (Recipe(optimizer="sgd", learning_rate=0.1, clip=None), {"lr": 0.1}),
        (Recipe(optimizer="momentum", learning_rate=0.1, clip=0.1), {"lr": 0.1, "momentum": 0.9}),
        (Recipe("bf16", "momentum", 0.01, clip=10.0), {"lr": 0.01, "momentum": 0.9}),
    ],
)
def test_a_recipe_is_that_of_torch(recipe: Recipe, of_torch: dict[str, float]) -> None:
    model = copied(untrained(SMALL, "cpu")).train()
    optimizer = torch.optim.SGD(model.parameters(), **of_torch)
    one = Patient(untrained(SMALL, "cpu"), ROWS, Case("none", BLOCK, 2), 2, recipe=recipe)
    for step in range(3):
        rows = ROWS[2 * step : 2 * step + 2]
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.number_format == "bf16"):
            logits = model(rows[:, :-1]).float().flatten(0, 1)
        loss = F.cross_entropy(logits, rows[:, 1:].flatten(), reduction="sum") / 32
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip or math.inf)
        optimizer.step()
        assert one.advance()[0] == float(loss.detach())


def test_a_fault_that_the_recipe_does_not_allow_is_refused_in_a_sentence(lab: OneLab) -> None:
    cannot = lab.refused("autopsy", fault="fp16_overflow", number_format="bf16")
    assert cannot == "bf16 has the range of fp32: this fault cannot fire. Try fp16."
    assert "Try adamw or momentum" in lab.refused("autopsy", fault="poisoned_adam", optimizer="sgd")
    assert "must be positive" in lab.refused("autopsy", learning_rate=0)


def test_momentum_can_be_poisoned_too(result: Run) -> None:
    told = result("autopsy", fault="poisoned_adam", optimizer="momentum")
    assert np.isfinite(told["losses"][:3]).all() and np.isnan(told["losses"][3]) and told["damaged"] > 0


def test_a_rate_that_adamw_survives_ends_sgd() -> None:
    recipes = {name: Recipe(optimizer=name, learning_rate=100.0, clip=None) for name in ("sgd", "adamw")}
    finite = {}
    for name, recipe in recipes.items():
        one = Patient(untrained(SMALL, "cpu"), ROWS, Case("none", BLOCK, 2), 2, recipe=recipe)
        finite[name] = all(math.isfinite(one.advance()[0]) for _ in range(6))
    assert finite == {"sgd": False, "adamw": True}


def test_damage_goes_downstream_and_stays() -> None:
    """Once a block's output is not finite, so is that of every later block, at every later step too."""
    one = patient("inf_in_up_proj")
    for step in range(4):
        bad = {
            int(s.module.split(".")[2])
            for s in one.advance(watched=True)[2]
            if s.phase == "forward"
            and s.place == "output"
            and s.module.count(".") == 2
            and s.kind != "finite"
        }
        assert bad == (set() if step < 2 else {1, 2} if step == 2 else {0, 1, 2})


@pytest.mark.parametrize(
    ("kind", "word"),
    [("root_of_zero", "SqrtBackward0"), ("inf_in_up_proj", ""), ("empty_batch", ""), ("mask_times_inf", "")],
)
def test_anomaly_mode_says_what_torch_says(kind: str, word: str) -> None:
    one = patient(kind)
    one.advance(), one.advance()
    one._strike()
    said = anomaly(one)
    assert word in said and (bool(word) or said == "" or "nan values" in said)


def test_a_guarded_empty_batch_has_a_loss_and_a_gradient_of_exactly_zero() -> None:
    one = patient("empty_batch", "denominator")
    seen = [one.advance()[:2] for _ in range(4)]
    assert seen[2] == (0.0, 0.0) and all(loss > 0 < norm for loss, norm in (seen[0], seen[1], seen[3]))


def test_a_label_out_of_range_raises_and_is_told(result: Run) -> None:
    told = result("autopsy", fault="label_out_of_range")
    assert told["said"].startswith("IndexError") and told["first"] is None and len(told["losses"]) == 2


def test_the_first_nan_is_that_of_the_prediction(result: Run) -> None:
    """On the nano, whose last block but one is the fourth."""
    told = result("autopsy")
    assert told["first"]["module"] == "model.layers.3.mlp.up_proj" and told["first"]["kind"] == "inf"
    assert told["first_nan"]["place"] == "next-norm"
    forward = dict(zip(told["places"], told["forward"][:, 2], strict=True))
    assert [forward[f"3 {part}"] for part in ("norm 2", "feed-forward", "output")] == [0, 1, 1]
    assert forward["4 norm 1"] == 2 and forward["3 norm 1"] == 0
    assert (told["backward"][:-1, 2] >= 0).all() and (told["forward"][:, :2] == 0).all()
    guarded = result("autopsy", guard=True)
    assert guarded["damaged"] == 0 and guarded["skipped"] == 1 and np.isfinite(guarded["losses"][3:]).all()


def test_an_overflow_of_fp16_is_found_at_the_down_projection(result: Run) -> None:
    told = result("autopsy", fault="fp16_overflow")
    assert (told["first"]["module"], told["first"]["tensor"]) == ("model.layers.3.mlp.down_proj", "input")


# --- detective ---


def test_a_case_follows_from_its_number_and_every_fault_comes_up() -> None:
    assert mystery(7, 8) == mystery(7, 8)
    assert {mystery(number, 8).kind for number in range(1, 200)} == set(MYSTERIES)
    assert set(FAULTS) - set(MYSTERIES) == {"label_out_of_range"}


def test_nothing_is_shown_that_was_not_bought(lab: OneLab, result: Run) -> None:
    closed = result("detective")
    shown = lab.show("detective", closed)
    said = " ".join(map(str, shown.rows)) + " ".join(shown.notes)
    assert len(shown.rows) == 1 and closed["cause"] not in said and "model.layers" not in said
    assert "Probes left: 3" in said
    greedy = result("detective", view=dict.fromkeys(("modules", "state", "norms", "batch"), True))
    shown = lab.show("detective", greedy)
    assert greedy["view"]["bought"] == ["norms", "modules", "state"] and greedy["view"]["refused"] == 1
    assert any(note.startswith("No probes left") for note in shown.notes)


def test_a_verdict_is_judged(lab: OneLab, result: Run) -> None:
    cause = result("detective")["cause"]
    other = next(kind for kind in MYSTERIES if kind != cause)
    assert lab.show("detective", result("detective", view={"cause": cause})).notes[-1].startswith("Right")
    assert (
        lab.show("detective", result("detective", view={"cause": other})).notes[-1].startswith("No, it was")
    )


# --- surgeon ---


@pytest.mark.parametrize(
    ("fault", "repair", "expected"),
    [
        ("inf_in_up_proj", "clip", "unchanged"),
        ("inf_in_up_proj", "guard", "repaired"),
        ("root_of_zero", "nan_to_num", "silenced"),
        ("root_of_zero", "safe_root", "repaired"),
        ("poisoned_adam", "reload_weights", "unchanged"),
        ("poisoned_adam", "reload_all", "repaired"),
        ("bad_row", "guard", "unchanged"),
        ("masked_row", "fused_attention", "repaired"),
        ("no_eps", "eps", "repaired"),
        ("empty_batch", "none", "harmless"),
        ("mask_times_inf", "guard", "harmless"),
        ("masked_row", "nan_to_num", "silenced"),
    ],
)
def test_a_repair_is_told_from_silence(fault: str, repair: str, expected: str) -> None:
    treated, twin = patient(fault, repair), patient("none")
    losses, norms, healthy = [], [], []
    for _ in range(6):
        loss, norm, _ = treated.advance()
        losses.append(loss)
        norms.append(norm)
        healthy.append(twin.advance()[0])
    bad = sum(not math.isfinite(loss + norm) for loss, norm in zip(losses, norms, strict=True))
    told = verdict(
        len(treated.damaged()),
        bad,
        losses[-1],
        healthy[-1],
        undone=treated.skipped,
        loss_only=all(map(math.isfinite, norms)),
    )
    assert told == expected, (bad, treated.damaged(), losses, healthy)
    assert all(map(math.isfinite, healthy))
    if repair != "clip":  # a lower limit changes the steps before the fault as well
        np.testing.assert_allclose(losses[:2], healthy[:2], rtol=1e-6)
