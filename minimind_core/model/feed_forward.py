"""What follows attention in a layer: one SwiGLU feed-forward, or a mixture of experts (MoE).

A router sends each token through a few of many feed-forwards: more parameters for the same work a token.
No token is dropped, as no expert has a capacity. The model keeps nothing of what its routers chose; who wants
to know it, or to balance it in training, listens from outside (`recorded_routing`, `load_balancing_loss`).

Shapes: B rows, T tokens a row, N = B * T tokens, C hidden_size, I intermediate_size, E num_experts,
k num_experts_per_tok.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.model.config import ModelConfig


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)) (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] -> [..., C]."""
        gate, up = self.project(x)
        return self.down_proj(F.silu(gate) * up)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """x [..., C] -> gate and up [..., I]."""
        return self.gate_proj(x), self.up_proj(x)


class Routing(NamedTuple):
    """Where one layer's router sent N tokens."""

    probabilities: Tensor
    """Softmax over the experts in fp32, [N, E]."""
    chosen: Tensor
    """The k experts of each token, int64 [N, k]."""
    weights: Tensor
    """What each of these contributes, fp32 [N, k]."""


class MoEFeedForward(nn.Module):
    """The weighted sum of the k experts that the router `gate` chooses for a token, plus all shared experts.

    Names and rule are those of Qwen3-MoE (Yang et al. 2025) and MiniMind-3; shared experts are MiniMind2's.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_experts_per_tok, self.norm_topk_prob = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(config) for _ in range(config.num_experts))
        self.shared_experts = nn.ModuleList(FeedForward(config) for _ in range(config.n_shared_experts))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        tokens = x.flatten(0, 1)  # [N, C]
        mixed = self.mix(tokens, self.route(self.gate(tokens)))
        for expert in self.shared_experts:
            mixed = mixed + expert(tokens)
        return mixed.view_as(x)

    def route(self, scores: Tensor) -> Routing:
        """scores of the gate [N, E] -> who goes where. The k weights of a token add up to 1 where normed."""
        probabilities = scores.float().softmax(-1)
        weights, chosen = probabilities.topk(self.num_experts_per_tok, dim=-1)  # [N, k] each
        if self.norm_topk_prob:
            weights = weights / weights.sum(-1, keepdim=True)
        return Routing(probabilities, chosen, weights)

    def mix(self, tokens: Tensor, routing: Routing) -> Tensor:
        """The routed experts' weighted sum: tokens [N, C] -> [N, C].

        On a CPU each expert reads its own tokens only. Elsewhere, and in a compiled program, each reads all,
        those of others with weight 0: only the device knows how many are its own, and nothing here waits for
        it.
        """
        weights = torch.zeros_like(routing.probabilities)  # [N, E]
        weights = weights.scatter(-1, routing.chosen, routing.weights).to(tokens.dtype)
        mixed = torch.zeros_like(tokens)
        by_rows = tokens.device.type == "cpu" and not torch.compiler.is_compiling()
        for index, expert in enumerate(self.experts):
            own = weights[:, index, None]  # [N, 1]
            if by_rows:
                rows = own.flatten().nonzero().flatten()  # [those of this expert]
                mixed = mixed.index_add(0, rows, expert(tokens[rows]) * own[rows])
            else:
                mixed = mixed + expert(tokens) * own
        return mixed


@contextmanager
def recorded_routing(model: nn.Module) -> Iterator[list[Routing]]:
    """Collect the Routing of every MoE layer of `model` in each forward that happens inside, in their order.

    >>> from minimind_core.model.config import PRESETS
    >>> from minimind_core.model.minimind import MiniMind
    >>> model = MiniMind(PRESETS["toy"].replace(num_experts=4))
    >>> with recorded_routing(model) as routings:
    ...     _ = model(torch.tensor([[1, 5, 7]]))
    >>> len(routings), routings[0].probabilities.shape
    (3, torch.Size([3, 4]))
    """
    routings: list[Routing] = []
    handles = [
        layer.gate.register_forward_hook(
            lambda _gate, _tokens, scores, layer=layer: routings.append(layer.route(scores))
        )
        for layer in model.modules()
        if isinstance(layer, MoEFeedForward)
    ]
    try:
        yield routings
    finally:
        for handle in handles:
            handle.remove()


def load_balancing_loss(routing: Routing) -> Tensor:
    """E times the sum over experts of (share of choices) * (mean probability), a scalar with a gradient.

    It is 1 where all tokens and all probability spread evenly, and E where one expert takes everything
    (Switch Transformer, Fedus et al. 2021, equations 4 to 6; shares count all k choices, so that 1 stays 1
    for every k). transformers and MiniMind-3 leave out the division by k. Add it over the layers times a
    coefficient such as 0.01. Only `probabilities` carry the gradient. Padding counts like any token:
    leave its rows out of the Routing first.
    """
    num_experts = routing.probabilities.shape[-1]
    chosen = F.one_hot(routing.chosen, num_experts)  # [N, k, E]
    shares = chosen.float().mean((0, 1))  # [E], they add up to 1
    return num_experts * (shares * routing.probabilities.mean(0)).sum()
