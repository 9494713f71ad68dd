"""Every kind of module of a pass as a call of its own, on the tensors that it gets there. Imports torch.

Hooks listen to one pass and are gone before anything is timed, so that what they cost is in no time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from labs.q05_shapes.part_costs import PARTS
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import Attention, AttentionInputs, MiniMind

Call = Callable[[], object]


class Pass(NamedTuple):
    """One row of a pass: new ids int64 [1, T], where they stand if a cache came before, and the head's T."""

    ids: Tensor
    positions: Tensor | None
    cache: StaticCache | None
    head_tokens: int

    def hidden(self, model: MiniMind) -> Tensor:
        """What the head is given [1, head_tokens, C]."""
        hidden: Tensor = model.model(self.ids, self.positions, cache=self.cache)
        return hidden[:, -self.head_tokens :]

    def logits(self, model: MiniMind) -> Tensor:
        """The pass itself [1, head_tokens, V]."""
        return model.head(self.hidden(model))


class BetweenProjections(Attention):
    """An attention without its four matrices: rotation, cache, scores, and the sum of the values."""

    def __init__(self, config: ModelConfig, own: Attention, projected: tuple[Tensor, ...]) -> None:
        """The attention `own` with queries, keys and values that are `projected` already."""
        with torch.device("meta"):
            super().__init__(config, own.layer)
        self.q_norm, self.k_norm, self.kind = own.q_norm, own.k_norm, own.kind
        self.o_proj = nn.Identity()
        self.projected = projected

    def project(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """What was projected before, whatever is given."""
        return self.projected


def prefill(ids: Tensor, head_tokens: int) -> Pass:
    """A prompt ids int64 [1, T] that is read at once, without a cache."""
    return Pass(ids, None, None, head_tokens)


def decode_step(model: MiniMind, ids: Tensor) -> Pass:
    """The last token of ids int64 [1, T] against a cache of all T that holds those before it."""
    last, weight = ids.shape[1] - 1, model.head_weight
    cache = StaticCache(model.config, 1, last + 1, weight.device, weight.dtype)
    if last:
        model.model(ids[:, :last], cache=cache)
    return Pass(ids[:, last:], torch.tensor([last], device=ids.device), cache, 1)


def part_calls(model: MiniMind, run: Pass) -> dict[str, Call]:
    """For each of PARTS a call of all its modules, one after another."""
    decoder, layers = model.model, model.model.layers
    norms = [norm for layer in layers for norm in (layer.input_layernorm, layer.post_attention_layernorm)]
    kinds: dict[str, list[nn.Module]] = {
        "embedding": [decoder.embed_tokens],
        "norms": [*norms, decoder.norm],
        "attention": [layer.self_attn for layer in layers],  # heard in full, called without its matrices
        "o_proj": [layer.self_attn.o_proj for layer in layers],
        "feed_forward": [layer.mlp for layer in layers],
    }
    given, last_hidden = _listened(model, run, [module for modules in kinds.values() for module in modules])
    calls: dict[str, list[Call]] = {
        kind: [partial(module, *given[module]) for module in modules] for kind, modules in kinds.items()
    }
    calls["head"] = [partial(model.head, last_hidden)]
    attentions = [(layer.self_attn, *given[layer.self_attn]) for layer in layers]
    calls["projections"] = [partial(own.project, hidden) for own, hidden, _ in attentions]
    calls["attention"] = [_between(model.config, *attention) for attention in attentions]
    return {kind: partial(_in_turn, calls[kind]) for kind in PARTS}


def _between(config: ModelConfig, own: Attention, hidden: Tensor, inputs: AttentionInputs) -> Call:
    core: nn.Module = BetweenProjections(config, own, own.project(hidden))
    return partial(core, hidden, inputs)


def counted_flops(model: MiniMind, run: Pass) -> dict[str, int]:
    """FLOPs of each part by torch's counter, with attention written out: it looks into no kernel."""
    kind = model.model.attention_kind
    try:
        calls = part_calls(model.use_attention("eager"), run)
        return {name: _counted(call) for name, call in calls.items()}
    finally:
        model.use_attention(kind)


def _counted(call: Call) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def _listened(
    model: MiniMind, run: Pass, modules: Sequence[nn.Module]
) -> tuple[dict[nn.Module, tuple[Any, ...]], Tensor]:
    """What each module was given in one pass, and what the head was."""
    given: dict[nn.Module, tuple[Any, ...]] = {}
    with contextlib.ExitStack() as hooks:
        for module in modules:
            handle = module.register_forward_pre_hook(given.__setitem__)
            hooks.callback(handle.remove)
        hidden = run.hidden(model)
    return given, hidden


def _in_turn(calls: Sequence[Call]) -> None:
    for call in calls:
        call()
