"""The claim of Question 4 about the core: a built model ignores a new configuration. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.claims.checks import Check
from labs.q04_long_text.claims import given
from labs.tools.models import TINY
from minimind_core.model.config import RopeScaling
from minimind_core.model.minimind import MiniMind


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


@torch.no_grad()
def _logits(model: MiniMind, ids: Tensor) -> Tensor:
    return model(ids)


CHECKS: dict[str, Check] = {"Q4-C10": switch_after_building}
