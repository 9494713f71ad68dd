"""Forty one-line bugs that raise nothing, as patches on a copy of the real model. Imports torch.

Each is what somebody has written by mistake. While `mutated` is open the classes of the core are patched, so
that nothing else may use them in this process; afterwards all is as it was.

Shapes: B rows, T tokens, H num_heads, K num_kv_heads, D head_dim, C hidden_size, V vocab_size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q11_nan.mutant_weights import WEIGHTS
from labs.tools.models import copied
from minimind_core.model import minimind
from minimind_core.model.minimind import FeedForward, Layer, MiniMind, RMSNorm

Loss = Callable[[Tensor, Tensor], Tensor]


def shifted_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Nats of each target: logits [B, T, V], ids [B, T] -> [B, T - 1]. What is right."""
    return each(logits[:, :-1], ids[:, 1:])


def each(logits: Tensor, targets: Tensor) -> Tensor:
    """Nats of each target, logits [B, T, V] and targets [B, T] -> [B, T]."""
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


@dataclass(frozen=True)
class Subject:
    """A model that may be wrong, and the loss that it is trained with."""

    model: MiniMind
    loss: Loss = shifted_loss


@contextlib.contextmanager
def mutated(name: str, model: MiniMind) -> Iterator[Subject]:
    """A copy of the model with the bug of that name; "healthy" has none.

    What is drawn by chance inside is the same every time and on every device: it is drawn on the CPU.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=()))
        torch.default_generator.manual_seed(0)
        subject = Subject(copied(model).eval())
        subject.model.use_attention("eager")
        if name in LOSSES:
            subject = Subject(subject.model, LOSSES[name])
        elif name in PATCHES:
            owner, attribute, value = PATCHES[name]
            stack.enter_context(mock.patch.object(owner, attribute, value))
        elif name != "healthy":
            with torch.no_grad():
                WEIGHTS[name](subject.model)
        yield subject


# --- attention: what `attend` may get wrong. queries [B, H, T, D], keys and values [B, K, T, D] ---


def _attention(
    *,
    scale: Callable[[int], float] = lambda width: width**-0.5,
    mask: Callable[[int], Tensor] = lambda length: torch.ones(length, length, dtype=torch.bool).tril(),
    weigh: Callable[[Tensor, Tensor], Tensor] = lambda scores, seen: scores.masked_fill(
        ~seen, -torch.inf
    ).softmax(-1),
    repeat: Callable[[Tensor, int], Tensor] = lambda shared, group: shared.repeat_interleave(group, 1),
    value: Callable[[Tensor, Tensor], Tensor] = lambda keys, values: values,
    finish: Callable[[Tensor], Tensor] = lambda attended: attended,
) -> Callable[..., Tensor]:
    def attend(queries: Tensor, keys: Tensor, values: Tensor, _visible: object, _kind: str) -> Tensor:
        group = queries.shape[1] // keys.shape[1]
        full_keys, full_values = repeat(keys, group), repeat(value(keys, values), group)  # [B, H, T, D]
        scores = queries @ full_keys.transpose(-1, -2) * scale(queries.shape[-1])  # [B, H, T, T]
        seen = mask(queries.shape[2]).to(queries.device)
        return finish(weigh(scores, seen) @ full_values)

    return attend


def _square(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool)


def _not_itself(length: int) -> Tensor:
    mask = _square(length).tril(-1)
    mask[0, 0] = True  # somewhere the first has to look
    return mask


def _one_head_lost(attended: Tensor) -> Tensor:
    return attended * (torch.arange(attended.shape[1], device=attended.device) != 2)[:, None, None]


def _heads_mixed(attended: Tensor) -> Tensor:
    """As a `view` without the transposition back: [B, H, T, D] read as [B, T, H, D]."""
    batch, heads, length, width = attended.shape
    return attended.reshape(batch, length, heads, width).transpose(1, 2)


ATTENTION = {
    "no_scale": _attention(scale=lambda width: 1.0),
    "scale_twice": _attention(scale=lambda width: 1 / width),
    "scale_of_hidden": _attention(scale=lambda width: 512**-0.5),
    "no_causal_mask": _attention(mask=_square),
    "one_ahead": _attention(mask=lambda length: _square(length).tril(1)),
    "not_itself": _attention(mask=_not_itself),
    "short_window": _attention(mask=lambda length: _square(length).tril().triu(-7)),
    "mask_after_softmax": _attention(weigh=lambda scores, seen: scores.softmax(-1) * seen),
    "small_minus": _attention(weigh=lambda scores, seen: (scores - 3.0 * ~seen).softmax(-1)),
    "softmax_over_queries": _attention(
        weigh=lambda scores, seen: scores.masked_fill(~seen, -torch.inf).softmax(-2)
    ),
    "heads_tiled": _attention(repeat=lambda shared, group: shared.repeat(1, group, 1, 1)),
    "first_kv_head": _attention(
        repeat=lambda shared, group: shared[:, :1].expand(-1, group * shared.shape[1], -1, -1)
    ),
    "keys_as_values": _attention(value=lambda keys, values: keys),
    "head_lost": _attention(finish=_one_head_lost),
    "heads_mixed": _attention(finish=_heads_mixed),
}

# --- rotation: `apply_rope(x [B, heads, T, D], cos, sin [1, 1, T, D])`, called for queries, then for keys ---


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def _neighbours(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs (0, 1), (2, 3), … instead of (0, D/2), …: with weights that were trained on halves."""
    half = cos.shape[-1] // 2
    cos, sin = (table[..., :half].repeat_interleave(2, -1) for table in (cos, sin))
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)  # [.., D/2, 2] -> [.., D]
    return x * cos + turned * sin


