"""What can be asked of a model that may be wrong, each answered in one word. Imports torch.

Words are coarse on purpose: they compare with the healthy model, and hold on any machine.

Shapes: B rows, T tokens, V vocabulary ids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from labs.q11_nan import inside
from labs.q11_nan.answers import Answers, Probe

SHIFT = 100
"""Positions that the shifted probe adds; the relative ones stay."""
NEAR = 2e-2
"""Logits that differ by less are the same."""


def loss(subject: Answers, healthy: Answers) -> str:
    """The mean loss."""
    apart = subject.loss - healthy.loss
    if abs(apart) < 0.01:
        return "same"
    if subject.loss > math.log(subject.logits.shape[-1]) + 1:
        return "worse_than_guess"
    if apart < 0:
        return "lower"
    return "little_higher" if apart < 0.3 else "higher" if apart < 2 else "much_higher"


def by_position(subject: Answers, healthy: Answers) -> str:
    """Where in the row the loss is above the healthy one."""
    length = len(healthy.by_position)
    apart = subject.by_position[:length] - healthy.by_position[: len(subject.by_position)]
    first, early, late = float(apart[0]), float(apart[1:8].mean()), float(apart[-8:].mean())
    if max(abs(first), abs(early), abs(late)) < 0.02:
        return "nowhere"
    if abs(first) < 0.02:
        return "later" if late > early + 0.5 else "not_at_first"
    return "everywhere"


def first_logits(subject: Answers, healthy: Answers) -> str:
    """The logits after the first token, which sees itself alone."""
    return _logits_apart(subject.logits[:, 0], healthy.logits[:, 0])


def all_logits(subject: Answers, healthy: Answers) -> str:
    """The logits of every position."""
    return _logits_apart(subject.logits, healthy.logits)


def future(subject: Answers, _healthy: Answers) -> str:
    """Whether earlier logits change with the last token."""
    return _moved(subject.last_changed[:, :-1], subject.logits[:, :-1])


def past(subject: Answers, _healthy: Answers) -> str:
    """Whether the attention of the last token reaches the first one, in the first layer."""
    return "reaches" if float(subject.attention[..., -1, 0].abs().max()) > 0 else "does_not_reach"


def shifted(subject: Answers, _healthy: Answers) -> str:
    """Whether the logits change when all positions grow alike."""
    positions = torch.arange(subject.rows.shape[1], device=subject.rows.device) + SHIFT
    return _moved(_at(subject, positions), _at(subject, positions - SHIFT))


def order(subject: Answers, _healthy: Answers) -> str:
    """Whether the last logits change when two earlier tokens change places."""
    changed = subject.rows.clone()
    changed[:, [4, 9]] = changed[:, [9, 4]]
    return _moved(subject.forward(changed)[:, -1], subject.logits[:, -1])


def attention_map(subject: Answers, healthy: Answers) -> str:
    """Rows of the first layer's attention: what they add up to, where they look, and how widely."""
    weights, right = subject.attention, healthy.attention
    if float((weights.sum(-1) - 1).abs().max()) > 1e-3:
        return "not_one"
    if float(weights.triu(1).abs().max()) > 1e-6:
        return "ahead"
    apart = _entropy(weights) - _entropy(right)
    if float((weights - right).abs().max()) < 1e-3:
        return "same"
    return "sharper" if apart < -0.05 else "flatter" if apart > 0.05 else "other"


def gradient_norm(subject: Answers, healthy: Answers) -> str:
    """The norm of the whole gradient, against the healthy one."""
    ratio = math.hypot(*subject.gradients) / math.hypot(*healthy.gradients)
    if abs(ratio - 1) < 0.01:
        return "same"
    return "tiny" if ratio < 0.1 else "smaller" if ratio < 1 else "larger" if ratio < 10 else "huge"


def dead_weights(subject: Answers, _healthy: Answers) -> str:
    """Whether some weight gets no gradient at all."""
    return "some" if 0.0 in subject.gradients else "none"


def repeats(subject: Answers, _healthy: Answers) -> str:
    """Whether the likeliest next token is the token just read, more often than not."""
    share = float((subject.logits.argmax(-1) == subject.rows).float().mean())
    return "mostly" if share > 0.5 else "seldom"


def twice(subject: Answers, _healthy: Answers) -> str:
    """Whether the same input gives the same output again."""
    return _moved(subject.forward(subject.rows), subject.logits)


def logit_size(subject: Answers, healthy: Answers) -> str:
    """The spread of the logits, against the healthy one."""
    ratio = float(subject.logits.std() / healthy.logits.std())
    if abs(ratio - 1) < 0.01:
        return "same"
    return "tiny" if ratio < 0.1 else "smaller" if ratio < 1 else "larger" if ratio < 3 else "huge"


PROBES: dict[str, Probe] = {
    "loss": loss,
    "by_position": by_position,
    "first_logits": first_logits,
    "all_logits": all_logits,
    "future": future,
    "past": past,
    "shifted": shifted,
    "order": order,
    "attention_map": attention_map,
    "gradient_norm": gradient_norm,
    "dead_weights": dead_weights,
    "repeats": repeats,
    "twice": twice,
    "logit_size": logit_size,
    **inside.PROBES,
}


def ask(subject: Answers, healthy: Answers, names: Sequence[str] = tuple(PROBES)) -> dict[str, str]:
    """The answers of these probes by name."""
    return {name: PROBES[name](subject, healthy) for name in names}


def _logits_apart(logits: Tensor, right: Tensor) -> str:
    apart = (logits - right).abs()
    if float(apart.max()) < NEAR:
        return "same"
    if float((logits / right - logits.flatten()[0] / right.flatten()[0]).abs().median()) < 1e-3:
        return "a_multiple"
    return "near" if float(apart.mean()) < 0.3 else "other"


def _moved(logits: Tensor, before: Tensor) -> str:
    return "changes" if float((logits - before).abs().max()) > NEAR else "stays"


def _at(subject: Answers, positions: Tensor) -> Tensor:
    """Logits of the first row at given positions."""
    return subject.forward(subject.rows[:1], positions)


def _entropy(weights: Tensor) -> float:
    """Mean over rows, in nats."""
    return float(torch.special.entr(weights.clamp(min=0)).sum(-1).mean())
