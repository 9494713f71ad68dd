"""A cached step, and the ways to get it wrong without an error, each overriding the one thing it gets wrong.

Two rows read the same prompt. The first is then fed the tokens of the right run, so that its logits can be
compared step by step; the second is fed what it chooses itself, which is the text a reader would see.

Shapes: P tokens of the prompt, S slots of the cache, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from minimind_core.model.rope import RotaryEmbedding, apply_rope


@dataclass(frozen=True)
class Written:
    """Logits [2, new, V] that each token was chosen from, the tokens of the row that chose, and bytes."""

    logits: Tensor
    ids: list[int]
    cache_bytes: int


class Decode:
    """The right way: absolute positions, a cache that shows what is filled, every request its own row."""

    extra_tokens = 0
    """Tokens of a row that are run besides the prompt and the new ones."""

    def __init__(self, model: MiniMind, prompt: Tensor, other: Tensor, new: int) -> None:
        """`prompt` and `other`, somebody else's, are ids int64 [P]."""
        self.model, self.new, self.rows = model, new, 2
        self.prompt, self.other = (ids.expand(self.rows, -1) for ids in (prompt, other))  # [2, P]
        self.length = len(prompt)
        self.cache = self.make_cache(self.length + new + self.extra_tokens)

    def run(self, forced: Sequence[int] | None, check: Callable[[], object]) -> Written:
        """Write `new` tokens; the first row is fed `forced` instead of its own. `check` before each step."""
        logits, written = [self.read_prompt()], list[Tensor]()
        for index in range(self.new):
            check()
            chosen = logits[-1].argmax(-1)  # [2]
            written.append(chosen[1])
            if forced is not None:
                chosen[0] = forced[index]
            if index < self.new - 1:
                logits.append(self.step(chosen[:, None], self.length + self.extra_tokens + index))
        return Written(torch.stack(logits, 1), torch.stack(written).tolist(), self.cache_bytes())

    def make_cache(self, capacity: int) -> StaticCache:
        """An empty cache of so many slots a row."""
        return StaticCache(self.model.config, self.rows, capacity, self.model.device, self.model.dtype)

    def cache_bytes(self) -> int:
        """Of one token of one row."""
        return self.cache.nbytes // (self.rows * self.cache.capacity)

    def read_prompt(self) -> Tensor:
        """Prefill; logits [2, V] after the prompt."""
        return self.model(self.prompt, cache=self.cache)[:, -1]

    def step(self, ids: Tensor, position: int) -> Tensor:
        """Run one token a row, ids [2, 1]; logits [2, V]."""
        self.before_step(position)
        here = torch.tensor([position], device=ids.device)
        with rotating_at(self.model, self.angle_of(position)):
            return self.model(ids, here, self.slot_of(here), self.mask(), self.cache)[:, -1]

    def before_step(self, position: int) -> None:
        """What is done to the cache before a step: nothing."""

    def angle_of(self, position: int) -> int:
        """The position by which queries and keys are rotated."""
        return position

    def slot_of(self, position: Tensor) -> Tensor:
        """Where the cache is written."""
        return position

    def mask(self) -> Tensor | None:
        """What narrows the causal view [1, S]: nothing."""
        return None


class NoOffset(Decode):
    """The position is taken from the input of the step, which is one token long: always 0."""

    def angle_of(self, position: int) -> int:
        return 0


class Stuck(Decode):
    """The position is set after the prompt and never advanced."""

    def angle_of(self, position: int) -> int:
        return self.length


class Unmasked(Decode):
    """A preallocated cache without a mask: queries look at slots that hold nothing yet."""

    def before_step(self, position: int) -> None:
        self.cache.positions.clamp_(min=0)


class CausalFlag(Decode):
    """`is_causal=True` with one query: aligned at the upper left, it leaves the first key alone."""

    def mask(self) -> Tensor:
        return (torch.arange(self.cache.capacity, device=self.prompt.device) == 0)[None]


class Forgets(Decode):
    """Keys and values of new tokens are used once and not kept."""

    def before_step(self, position: int) -> None:
        self.cache.crop(self.length)


class FedTwice(Decode):
    """The loop begins by feeding the prompt's last token, which prefill has run already."""

    extra_tokens = 1

    def read_prompt(self) -> Tensor:
        super().read_prompt()
        return self.step(self.prompt[:, -1:], self.length)


class Stale(Decode):
    """The cache still holds an earlier request, and the new one is appended to it."""

    def make_cache(self, capacity: int) -> StaticCache:
        return super().make_cache(self.length + capacity)

    def read_prompt(self) -> Tensor:
        self.model(self.other, cache=self.cache)
        positions = torch.arange(self.length, device=self.prompt.device)
        return self.model(self.prompt, positions, self.slot_of(positions), cache=self.cache)[:, -1]

    def slot_of(self, position: Tensor) -> Tensor:
        return self.length + position


class Swapped(Decode):
    """Rows of a batch were reordered and their caches were not: this one goes on from a neighbour's."""

    def read_prompt(self) -> Tensor:
        logits = super().read_prompt()
        self.cache.reset()
        self.model(self.other, cache=self.cache)
        return logits


class RotatedTwice(Decode):
    """Keys are cached after RoPE, and rotated again whenever they are read."""

    def make_cache(self, capacity: int) -> StaticCache:
        cache = _like(super().make_cache(capacity), _RotatesOnRead)
        cache.rotary = self.model.model.rotary
        return cache


class Unrotated(Decode):
    """Keys are cached before RoPE and never rotated: prefill, which has its own, is right."""

    def make_cache(self, capacity: int) -> StaticCache:
        cache = _like(super().make_cache(capacity), _KeepsUnrotated)
        cache.rotary = self.model.model.rotary
        return cache


class RepeatedHeads(Decode):
    """Shared heads are repeated before they are cached: the same numbers, several times over."""

    def make_cache(self, capacity: int) -> StaticCache:
        config, model = self.model.config, self.model
        every = config.replace(num_kv_heads=config.num_heads)
        return _RepeatsHeads(every, self.rows, capacity, model.device, model.dtype)


class _RotatesOnRead(StaticCache):
    rotary: RotaryEmbedding

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        all_keys, all_values = super().write(layer, slots, keys, values)
        return apply_rope(all_keys, *self.rotary(self.positions.clamp(min=0))), all_values


class _KeepsUnrotated(StaticCache):
    rotary: RotaryEmbedding

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        return super().write(layer, slots, apply_rope(keys, *self.rotary(-slots)), values)


class _RepeatsHeads(StaticCache):
    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        copies = self.keys[layer].shape[1] // keys.shape[1]
        return super().write(
            layer, slots, keys.repeat_interleave(copies, 1), values.repeat_interleave(copies, 1)
        )


def _like(cache: StaticCache, kind: Any) -> Any:
    """The same cache with another way to write."""
    cache.__class__ = kind
    return cache


@contextmanager
def rotating_at(model: MiniMind, position: int) -> Iterator[None]:
    """While this is open, every token is rotated as if it stood at that position."""
    assert model.model.rotary is not None
    with model.model.rotary.register_forward_pre_hook(
        lambda _module, args: (torch.full_like(args[0], position),)
    ):
        yield


FAULTS: dict[str, type[Decode]] = {
    "no_offset": NoOffset,
    "stuck": Stuck,
    "rotated_twice": RotatedTwice,
    "unrotated": Unrotated,
    "causal_flag": CausalFlag,
    "unmasked": Unmasked,
    "forgets": Forgets,
    "fed_twice": FedTwice,
    "stale": Stale,
    "swapped": Swapped,
    "repeated_heads": RepeatedHeads,
}
