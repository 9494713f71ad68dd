"""Weights taken out by size: single numbers, two of every four, whole heads or channels. Imports torch.

Only the matrices of the layers are pruned; the embedding stays, as is usual. Nothing is trained afterwards.

Shapes: C hidden_size, D head_dim, H query heads, K KV heads, I intermediate_size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from labs.tools.models import assembled
from minimind_core.errors import ConfigError
from minimind_core.model.minimind import MiniMind

FOUR, KEPT_OF_FOUR = 4, 2


class SparseLinear(nn.Module):
    """A bias-free linear layer whose matrix is stored as its nonzero numbers with their columns (CSR)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says once that CSR is in beta
            csr = weight.to_sparse_csr()
            rows, columns = csr.crow_indices().int(), csr.col_indices().int()  # MKL's own width
            self.weight = torch.sparse_csr_tensor(rows, columns, csr.values(), weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        return (self.weight @ rows.T).T.reshape(*x.shape[:-1], -1)

    @property
    def stored_bytes(self) -> int:
        """Of the numbers, their columns and where rows begin."""
        parts = (self.weight.values(), self.weight.col_indices(), self.weight.crow_indices())
        return sum(part.nbytes for part in parts)


def layer_linears(model: MiniMind) -> Iterator[nn.Linear]:
    """The layers' matrices, seven a layer."""
    for layer in _dense(model).model.layers:
        yield from (module for module in layer.modules() if isinstance(module, nn.Linear))


def without_smallest(weight: Tensor, share: float) -> Tensor:
    """`weight` with that share of its numbers, the smallest in size, set to zero.

    >>> without_smallest(torch.tensor([[3.0, -1.0, 2.0, 0.5]]), 0.5)
    tensor([[3., 0., 2., 0.]])
    """
    count = round(share * weight.numel())
    smallest = weight.abs().flatten().topk(count, largest=False).indices
    pruned = weight.flatten().clone()
    pruned[smallest] = 0
    return pruned.view_as(weight)


def two_of_four(weight: Tensor) -> Tensor:
    """`weight` [out, in] with the two smaller ones of every four neighbours in a row set to zero.

    >>> two_of_four(torch.tensor([[3.0, -1.0, 2.0, 0.5]]))
    tensor([[3., 0., 2., 0.]])
    """
    quads = weight.view(-1, FOUR)
    kept = quads.abs().topk(KEPT_OF_FOUR, dim=1).indices
    return torch.zeros_like(quads).scatter(1, kept, quads.gather(1, kept)).view_as(weight)


def zeroed(model: MiniMind, prune: Callable[[Tensor], Tensor]) -> MiniMind:
    """The model with every layer's matrix as `prune` leaves it; what is not pruned is shared, not copied."""
    pruned = {id(linear.weight): prune(linear.weight.detach()) for linear in layer_linears(model)}
    weights = {name: pruned.get(id(weight), weight.data) for name, weight in model.named_parameters()}
    return assembled(model.config, weights)


def stored_sparse(model: MiniMind, share: float) -> MiniMind:
    """The model without that share of its numbers, the layers' matrices kept and multiplied as CSR."""
    twin = zeroed(model, partial(without_smallest, share=share))
    for linear in list(layer_linears(twin)):
        _replace(twin, linear, SparseLinear(linear.weight.detach()))
    return twin


def makers(
    model: MiniMind, percents: Sequence[int], own: int
) -> dict[str, dict[str, Callable[[], MiniMind]]]:
    """What makes each pruned model, by kind and by name, as "heads_50"; single numbers go by `own` too."""
    shares = {percent: percent / 100 for percent in sorted({*percents, own})}
    numbers = {
        percent: partial(zeroed, model, partial(without_smallest, share=share))
        for percent, share in shares.items()
    }
    ways: dict[str, dict[int, Callable[[], MiniMind]]] = {
        "numbers": dict(numbers),
        "csr": {percent: partial(stored_sparse, model, share) for percent, share in shares.items()},
        "two_four": {50: partial(zeroed, model, two_of_four)},
        "heads": {percent: partial(with_fewer_heads, model, shares[percent]) for percent in percents},
        "channels": {percent: partial(with_fewer_channels, model, shares[percent]) for percent in percents},
    }
    return {
        kind: {f"{kind}_{percent}": make for percent, make in each.items()} for kind, each in ways.items()
    }


def layer_bytes(model: MiniMind) -> int:
    """Bytes of the layers' matrices as they are stored."""
    stored = [module.stored_bytes for module in model.modules() if isinstance(module, SparseLinear)]
    return sum(stored) or sum(linear.weight.nbytes for linear in layer_linears(model))


def layer_numbers(model: MiniMind) -> int:
    """How many numbers the layers' matrices have, zeros included."""
    return sum(linear.weight.numel() for linear in layer_linears(model))


def layer_nonzeros(model: MiniMind) -> int:
    """How many of the layers' numbers are not zero."""
    kept = [module.weight.values().numel() for module in model.modules() if isinstance(module, SparseLinear)]
    return sum(kept) or sum(int(linear.weight.count_nonzero()) for linear in layer_linears(model))


def with_fewer_heads(model: MiniMind, share: float) -> MiniMind:
    """A smaller model without that share of the query heads, the same number from each KV head.

    Of a group those with the smallest squares in their rows of q_proj and columns of o_proj go. Where no KV
    head is shared, it goes with its query head.
    """
    config, state = _dense(model).config, dict(model.state_dict())
    shared = config.group_size > 1
    groups, unit = (config.num_kv_heads, config.group_size) if shared else (1, config.num_heads)
    kept = max(1, round(unit * (1 - share)))
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}.self_attn."
        by_rows = ("q_proj", "k_proj", "v_proj")[: 1 if shared else 3]
        queries, output = state[prefix + "q_proj.weight"], state[prefix + "o_proj.weight"]
        size = _squares(queries, config.num_heads) + _squares(output.T, config.num_heads)  # [H]
        heads = _largest(size.view(groups, unit), kept) + unit * torch.arange(groups)[:, None]
        rows = _members(heads.flatten(), config.head_dim)
        for name in by_rows:
            state[f"{prefix}{name}.weight"] = state[f"{prefix}{name}.weight"][rows]
        state[prefix + "o_proj.weight"] = output[:, rows]
    num_heads = groups * kept
    smaller = config.replace(num_heads=num_heads, num_kv_heads=groups if shared else num_heads)
    return assembled(smaller, state)


