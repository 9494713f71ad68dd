"""Random numbers that belong to a request: a pure function of (seed, token index, vocabulary id).

A stateful generator ties a request's tokens to what else is in its batch. Here the noise of a
request's n-th token is computed, not drawn from a queue: SplitMix64 (Steele, Lea, Flood 2014) used
as a counter-based generator, like Philox in cuRAND. So it is the same alone, in any batch and at any
batch row, costs one pass for all requests together, can be recomputed after a pause, and may run
inside `torch.compile` and a captured CUDA graph. The integers are equal on every device; the
logarithm may differ in its last bit. It does not choose tokens (that is `sampling.sample`), and it is
not for secrets.

Shapes: B requests, V vocabulary ids.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from minimind_core.device import upload

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LOW_63 = (1 << 63) - 1
_STRIDE = 1 << 32
"""Numbers set aside for one token index: more than any vocabulary has ids."""


class RequestNoise:
    """Noise for the B rows of a batch, each with its own seed and its own count of tokens drawn.

    `keys` and `steps` (both int64 [B]) are static buffers that only change in place, so a CUDA graph
    may capture `draw`. A row that is handed to another request is `assign`ed first.

    >>> alone, batch = RequestNoise([7], vocab_size=4), RequestNoise([3, 7], vocab_size=4)
    >>> torch.equal(alone.draw()[0], batch.draw()[1])
    True
    """

    def __init__(
        self, seeds: Sequence[int | None], vocab_size: int, device: torch.device | str = "cpu"
    ) -> None:
        self.columns = noise_columns(vocab_size, device)  # [V]
        self.keys = torch.tensor([noise_key(seed) for seed in seeds], dtype=torch.int64, device=device)
        self.steps = torch.zeros_like(self.keys)

    def assign(self, row: int, seed: int | None, step: int = 0) -> None:
        """Give `row` to a request whose next token is its `step`-th, counted from 0. No host sync."""
        self.keys[row] = noise_key(seed)
        self.steps[row] = step

    def assign_rows(self, rows: Tensor, seeds: Sequence[int | None]) -> None:
        """Give each of `rows` int64 [R] to a request that has no token yet. No host sync."""
        self.keys[rows] = upload([noise_key(seed) for seed in seeds], self.keys.device)
        self.steps[rows] = 0

    def first(self, rows: int) -> RequestNoise:
        """The noise of the first rows; shares this one's memory."""
        first = copy.copy(self)
        first.keys, first.steps = self.keys[:rows], self.steps[:rows]
        return first

    def draw(self, out: Tensor | None = None) -> Tensor:
        """Exponential(1) noise for each row's next token, fp32 [B, V]; then each row moves on by one.

        `out`, if given, is a buffer of that shape which is filled and returned. No host sync.
        """
        noise = exponential_noise(self.keys, self.steps, self.columns)
        self.steps.add_(1)
        return noise if out is None else out.copy_(noise)


def noise_key(seed: int | None) -> int:
    """A seed as the int64 start of its stream, mixed so that seeds 0, 1, 2 lie far apart; None is fresh."""
    seed = secrets.randbits(63) if seed is None else seed
    return _signed(_mix_int(seed + _GAMMA))


def noise_columns(vocab_size: int, device: torch.device | str = "cpu") -> Tensor:
    """Each vocabulary id's place in a stream, int64 [V].

    A table, made outside any compiled graph: in generated C++ the loop index times this constant would
    overflow, which the C++ compiler may assume never happens, and it then breaks the loop.
    """
    assert 0 < vocab_size <= _STRIDE, vocab_size
    return torch.arange(1, vocab_size + 1, device=device) * _signed(_GAMMA)


def exponential_noise(keys: Tensor, steps: Tensor, columns: Tensor) -> Tensor:
    """Exponential(1) noise, fp32 [*, V], of streams `keys` at token indices `steps` (int64, broadcast).

    keys [B, 1] with steps [S] gives a block of S tokens ahead, [B, S, V]. Values lie in [2^-63, 16.7],
    with full relative precision near 0, which is where an exponential race is decided. `columns` [V] is
    `noise_columns(V)`.
    """
    first = keys + steps * _signed(_STRIDE * _GAMMA)  # [*]
    bits = _mix(first.unsqueeze(-1) + columns)  # [*, V]
    uniform = ((bits & _LOW_63) | 1).float() * 2.0**-63  # in (0, 1]
    return -torch.log1p(-uniform.clamp(max=1 - 2.0**-24))


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's output function on int64, wrapping; shifts are masked to be logical. `z` is consumed."""
    z ^= (z >> 30) & (1 << 34) - 1
    z *= _signed(_MIX_1)
    z ^= (z >> 27) & (1 << 37) - 1
    z *= _signed(_MIX_2)
    return z.bitwise_xor_((z >> 31) & (1 << 33) - 1)


def _mix_int(z: int) -> int:
    """`_mix` on a Python integer, modulo 2^64."""
    z &= (1 << 64) - 1
    z = (z ^ (z >> 30)) * _MIX_1 & (1 << 64) - 1
    z = (z ^ (z >> 27)) * _MIX_2 & (1 << 64) - 1
    return z ^ (z >> 31)


def _signed(z: int) -> int:
    """The int64 with the same 64 bits as `z` modulo 2^64."""
    z &= (1 << 64) - 1
    return z - (1 << 64) if z >> 63 else z
