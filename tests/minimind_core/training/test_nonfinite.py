"""The first tensor that is not finite is named, and looking for it changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minimind_core.model.minimind import MiniMind
from minimind_core.training.nonfinite import Seen, TensorWatch, first_nonfinite, nonfinite_state
from tests.minimind_core.checkpoint_samples import TINY

IDS = torch.arange(3, 15).view(1, -1)


def fresh() -> MiniMind:
    torch.manual_seed(0)
    return MiniMind(TINY)


def loss_of(model: nn.Module) -> Callable[[], Tensor]:
    return lambda: F.cross_entropy(model(IDS[:, :-1])[0], IDS[0, 1:])


def hooks_on(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in model.modules()
    ) + sum(len(p._backward_hooks or {}) for p in model.parameters())


def plant(module: nn.Module, number: float) -> Callable[[], None]:
    def change(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output.index_fill(1, torch.tensor([3]), number)

    return module.register_forward_hook(change).remove


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.v_proj", "model.layers.1.mlp.up_proj", "model.norm"]
)
def test_what_is_planted_in_a_module_is_found_there(name: str, number: float) -> None:
    model = fresh()
    plant(model.get_submodule(name), number)
    seen = first_nonfinite(model, loss_of(model))
    assert seen is not None
    assert (seen.phase, seen.module, seen.place) == ("forward", name, "output")
    assert seen.kind == ("nan" if math.isnan(number) else "inf")


def test_a_clean_step_is_clean_and_nothing_is_left_behind() -> None:
    model, twin = fresh(), fresh()
    loss_of(model)().backward()
    before = [parameter.grad.clone() for parameter in model.parameters()]
    hooks = hooks_on(model)
    assert first_nonfinite(model, loss_of(model)) is None
    assert hooks_on(model) == hooks
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), before, strict=True))
    with TensorWatch(model) as watch:
        model.zero_grad()
        watched = loss_of(model)()
        watched.backward()
    loss = loss_of(twin)()
    loss.backward()
    assert torch.equal(watched, loss)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)
    assert {one.phase for one in watch.read()} == {"forward", "backward"}


def test_hooks_are_gone_after_a_forward_that_raised() -> None:
    model = fresh()
    with pytest.raises(IndexError):
        first_nonfinite(model, lambda: model(torch.tensor([[TINY.vocab_size]])).sum())
    assert hooks_on(model) == 0


@dataclass
class Point:
    """No pytree: what is in it is not looked at, and it does not disturb."""

    x: Tensor


class Nested(nn.Module):
    """A module that is called by keyword and returns a dict with a tuple."""

    def __init__(self, bad: float = 1.0) -> None:
        super().__init__()
        self.linear, self.bad = nn.Linear(2, 2), bad

    def forward(self, *, x: Tensor) -> dict[str, Any]:
        y = self.linear(x)
        return {"pair": (y, y * self.bad), "point": Point(y), "ids": torch.tensor([1])}


class Root(nn.Module):
    """Square roots behind a `where`: finite forward, NaN backward at zero."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return torch.where(x > 0, x.sqrt(), torch.zeros(())), None


class Wrapped(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.scale, self.part = nn.Linear(2, 2), part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(F.relu(self.scale(x)) * 0)[0]


def test_dicts_and_tuples_and_keywords_are_looked_into() -> None:
    model = Nested(math.inf)
    seen = first_nonfinite(model, lambda: model(x=torch.ones(1, 2))["pair"][0].sum())
    assert seen is not None and (seen.module, seen.place, seen.kind) == ("", "output", "inf")
    assert first_nonfinite(Nested(), lambda: Nested()(x=torch.ones(1, 2))["pair"][1].sum()) is None


def test_what_is_born_in_backward_is_found_as_anomaly_mode_finds_it() -> None:
    model = Wrapped(Root())

    def loss() -> Tensor:
        return model(torch.ones(1, 2)).sum()

    assert first_nonfinite(model, loss, backward=False) is None
    seen = first_nonfinite(model, loss)
    assert seen == Seen("backward", "part", "input", seen.low, seen.high) and seen.kind == "nan"
    assert seen.sentence() == "NaN in the gradient of the input of part, backward"
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.raises(RuntimeError, match="SqrtBackward"),
        pytest.warns(UserWarning, match="Error detected"),
    ):
        loss().backward()


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.sampled_from([1.0, -2.5, math.inf, -math.inf, math.nan]), min_size=1, max_size=5),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]),
)
def test_the_kind_is_that_of_torchs_own_tests(values: list[float], dtype: torch.dtype) -> None:
    tensor = torch.tensor(values, dtype=dtype)
    with TensorWatch(nn.Identity()) as watch:
        watch.note("forward", "x", "output", tensor)
    expected = "nan" if tensor.isnan().any() else "inf" if tensor.isinf().any() else "finite"
    assert watch.read()[0].kind == expected


def test_weights_and_moments_that_are_not_finite_are_named() -> None:
    model = fresh()
    optimizer = torch.optim.AdamW(model.parameters())
    loss_of(model)().backward()
    optimizer.step()
    assert nonfinite_state(model, [optimizer]) == []
    up = model.get_parameter("model.layers.1.mlp.up_proj.weight")
    optimizer.state[up]["exp_avg_sq"][0, 0] = math.inf
    model.get_parameter("model.norm.weight").data[2] = math.nan
    assert nonfinite_state(model, [optimizer]) == [
        "model.norm.weight",
        "model.layers.1.mlp.up_proj.weight (exp_avg_sq)",
    ]