def _queries_only(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return _rotated(x, cos, sin) if x.shape[1] == 8 else x


def _keys_backwards(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return _rotated(x, cos, sin if x.shape[1] == 8 else -sin)


def _keys_late(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The keys are rotated by the position before their own."""
    return _rotated(x, *((t if x.shape[1] == 8 else t.roll(1, -2)) for t in (cos, sin)))


ROTATION = {
    "pairs_of_neighbours": _neighbours,
    "queries_only": _queries_only,
    "keys_backwards": _keys_backwards,
    "keys_late": _keys_late,
    "no_rotation": lambda x, cos, sin: x,
    "sign_of_sine": lambda x, cos, sin: x * cos + torch.cat([*x.chunk(2, -1)[::-1]], -1) * sin,
}

# --- norms, feed-forward, residual stream, head ---


def _norm(self: RMSNorm, x: Tensor, *, eps: float | None = None) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps if eps is None else eps)


def _plain_residual(layer: Layer, hidden: Tensor, inputs: minimind.AttentionInputs) -> Tensor:
    normed = layer.input_layernorm(hidden)
    hidden = normed + layer.self_attn(normed, inputs)
    normed = layer.post_attention_layernorm(hidden)
    return normed + layer.mlp(normed)


def _one_norm(layer: Layer, hidden: Tensor, inputs: minimind.AttentionInputs) -> Tensor:
    hidden = hidden + layer.self_attn(layer.input_layernorm(hidden), inputs)
    return hidden + layer.mlp(layer.input_layernorm(hidden))


def _no_gradient(layer: Layer, hidden: Tensor, inputs: minimind.AttentionInputs) -> Tensor:
    hidden = hidden + layer.self_attn(layer.input_layernorm(hidden), inputs).detach()
    return hidden + layer.mlp(layer.post_attention_layernorm(hidden))


def _feed(activate: Callable[[Tensor], Tensor], *, swapped: bool = False) -> Callable[..., Tensor]:
    def forward(self: FeedForward, x: Tensor) -> Tensor:
        gate, up = self.project(x)
        gate, up = (up, gate) if swapped else (gate, up)
        return self.down_proj(activate(gate) * up)

    return forward


def _patches(
    owner: object, attribute: str, values: dict[str, object]
) -> dict[str, tuple[object, str, object]]:
    return {name: (owner, attribute, value) for name, value in values.items()}


PATCHES = {
    **_patches(minimind, "attend", dict(ATTENTION)),
    **_patches(minimind, "apply_rope", dict(ROTATION)),
    **_patches(
        RMSNorm,
        "forward",
        {
            "large_eps": lambda self, x: _norm(self, x, eps=0.1),
            "norm_without_weight": lambda self, x: F.rms_norm(x, (x.shape[-1],), None, self.eps),
            "layer_norm": lambda self, x: F.layer_norm(x, (x.shape[-1],), self.weight, None, self.eps),
            "weight_plus_one": lambda self, x: F.rms_norm(x, (x.shape[-1],), 1 + self.weight, self.eps),
            "norm_over_time": lambda self, x: x * (x.pow(2).mean(1, True) + self.eps).rsqrt() * self.weight,
        },
    ),
    **_patches(
        FeedForward,
        "forward",
        {"relu": _feed(F.relu), "gelu": _feed(F.gelu), "gate_and_up_swapped": _feed(F.silu, swapped=True)},
    ),
    **_patches(
        Layer,
        "forward",
        {"residual_of_norm": _plain_residual, "one_norm_for_both": _one_norm, "detached": _no_gradient},
    ),
    **_patches(
        MiniMind,
        "head",
        {
            "logits_halved": (lambda self, hidden: F.linear(hidden, self.head_weight) / 2),
            "softmax_twice": (lambda self, hidden: F.linear(hidden, self.head_weight).softmax(-1)),
            "dropout_left_on": (lambda self, hidden: F.linear(_dropped(hidden), self.head_weight)),
        },
    ),
}


def _dropped(hidden: Tensor) -> Tensor:
    """A fifth of the numbers lost, others each time."""
    kept = torch.rand(hidden.shape) >= 0.2
    return hidden * kept.to(hidden) / 0.8


LOSSES: dict[str, Loss] = {
    "no_shift": lambda logits, ids: each(logits, ids),
    "shifted_twice": lambda logits, ids: each(logits[:, :-2], ids[:, 2:]),
    "sum_for_mean": lambda logits, ids: shifted_loss(logits, ids) * logits.shape[1],
    "divided_twice": lambda logits, ids: shifted_loss(logits, ids) / 4,
}
NAMES = (*PATCHES, *WEIGHTS, *LOSSES)
