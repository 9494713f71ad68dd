"""A step with a gradient that is not finite is skipped whole; what a run resumes from is whole too."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minimind_core.errors import ConfigError
from minimind_core.training.optimizer import clip_gradients
from minimind_core.training.trainer import MAX_SKIPS, Trainer
from minimind_core.training.training_config import LIMITS, OptimizerKind, TrainingConfig
from tests.minimind_core.checkpoint_samples import sentence
from tests.minimind_core.training_run import SHORT, fresh_trainer

every_optimizer = pytest.mark.parametrize("optimizer", get_args(OptimizerKind))
FP16 = dataclasses.replace(SHORT, dtype="fp16", grad_accum=2, warmup_steps=1)


def poison(trainer: Trainer, name: str, values: list[float]) -> Callable[[], None]:
    """Let the gradient of one parameter hold these values, one a micro-batch; returns what ends that."""
    parameter, left = dict(trainer.model.named_parameters())[name], list(values)

    def change(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient.view(-1)[0] = left.pop(0)
        return gradient

    return parameter.register_hook(change).remove


def everything(trainer: Trainer) -> dict[str, Any]:
    """Copies of all weights and of all that the optimizers remember."""
    return copy.deepcopy(
        {"model": trainer.model.state_dict(), "optimizers": [o.state for o in trainer.optimizers]}
    )


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return len(first) == len(second) and all(
            equal(a, b) for a, b in zip(first.values(), second.values(), strict=True)
        )
    if isinstance(first, list):
        return all(equal(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)


MATRIX, EMBEDDING, NORM = (
    "model.layers.0.mlp.up_proj.weight",  # Muon's
    "model.embed_tokens.weight",  # AdamW's
    "model.layers.1.input_layernorm.weight",
)


@every_optimizer
@pytest.mark.parametrize("clip_norm", [1.0, 0.0])
@pytest.mark.parametrize("name", [MATRIX, EMBEDDING, NORM])
@pytest.mark.parametrize(
    "values", [[math.inf, 0.0], [math.inf, -math.inf], [math.nan, 0.0], [0.0, -math.inf]], ids=str
)
def test_a_step_is_skipped_whole(optimizer: Any, clip_norm: float, name: str, values: list[float]) -> None:
    trainer = fresh_trainer(dataclasses.replace(FP16, optimizer=optimizer, clip_norm=clip_norm))
    steps = trainer.steps()
    next(steps)  # so that the optimizers remember something
    before, scale = everything(trainer), trainer.scaler.get_scale()
    stop = poison(trainer, name, values)
    skipped = next(steps)
    stop()
    assert not math.isfinite(skipped.grad_norm)
    assert equal(everything(trainer), before)
    assert trainer.scaler.get_scale() == scale / 2
    following = next(steps)
    assert math.isfinite(following.loss) and math.isfinite(following.grad_norm)
    assert not equal(everything(trainer), before)
    assert all(weight.isfinite().all() for weight in trainer.model.state_dict().values())


@pytest.mark.parametrize("host_decides", [True, False])
@every_optimizer
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(("name", "value"), [(MATRIX, math.nan), (EMBEDDING, math.inf), (NORM, -math.inf)])
def test_without_a_scaler_too_and_the_skipped_are_counted(
    optimizer: Any, dtype: Any, name: str, value: float, host_decides: bool
) -> None:
    trainer = fresh_trainer(dataclasses.replace(FP16, optimizer=optimizer, dtype=dtype))
    if not host_decides:
        decide_on_the_device(trainer)
    steps = trainer.steps()
    next(steps)
    before = everything(trainer)
    stop = poison(trainer, name, [value, 0.0])
    skipped = next(steps)
    stop()
    assert not math.isfinite(skipped.grad_norm) and skipped.skipped == 1
    assert equal(everything(trainer), before)
    following = next(steps)
    assert math.isfinite(following.loss) and following.skipped == 1
    assert not equal(everything(trainer), before)
    assert all(weight.isfinite().all() for weight in trainer.model.state_dict().values())


def decide_on_the_device(trainer: Trainer) -> None:
    """As on CUDA, whose AdamW is the fused one; the CPU has that too."""
    trainer._host_decides = False
    for group in trainer.optimizers[0].param_groups:
        group["fused"] = True


@every_optimizer
def test_who_decides_changes_no_update(optimizer: Any) -> None:
    config = dataclasses.replace(FP16, optimizer=optimizer, dtype="fp32")
    host, device = fresh_trainer(config), fresh_trainer(config)
    decide_on_the_device(device)
    for trainer in (host, device):
        stop = poison(trainer, MATRIX, [0.0] * 4 + [math.nan] * 2)
        list(trainer.steps(until=3))
        stop()
        list(trainer.steps())
    for name, weight in host.model.state_dict().items():
        torch.testing.assert_close(device.model.state_dict()[name], weight, rtol=1e-4, atol=1e-6)


def test_a_run_without_a_finite_gradient_ends_with_one_sentence_and_whole_weights() -> None:
    trainer = fresh_trainer(dataclasses.replace(FP16, dtype="fp32", steps=200))
    next(trainer.steps(until=1))
    before = everything(trainer)
    poison(trainer, MATRIX, [math.nan] * 400)
    said = sentence(lambda: list(trainer.steps()))
    assert said.startswith(f"The gradient was not finite in the last {MAX_SKIPS} updates, up to step")
    assert trainer.step == MAX_SKIPS + 1 and equal(everything(trainer), before)


def test_what_was_skipped_is_counted_on_after_a_resume(tmp_path: Path) -> None:
    config = dataclasses.replace(FP16, dtype="fp32")
    trainer = fresh_trainer(config)
    poison(trainer, MATRIX, [math.nan] * 4)
    list(trainer.steps(until=2))
    trainer.save(tmp_path / "state.pt")
    resumed = fresh_trainer(config)
    resumed.load(tmp_path / "state.pt")
    assert next(resumed.steps()).skipped == 2
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save(edited(state, lambda s: s.pop("skips")), tmp_path / "earlier.pt")
    earlier = fresh_trainer(config)
    earlier.load(tmp_path / "earlier.pt")
    assert next(earlier.steps()).skipped == 0


def test_an_overflow_of_the_scale_skips_both_optimizers() -> None:
    """Matrices four times as large overflow in fp16 at a scale of 2^16, as in a fresh run."""
    trainer = fresh_trainer(dataclasses.replace(FP16, optimizer="muon", steps=30))
    trainer.scaler.load_state_dict({**trainer.scaler.state_dict(), "scale": 2.0**26})
    steps, before = trainer.steps(), everything(trainer)
    while not math.isfinite(next(steps).grad_norm):
        after = everything(trainer)
        if trainer.scaler.get_scale() > 2.0**10 and equal(after["model"], before["model"]):
            continue
        pytest.fail("a step that overflowed changed the model")
    assert not equal(everything(trainer)["model"], before["model"])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.floats(width=32), st.sampled_from([math.nan, math.inf, -math.inf, 3e38, 0.0])),
        min_size=1,
        max_size=6,
    ),
    clip_norm=st.sampled_from([0.0, 1e-3, 1.0]),
)
def test_clipping_never_writes_by_a_norm_that_is_not_finite(values: list[float], clip_norm: float) -> None:
    gradients = [torch.tensor(values), torch.tensor([1.0, -2.0])]
    before = [gradient.clone() for gradient in gradients]
    norm = clip_gradients(gradients, clip_norm)
    expected = torch.nn.utils.get_total_norm(before)
    assert torch.equal(norm, expected) or norm.isnan()
    if norm.isfinite() and clip_norm:
        theirs = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in before]
        for parameter, gradient in zip(theirs, before, strict=True):
            parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(theirs, clip_norm)
        for ours, parameter in zip(gradients, theirs, strict=True):
            assert parameter.grad is not None and torch.equal(ours, parameter.grad)
    else:
        for ours, untouched in zip(gradients, before, strict=True):
            assert torch.equal(ours.nan_to_num(7), untouched.nan_to_num(7))


# --- settings at the ends of their types ---


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_setting_at_the_end_of_its_type_is_used_or_refused(name: str) -> None:
    low, high = LIMITS[name]
    for value in (math.nan, math.inf, -math.inf, 1e300, 10**31, -1, -(10**31)):
        assert name in sentence(lambda value=value: TrainingConfig(**{"steps": 1, name: value}))
    kind = type(getattr(TrainingConfig(steps=1), name))
    for value in (kind(low), kind(high)):
        try:
            config = dataclasses.replace(SHORT, **{name: value})
        except ConfigError:
            continue  # a batch that cannot be split
        if config.batch_size == SHORT.batch_size and config.grad_accum <= 2:
            trainer = fresh_trainer(dataclasses.replace(config, optimizer="muon"))
            assert next(trainer.steps(until=1)).step == 0


# --- a state that was edited ---


def edited(state: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    state = copy.deepcopy(state)
    change(state)
    return state


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["model"].pop("model.norm.weight"),
        lambda s: s["model"].update({"model.norm.weight": torch.zeros(3)}),
        lambda s: s["model"].update(extra=torch.zeros(3)),
        lambda s: s.pop("optimizers"),
        lambda s: s["optimizers"].pop(),
        lambda s: s["optimizers"][0]["param_groups"].pop(),
        lambda s: s["optimizers"][0]["state"][0].update(exp_avg=torch.zeros(5)),
        lambda s: s["optimizers"][0].update(state=[]),
        lambda s: s.update(scaler=7),
        lambda s: s.update(step="4"),
        lambda s: s.update(step=-1),
        lambda s: s.update(step=10**9),
        lambda s: s.update(step=1.5),
        lambda s: s.update(tokens=None),
        lambda s: s.update(records=[(1, 2)]),
        lambda s: s.update(records=[("a",) * 7]),
        lambda s: s.update(records=7),
        lambda s: s.update(skips=[1]),
        lambda s: s.update(skips=[0, -1]),
        lambda s: s.update(skips=[0.5, 0]),
        lambda s: s.pop("training"),
        lambda s: s.clear(),
    ],
)
def test_an_edited_state_is_one_sentence(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    trainer = fresh_trainer(FP16)
    next(trainer.steps())
    trainer.save(tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save(edited(state, change), tmp_path / "edited.pt")
    assert "is not a whole training state" in sentence(
        lambda: fresh_trainer(FP16).load(tmp_path / "edited.pt")
    )


def test_a_state_with_nan_or_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    trainer = fresh_trainer(SHORT)
    trainer.model.model.norm.weight.data[0] = math.nan
    trainer.save(tmp_path / "state.pt")
    assert "holds NaN" in sentence(lambda: fresh_trainer(SHORT).load(tmp_path / "state.pt"))
    for content in ([1], 7, {"training": SHORT.to_dict()}, torch.zeros(3)):
        torch.save(content, tmp_path / "other.pt")
        sentence(lambda: fresh_trainer(SHORT).load(tmp_path / "other.pt"))
