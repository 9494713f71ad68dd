"""The two ways to generate greedily, one step at a time, and a meter of what their forwards move.

Both choose from the same text, so that they can be run in turn. Imports torch.

Shapes: B rows, T tokens of the text, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from labs.q12_kv_cache.accounts import step_operations
from labs.q12_kv_cache.race_summary import CacheHeld
from labs.tools import heldout
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import Tokenizer


class ConvertingCache(StaticCache):
    """A cache of another width than the model computes in: rounded when written, converted when read."""

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See StaticCache."""
        kept = self.keys[layer].dtype
        all_keys, all_values = super().write(layer, slots, keys.to(kept), values.to(kept))
        return all_keys.to(keys.dtype), all_values.to(values.dtype)


def make_cache(model: MiniMind, batch: int, capacity: int, dtype: torch.dtype) -> StaticCache:
    """An empty cache of that width on the model's device."""
    weight = model.model.embed_tokens.weight
    kind = StaticCache if dtype == weight.dtype else ConvertingCache
    return kind(model.config, batch, capacity, weight.device, dtype)


def without_cache(model: MiniMind, ids: Tensor) -> Tensor:
    """Run the whole text ids [B, T]; logits after its last token, [B, V]."""
    return model.head(model.model(ids)[:, -1:])[:, 0]


def with_cache(model: MiniMind, ids: Tensor, cache: StaticCache, read: int) -> Tensor:
    """Run what comes after the first `read` tokens of ids [B, T], which `cache` holds; logits [B, V]."""
    length = ids.shape[1]
    positions = None if read == 0 else torch.arange(read, length, device=ids.device)
    hidden = model.model(ids[:, read:], positions, cache=cache.first(length))
    return model.head(hidden[:, -1:])[:, 0]


class Meter:
    """Counts, while it watches a model, the tokens that go through the layers and the bytes they need."""

    def __init__(self, model: MiniMind) -> None:
        self.weight_bytes = sum(parameter.nbytes for parameter in model.parameters())
        self.token_passes = self.bytes = 0

    @contextmanager
    def watching(self, model: MiniMind) -> Iterator[Meter]:
        """Adds up what every forward inside is given."""
        handle = model.model.register_forward_pre_hook(self._before_forward, with_kwargs=True)
        handles = [handle, *(self._watch_layer(layer) for layer in model.model.layers)]
        try:
            yield self
        finally:
            for each in handles:
                each.remove()

    def taken(self) -> dict[str, float]:
        """Token passes and bytes since it was asked last."""
        counts = {"token_passes": float(self.token_passes), "bytes": float(self.bytes)}
        self.token_passes = self.bytes = 0
        return counts

    def _before_forward(self, _module: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        self.token_passes += args[0].numel()
        self.bytes += self.weight_bytes

    def _watch_layer(self, layer: Any) -> Any:
        attention = layer.self_attn

        def before_attention(_module: Any, args: tuple[Any, ...], _output: Tensor) -> None:
            hidden, inputs = args
            width = 2 * attention.k_proj.out_features
            written = hidden.shape[0] * hidden.shape[1] * width * hidden.element_size()
            if inputs.cache is None:
                self.bytes += 2 * written  # read again by the same pass
            else:
                cache = inputs.cache[0]
                keys = cache.keys[attention.layer]
                self.bytes += written // hidden.element_size() * keys.element_size() + 2 * keys.nbytes

        return attention.register_forward_hook(before_attention)


class Runners:
    """Two runs over one text ids [B, P]: each step of either leaves its logits, and one token is chosen."""

    def __init__(self, model: MiniMind, ids: Tensor, new: int, cache_dtype: torch.dtype) -> None:
        self.model, self.ids, self.read = model, ids, 0
        self.weight_width = model.model.embed_tokens.weight.element_size()
        self.cache = make_cache(model, len(ids), ids.shape[1] + new, cache_dtype)
        self.logits_with = self.logits_without = ids.new_empty(0)

    def warm_up(self) -> None:
        """One step of each kind, after which nothing is remembered."""
        self.run_without()
        with_cache(self.model, self.ids, self.cache, 0)
        if self.ids.shape[1] > 1:
            with_cache(self.model, self.ids, self.cache, self.ids.shape[1] - 1)
        self.cache.reset()

    def run_with(self) -> None:
        """What the cache has not read yet: the prompt at first, then the newest token."""
        self.logits_with = with_cache(self.model, self.ids, self.cache, self.read)

    def run_without(self) -> None:
        """The whole text again."""
        self.logits_without = without_cache(self.model, self.ids)

    def compare(self) -> tuple[bool, float]:
        """Whether both would choose the same in every row, and their largest difference."""
        same = self.logits_with.argmax(-1) == self.logits_without.argmax(-1)
        return bool(same.all()), float((self.logits_with - self.logits_without).abs().max())

    def choose(self) -> int:
        """Append the likeliest token to every row; returns that of the first."""
        self.read = self.ids.shape[1]
        chosen = self.logits_with.argmax(-1, keepdim=True)  # [B, 1]
        self.ids = torch.cat((self.ids, chosen), 1)  # [B, T] -> [B, T + 1]
        return int(chosen[0, 0])

    def held(self) -> CacheHeld:
        """What the cache holds: the last token was chosen and not run."""
        filled = self.cache.first(self.read)
        return {"bytes": filled.nbytes, "shape": list(filled.keys[0].shape)}


def prompts(tokenizer: Tokenizer, kind: str, batch: int, length: int, check: Callable[[], object]) -> Tensor:
    """`batch` stretches of held-out text, ids int64 [B, length]; text that is short comes again."""
    rows = heldout.windows(tokenizer, heldout.held_out(kind), batch, max(length - 1, 1), 0, check)
    return rows[torch.arange(batch) % len(rows), :length]


def confirmed_operations(
    config: ModelConfig, prompt: int, new: int, on_progress: Callable[[float], object]
) -> dict[str, int]:
    """Forwards of a race that torch's counter sees, the first and the last of each way; how many agree."""
    last = prompt + new - 1
    forwards = [(prompt, 0)] if new == 1 else [(prompt, 0), (last, 0), (1, last - 1)]
    agree = 0
    for run, before in forwards:
        on_progress(1.0)
        expected = step_operations(np.float64(run), np.float64(run * (before + run)))
        agree += counted_operations(config, run, before) == int(expected)
    return {"forwards": len(forwards), "agree": agree}


def counted_operations(config: ModelConfig, run: int, before: int) -> int:
    """What torch's FlopCounterMode counts in a forward over `run` tokens after `before` cached ones.

    On a model without numbers, whose attention is written out: every pair is computed there, masked ones too.
    """
    with torch.device("meta"):
        model = MiniMind(config).use_attention("eager")
        ids = torch.zeros(1, before + run, dtype=torch.int64)
        cache = StaticCache(config, 1, before + run, "meta")
        call: Callable[[], Tensor] = (
            (lambda: with_cache(model, ids, cache, before)) if before else (lambda: without_cache(model, ids))
        )
        with FlopCounterMode(display=False) as counter:
            call()
    return counter.get_total_flops()