def with_fewer_channels(model: MiniMind, share: float) -> MiniMind:
    """A smaller model without that share of each feed-forward's channels: those with the smallest squares."""
    config, state = _dense(model).config, dict(model.state_dict())
    kept = max(1, round(config.intermediate_size * (1 - share)))
    for layer in range(config.num_layers):
        gate, up, down = (f"model.layers.{layer}.mlp.{name}_proj.weight" for name in ("gate", "up", "down"))
        rows = torch.cat((state[gate], state[up], state[down].T), 1)  # [I, 3 C]
        channels = _largest(_squares(rows, config.intermediate_size)[None], kept)[0]
        state |= {gate: state[gate][channels], up: state[up][channels], down: state[down][:, channels]}
    return assembled(config.replace(intermediate_size=kept), state)


def _dense(model: MiniMind) -> MiniMind:
    if model.config.num_experts:
        raise ConfigError("This run prunes dense models; choose one without experts.", key="q08.experts")
    return model


def _replace(model: MiniMind, old: nn.Module, new: nn.Module) -> None:
    name = next(name for name, module in model.named_modules() if module is old)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _squares(rows: Tensor, parts: int) -> Tensor:
    """Sum of squares of each of `parts` equal stretches of rows; [parts]."""
    return rows.float().square().reshape(parts, -1).sum(1).cpu()


def _largest(size: Tensor, kept: int) -> Tensor:
    """Indices of the `kept` largest of each row, in their old order; [rows, kept]."""
    return size.topk(kept, dim=1).indices.sort(dim=1).values


def _members(heads: Tensor, head_dim: int) -> Tensor:
    """The rows of these heads in a projection; [len(heads) * head_dim]."""
    return (heads[:, None] * head_dim + torch.arange(head_dim)).flatten()
