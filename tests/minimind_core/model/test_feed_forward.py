"""A mixture of experts: each token through its own, written out; what the router chose; its balance."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step_model import joined
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.model.feed_forward import (
    FeedForward,
    MoEFeedForward,
    Routing,
    load_balancing_loss,
    recorded_routing,
)
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model

MOE = TINY.replace(num_experts=4, num_experts_per_tok=2, n_shared_experts=1)
SHAPES = st.builds(
    lambda experts, chosen, shared, normed: TINY.replace(
        hidden_size=8,
        intermediate_size=12,
        num_experts=experts,
        num_experts_per_tok=min(chosen, experts),
        n_shared_experts=shared,
        norm_topk_prob=normed,
    ),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 2),
    st.booleans(),
)


def layer_of(config: ModelConfig, seed: int = 0) -> MoEFeedForward:
    torch.manual_seed(seed)
    return MoEFeedForward(config).double().requires_grad_(False)


def written_out(layer: MoEFeedForward, x: Tensor, config: ModelConfig) -> Tensor:
    """Token by token, expert by expert, in plain numbers where the choice is made."""

    def swiglu(expert: FeedForward, token: Tensor) -> Tensor:
        gate, up = expert.gate_proj.weight @ token, expert.up_proj.weight @ token
        return expert.down_proj.weight @ (gate / (1 + torch.exp(-gate)) * up)

    out = torch.zeros_like(x)
    for row, column in [(row, column) for row in range(x.shape[0]) for column in range(x.shape[1])]:
        token = x[row, column]
        raw = [math.exp(score) for score in (layer.gate.weight @ token).tolist()]
        odds = {expert: value / sum(raw) for expert, value in enumerate(raw)}
        best = sorted(odds, key=odds.__getitem__, reverse=True)[: config.num_experts_per_tok]
        total = sum(odds[expert] for expert in best) if config.norm_topk_prob else 1.0
        for expert in best:
            out[row, column] += odds[expert] / total * swiglu(layer.experts[expert], token)
        for expert in layer.shared_experts:
            out[row, column] += swiglu(expert, token)
    return out


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(1, 2), st.integers(1, 6), st.integers(0, 99))
def test_each_token_goes_through_its_own_experts(
    config: ModelConfig, rows: int, length: int, seed: int
) -> None:
    layer = layer_of(config, seed)
    x = torch.randn(rows, length, config.hidden_size, dtype=torch.float64)
    assert torch.allclose(layer(x), written_out(layer, x, config), atol=1e-7)  # the router is fp32


@settings(max_examples=10, deadline=None)
@given(SHAPES, st.integers(1, 6), st.integers(0, 99))
def test_reading_all_tokens_changes_nothing(config: ModelConfig, length: int, seed: int) -> None:
    """As on a GPU and in a compiled program, where nothing may wait to learn who reads what."""
    layer = layer_of(config, seed)
    tokens = torch.randn(length, config.hidden_size, dtype=torch.float64)
    routing, by_rows = layer.route(layer.gate(tokens)), layer(tokens[None])[0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.compiler, "is_compiling", lambda: True)
        assert torch.allclose(layer.mix(tokens, routing), by_rows - shared(layer, tokens))


def shared(layer: MoEFeedForward, tokens: Tensor) -> Tensor:
    return sum((expert(tokens) for expert in layer.shared_experts), torch.zeros_like(tokens))


def test_all_experts_are_the_dense_mixture_and_one_alone_is_the_dense_layer() -> None:
    config = MOE.replace(num_experts_per_tok=4, n_shared_experts=0, norm_topk_prob=False)
    layer, x = layer_of(config), torch.randn(2, 5, 64, dtype=torch.float64)
    odds = layer.gate(x).softmax(-1)
    dense = sum(odds[..., [index]] * expert(x) for index, expert in enumerate(layer.experts))
    assert torch.allclose(layer(x), dense, atol=1e-7)
    alone = layer_of(config.replace(num_experts=1, num_experts_per_tok=1, norm_topk_prob=True))
    assert torch.equal(alone(x), alone.experts[0](x))


def test_generation_is_the_same_in_every_way_and_compiles_as_one_program() -> None:
    model = random_model(MOE)
    prompts, params = [[1, 5, 7], [1, 9]], SamplingParams(temperature=0.0)
    texts = [
        Generator(model, 2, 64, method).generate(prompts, params, 12).new_ids
        for method in ("naive", "cached", "compiled")  # the last is the eager step on a CPU
    ]
    assert texts[0] == texts[1] == texts[2]
    step, ids = joined(model), random_ids(MOE, 3, 5)
    compiled = torch.compile(step, fullgraph=True, backend="eager")  # raises where the host must wait
    with torch.no_grad():
        assert torch.allclose(compiled(ids), model(ids), atol=1e-4)


def test_what_the_routers_chose_can_be_listened_to() -> None:
    model, ids = random_model(MOE), random_ids(MOE, 2, 7)
    with recorded_routing(model) as routings:
        heard = model(ids)
    assert torch.equal(model(ids), heard) and len(routings) == MOE.num_layers, "heard once, and no longer"
    for routing in routings:
        assert routing.probabilities.shape == (14, 4) and routing.chosen.shape == (14, 2)
        assert torch.allclose(routing.weights.sum(-1), torch.ones(14))
        best = routing.probabilities.gather(-1, routing.chosen)
        assert (best.min(-1).values >= routing.probabilities.topk(2).values[:, -1]).all()
    with recorded_routing(random_model(TINY)) as none:
        pass
    assert none == []


def test_the_balancing_loss_is_one_where_all_is_even_and_the_number_of_experts_where_one_takes_all() -> None:
    even = torch.full((8, 4), 0.25)
    chosen = torch.arange(16).view(8, 2) % 4
    assert load_balancing_loss(Routing(even, chosen, even[:, :2])).item() == pytest.approx(1)
    one = F.one_hot(torch.zeros(8, dtype=torch.int64), 4).float()
    assert load_balancing_loss(Routing(one, torch.zeros(8, 1, dtype=torch.int64), one[:, :1])).item() == 4


def test_the_balancing_loss_equals_transformers() -> None:
    theirs = pytest.importorskip("transformers.models.qwen3_moe.modeling_qwen3_moe").load_balancing_loss_func
    scores = torch.randn(30, 4)
    routing = layer_of(MOE).route(scores)
    assert load_balancing_loss(routing).item() == pytest.approx(theirs((scores,), 4, 2).item() / 2)


def test_training_by_the_balancing_loss_spreads_the_tokens() -> None:
    """All tokens want one expert at first; experts without a token have a gradient of 0, not none."""
    model = random_model(MOE.replace(num_layers=1, num_experts_per_tok=1)).train()
    ids = random_ids(MOE, 4, 24)
    gate = model.model.layers[0].mlp.gate.weight
    with torch.no_grad():
        gate.mul_(0.05)
        gate[0] += 0.05 * model.model(ids).flatten(0, 1).mean(0).sign()
    optimizer = torch.optim.SGD([gate], lr=0.5)
    shares = []
    for _ in range(30):
        with recorded_routing(model) as routings:
            logits = model(ids)
        shares.append(routings[0].chosen.flatten().bincount(minlength=4) / ids.numel())
        (load_balancing_loss(routings[0]) + 0 * logits.sum()).backward()
        optimizer.step()
        assert all(parameter.grad is not None for parameter in model.parameters())
        model.zero_grad()
    assert shares[0].max() - shares[-1].max() > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"num_experts": 4, "num_experts_per_tok": 5},
        {"num_experts": 4, "num_experts_per_tok": 0},
        {"num_experts": -1},
        {"num_experts": 2.0},
        {"num_experts": True},
        {"n_shared_experts": 1},
        {"num_experts": 2**31},
    ],
)
def test_impossible_experts_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"expert"):
        TINY.replace(**changes)


def test_a_dense_config_is_written_as_before_and_experts_are_read_back() -> None:
    assert not any("expert" in name or "topk" in name for name in TINY.to_dict())
    assert ModelConfig.from_dict(MOE.to_dict()) == MOE
    assert isinstance(MiniMind(TINY).model.layers[0].mlp, FeedForward)
