"""The claims of Question 4 about models: what a new configuration does, what is recalled. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.claims.checks import Check, Finding
from labs.q04_long_text.claims import given
from labs.q04_long_text.recall_sizes import CHANCE, RATE, SURE, reach_back
from labs.q04_long_text.recall_training import Asked, Plan, ask, fresh_model, reader, train, with_yarn
from labs.tools.models import TINY
from minimind_core.model.config import RopeScaling
from minimind_core.model.minimind import MiniMind

LENGTH, TIMES, STEPS, ROWS, QUESTIONS = 32, 8, 200, 32, 512
"""Of the recall checks: a training of a few seconds."""
NOISE = 15.0
"""Percent: more than three standard errors of a share of a hundred questions."""


def switch_after_building() -> dict[str, str]:
    """Logits after the configuration of a built model is replaced, and of a model rebuilt with it."""
    torch.manual_seed(0)
    model = MiniMind(TINY).eval()
    ids = torch.randint(3, TINY.vocab_size, (1, 200))
    plain = _logits(model, ids)
    scaling = RopeScaling("yarn", factor=given("length") / given("trained"), original_length=given("trained"))
    stretched = TINY.replace(rope_scaling=scaling)
    model.config = model.model.config = stretched
    same = _logits(model, ids)
    rebuilt = MiniMind(stretched).eval()
    rebuilt.load_state_dict(model.state_dict())
    return {
        name: "unchanged" if torch.equal(plain, logits) else "changed"
        for name, logits in (("config_changed", same), ("rebuilt", _logits(rebuilt, ids)))
    }


def recall_with_tables() -> Finding:
    """A model that finds the facts at its own length, asked in far longer texts, before and after YaRN."""
    model = fresh_model(LENGTH, "cpu", 0)
    _learn(model, None)
    percent = {
        "own": _percent(_asked(model, LENGTH).hits),
        "longer": _percent(_asked(model, TIMES * LENGTH).hits),
        "with_yarn": _percent(_asked(with_yarn(model, TIMES), TIMES * LENGTH).hits),
    }
    found = min(percent["own"], percent["with_yarn"])
    holds = found >= SURE and found > percent["longer"] + NOISE
    return Finding(holds, percent)


def recall_behind_a_window() -> Finding:
    """A model trained with window attention: facts within one window, and facts beyond the reach."""
    window = LENGTH // 4
    model = fresh_model(LENGTH, "cpu", 0)
    _learn(model, window)
    asked = _asked(model, LENGTH, window)
    percent = {
        "one_window": _percent(asked.hits[asked.back < window]),
        "beyond": _percent(asked.hits[asked.back > reach_back(window)]),
    }
    return Finding(percent["one_window"] > CHANCE + NOISE > percent["beyond"], percent)


def _learn(model: MiniMind, window: int | None) -> None:
    for _ in train(model, reader(model, window), Plan(STEPS, RATE, ROWS, LENGTH), 0, "cpu"):
        pass


def _asked(model: MiniMind, length: int, window: int | None = None) -> Asked:
    return ask(reader(model, window), length, QUESTIONS, 1, "cpu", lambda: None)


def _percent(hits: Tensor) -> float:
    return 100 * float(hits.float().mean())


@torch.no_grad()
def _logits(model: MiniMind, ids: Tensor) -> Tensor:
    return model(ids)


CHECKS: dict[str, Check] = {
    "Q4-C10": switch_after_building,
    "Q4-C29": recall_with_tables,
    "Q4-C30": recall_behind_a_window,
}
