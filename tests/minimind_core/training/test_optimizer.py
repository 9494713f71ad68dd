"""Every weight has one optimizer, norms do not decay, frozen weights have none."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from minimind_core.model.minimind import MiniMind
from minimind_core.training.optimizer import make_optimizers, set_learning_rate
from minimind_core.training.training_config import OptimizerKind, TrainingConfig
from tests.minimind_core.checkpoint_samples import TINY

POSITIONS_TOO = TINY.replace(position="learned", tie_word_embeddings=False, qk_norm=True)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_trainable_weight_is_owned_once(kind: OptimizerKind) -> None:
    model = MiniMind(POSITIONS_TOO)
    model.model.embed_tokens.weight.requires_grad_(False)
    groups = [
        group
        for optimizer in make_optimizers(model, TrainingConfig(steps=1, optimizer=kind))
        for group in optimizer.param_groups
    ]
    owned = Counter(id(parameter) for group in groups for parameter in group["params"])
    assert set(owned) == {id(p) for p in model.parameters() if p.requires_grad} and set(owned.values()) == {1}
    for group in groups:
        assert all((group["weight_decay"] > 0) == (parameter.dim() == 2) for parameter in group["params"])


def test_muon_has_the_matrices_of_the_layers_and_nothing_else() -> None:
    model = MiniMind(POSITIONS_TOO)
    adamw, muon = make_optimizers(model, TrainingConfig(steps=1, optimizer="muon"))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owned = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    assert owned == {name for name in names.values() if ".layers." in name and "norm" not in name}
    assert isinstance(adamw, torch.optim.AdamW)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_one_learning_rate_for_all(kind: OptimizerKind) -> None:
    optimizers = make_optimizers(MiniMind(TINY), TrainingConfig(steps=1, optimizer=kind))
    set_learning_rate(optimizers, 0.125)
    assert {group["lr"] for optimizer in optimizers for group in optimizer.param_groups} == {0.125}
