"""From logits to the next token: penalty, temperature, top-k, top-p, min-p, then an exponential race.

The order is that of transformers: repetition penalty -> temperature -> top-k -> top-p -> min-p, each
acting on what the one before left, renormalised. Rules where codebases differ:

- top-p keeps the *smallest* set of most likely tokens whose mass is at least p (Holtzman et al. 2019),
  so the token that crosses p is kept and one that only follows it is not;
- equal logits rank by lowest id, so top-k keeps exactly k and greedy takes the lowest id;
- temperature 0 is greedy: a one-hot row. A logit of -inf is never chosen.

Nothing in the hot path reads a value back to the host, so all of it runs inside `torch.compile` and a
captured CUDA graph. The price: rows without any candidate (all -inf, or NaN) are not noticed there;
`check_logits` is the place that looks. It does not stop, stream or batch (that is `generate.py`), and
has no typical-p or beam search.

Shapes: B requests, V vocabulary ids; * is any leading shape. A setting is a number, or a tensor that
broadcasts against [*, V], such as [B, 1] for a batch whose requests differ. A number that switches its
filter off costs nothing; a tensor always costs its filter, and gives bit for bit what the number gives.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from minimind_core.decoding.request_noise import RequestNoise
from minimind_core.decoding.sampling_params import SamplingParams, check_setting
from minimind_core.errors import NumericsError

__all__ = [
    "RequestNoise",
    "SamplingParams",
    "apply_repetition_penalty",
    "batch_settings",
    "check_logits",
    "filter_logits",
    "next_tokens",
    "sample",
    "seen_tokens",
]


def filter_logits(
    logits: Tensor,
    temperature: float | Tensor = 1.0,
    top_k: int | Tensor = 0,
    top_p: float | Tensor = 1.0,
    min_p: float | Tensor = 0.0,
) -> Tensor:
    """Probabilities [*, V] of the next token; removed tokens are exactly 0, rows sum to 1.

    Computed and returned in fp32 (fp64 for fp64 logits); `logits` stay as they are. Raises ConfigError
    for a number out of range; a tensor setting is not looked at.

    >>> filter_logits(torch.tensor([8.0, 7.0, 6.0, 3.0, 2.0]), top_p=0.9)
    tensor([0.7311, 0.2689, 0.0000, 0.0000, 0.0000])
    """
    _check_numbers(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    scores = _full_precision(logits)  # [*, V]
    top = scores.argmax(-1, keepdim=True)  # [*, 1], the lowest id of equals
    if _is_off(temperature, 0):
        return torch.zeros_like(scores).scatter(-1, top, 1.0)
    keep: Tensor | None = None
    scores = scores - scores.gather(-1, top)  # the top is 0, so a tiny temperature cannot overflow it
    if not _is_off(temperature, 1):
        temperature = _as_tensor(temperature, scores)
        scores = scores / torch.where(temperature == 0, 1, temperature)
        ids = torch.arange(scores.shape[-1], device=scores.device)
        keep = (temperature != 0) | (ids == top)  # [*, V], greedy rows keep their top
    if not (_is_off(top_k, 0) and _is_off(top_p, 1)):
        keep = _and(keep, _keep_ranked(scores, top_k, top_p))
    if not _is_off(min_p, 0):
        keep = _and(keep, scores.exp() >= _as_tensor(min_p, scores))  # exp(score) is p / p_top
    return torch.softmax(scores if keep is None else scores.masked_fill(~keep, -math.inf), -1)


def apply_repetition_penalty(logits: Tensor, seen_mask: Tensor, penalty: float | Tensor) -> Tensor:
    """Logits [*, V] in which the seen tokens (bool [*, V]) are less likely, by CTRL's sign rule.

    Positive logits are divided by the penalty and negative ones multiplied, for dividing a negative
    logit would raise it. fp16 and bf16 come back as fp32; `logits` stay as they are.

    >>> apply_repetition_penalty(torch.tensor([3.0, -2.0, -2.0]), torch.tensor([True, True, False]), 1.2)
    tensor([ 2.5000, -2.4000, -2.0000])
    """
    _check_numbers(repetition_penalty=penalty)
    scores = _full_precision(logits)
    penalty = _as_tensor(penalty, scores)
    return torch.where(seen_mask, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def seen_tokens(ids: Tensor, vocab_size: int) -> Tensor:
    """Which tokens occur in ids [B, T] int64, as a mask bool [B, V]; negative ids (padding) are skipped.

    A decode loop keeps the mask and adds the new ids [B, 1] by `mask.scatter_(-1, ids, True)`.
    """
    mask = torch.zeros(ids.shape[0], vocab_size + 1, dtype=torch.bool, device=ids.device)
    return mask.scatter_(-1, torch.where(ids < 0, vocab_size, ids), True)[:, :vocab_size]


def sample(probabilities: Tensor, noise: Tensor | torch.Generator) -> Tensor:
    """Draw one id a row from probabilities [*, V], as int64 [*], without a host sync.

    The exponential race: with independent E_i ~ Exp(1) the largest p_i / E_i is i with probability p_i.
    `noise` is E [*, V], positive, such as `RequestNoise.draw()` gives, or a generator to draw it from;
    with a generator a row's token depends on the batch it is in.
    """
    if isinstance(noise, torch.Generator):
        smallest = torch.finfo(probabilities.dtype).tiny  # exponential_ may give 0, and 0 / 0 would win
        noise = torch.empty_like(probabilities).exponential_(generator=noise).clamp_(min=smallest)
    return (probabilities / noise).argmax(-1)


def next_tokens(
    logits: Tensor,
    noise: Tensor | torch.Generator | None = None,
    *,
    seen_mask: Tensor | None = None,
    repetition_penalty: float | Tensor = 1.0,
    **settings: Any,
) -> Tensor:
    """The next ids int64 [*] for logits [*, V]: penalty, `filter_logits(**settings)`, `sample`.

    `seen_mask` bool [*, V] is needed for a penalty. Greedy by the number 0 needs no noise.

    >>> next_tokens(torch.tensor([[1.0, 5.0, 5.0]]), temperature=0)
    tensor([1])
    """
    if not _is_off(repetition_penalty, 1):
        assert seen_mask is not None, "a repetition penalty needs the mask of seen tokens"
        logits = apply_repetition_penalty(logits, seen_mask, repetition_penalty)
    if _is_off(settings.get("temperature", 1.0), 0):
        return logits.argmax(-1)
    assert noise is not None, "sampling needs noise or a generator"
    return sample(filter_logits(logits, **settings), noise)


def batch_settings(
    params: Sequence[SamplingParams], device: torch.device | str = "cpu", *, as_tensors: bool = False
) -> dict[str, Any]:
    """Keyword settings of `next_tokens` for one batch, row i by params[i].

    A setting that all rows share stays a number, which lets its filter be skipped; the others become
    tensors [B, 1]. `as_tensors` makes every one a tensor, for a captured graph whose rows change.
    """
    settings: dict[str, Any] = {}
    floating = _accumulator(torch.device(device))
    for field in dataclasses.fields(SamplingParams):
        if field.name == "seed":
            continue
        values = [getattr(p, field.name) for p in params]
        if as_tensors or len(set(values)) > 1:
            dtype = torch.int64 if field.name == "top_k" else floating
            settings[field.name] = torch.tensor(values, dtype=dtype, device=device).unsqueeze(-1)  # [B, 1]
        else:
            settings[field.name] = values[0]
    return settings


def check_logits(logits: Tensor) -> None:
    """Look on the host whether every row of logits [*, V] has a candidate. Syncs; not for the hot path.

    Raises NumericsError for rows that hold NaN or +inf, or nothing but -inf.
    """
    top = _full_precision(logits).amax(-1)  # NaN wins amax
    if bool((torch.isnan(top) | (top == -math.inf)).any()):
        raise NumericsError(
            "These logits contain no candidate: they are NaN or all -inf, so try other weights "
            "or give at least one finite logit.",
            key="generate.no_candidate",
        )
    if bool((top == math.inf).any()):
        raise NumericsError(
            "These logits overflowed to infinity; compute them in float32 or bfloat16.",
            key="generate.overflow",
        )


def _keep_ranked(scores: Tensor, top_k: int | Tensor, top_p: float | Tensor) -> Tensor:
    """Which of scores [*, V] top-k, then top-p leave, as bool [*, V]: a prefix of the sorted order."""
    vocab_size = scores.shape[-1]
    ordered, order = torch.sort(scores, dim=-1, descending=True, stable=True)  # [*, V], ties by lowest id
    ranks_in_order = torch.arange(vocab_size, device=scores.device)  # [V]
    size = _as_tensor(top_k, ranks_in_order)  # how many stay, broadcasts against [*, 1]
    size = torch.where(size == 0, vocab_size, size)
    if not _is_off(top_p, 1):
        if not _is_off(top_k, 0):
            ordered = ordered.masked_fill(ranks_in_order >= size, -math.inf)
        mass = torch.softmax(ordered, -1).to(_accumulator(scores.device)).cumsum(-1)  # [*, V]
        mass = mass / mass[..., -1:]  # fp32 probabilities do not sum to 1, and p is a share of all of it
        top_p = _as_tensor(top_p, mass)
        nucleus = 1 + (mass[..., :-1] < top_p).sum(-1, keepdim=True)  # [*, 1], the crossing token included
        size = torch.where(top_p < 1, torch.minimum(size, nucleus), size)
    ranks = torch.zeros_like(order).scatter(-1, order, ranks_in_order.expand_as(order))  # [*, V], by id
    return ranks < size


def _accumulator(device: torch.device) -> torch.dtype:
    """fp64 (MPS has none): a sum of fp32 probabilities hardly rounds there, so its order hardly matters."""
    return torch.float32 if device.type == "mps" else torch.float64


def _full_precision(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _as_tensor(value: float | Tensor, like: Tensor) -> Tensor:
    """A setting in the dtype and on the device of `like`: numbers and tensors then round alike."""
    if isinstance(value, Tensor):
        return value.to(like.dtype)
    return torch.full((), value, dtype=like.dtype, device=like.device)


def _and(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first & second


def _is_off(value: float | Tensor, off: float) -> bool:
    """True where a number (never a tensor, which would need a sync) equals its filter's off value."""
    return not isinstance(value, Tensor) and value == off


def _check_numbers(**settings: float | Tensor) -> None:
    for name, value in settings.items():
        if not isinstance(value, Tensor):
            check_setting(name, value)
