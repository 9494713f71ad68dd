"""Probes that take a part out and test it alone, each answered in one word. Imports torch.

Shapes: B rows, T tokens, H num_heads, K num_kv_heads, D head_dim, V vocabulary ids.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labs.q11_nan.answers import Answers, Probe
from minimind_core.model import minimind

SAME = 1e-3
"""Outputs that differ by less than this share of their size are the same."""
PLACE = 2
"""The position that a test vector is rotated to."""


def first_apart(subject: Answers, healthy: Answers) -> str:
    """The first place of the forward pass whose output is not the healthy one."""
    for place, output in subject.outputs.items():
        right = healthy.outputs[place]
        if float((output - right).norm() / right.norm()) > SAME:
            return place
    return "not_in_forward"


def leak(subject: Answers, _healthy: Answers) -> str:
    """How far before a changed last token logits change with it."""
    apart = (subject.last_changed - subject.logits)[:, :-1].abs().amax((0, 2))  # [T - 1]
    moved = int((apart > SAME).sum())
    return "nowhere" if moved == 0 else "everywhere" if moved == len(apart) else "near_the_end"


def itself(subject: Answers, _healthy: Answers) -> str:
    """Whether the tokens of the first layer look at themselves; the first token can do nothing else."""
    diagonal = subject.attention.diagonal(0, -2, -1)[..., 1:]
    return "reaches" if float(diagonal.abs().max()) > 0 else "does_not_reach"


def sums(subject: Answers, _healthy: Answers) -> str:
    """Which way the weights of the first layer's attention add up to 1."""
    rows, columns = ((subject.attention.sum(axis) - 1).abs().max() for axis in (-1, -2))
    return "by_row" if float(rows) < SAME else "by_column" if float(columns) < SAME else "neither_way"


def wiring(subject: Answers, _healthy: Answers) -> str:
    """Which query heads read a 1 that stands in the values of KV head 0 alone."""
    config = subject.model.config
    heads, shared, width = config.num_heads, config.num_kv_heads, config.head_dim
    keys = subject.logits.new_zeros(1, shared, width, width)  # as many tokens as a head is wide
    values = keys.clone()
    values[:, 0] = 1.0
    read = minimind.attend(keys.new_zeros(1, heads, width, width), keys, values, None, "eager")
    reads = tuple((read[0, :, -1].abs().amax(-1) > 0).tolist())  # [H]
    group = heads // shared
    known = {
        tuple(head < group for head in range(heads)): "as_groups",
        tuple(head % shared == 0 for head in range(heads)): "in_turn",
        (True,) * heads: "all_of_them",
        (False,) * heads: "none",
    }
    return known.get(reads, "other")


def rotation_pairs(subject: Answers, _healthy: Answers) -> str:
    """Which numbers of a unit vector are not zero after the rotation."""
    turned, _ = _rotated(subject, unit=True)
    numbers = turned.abs().gt(SAME).nonzero().flatten().tolist()
    known = {(0,): "not_turned", (0, 1): "neighbours", (0, len(turned) // 2): "halves"}
    return known.get(tuple(numbers), "other")


def rotation_keys(subject: Answers, _healthy: Answers) -> str:
    """How a key turns at the position at which a query turns."""
    query, key = (torch.atan2(x[len(x) // 2], x[0]) for x in _rotated(subject, unit=True))
    if abs(float(key - query)) < SAME:
        return "alike"
    return "not_turned" if abs(float(key)) < SAME else "backwards" if float(key) < 0 else "by_another_angle"


def rotation_length(subject: Answers, _healthy: Answers) -> str:
    """Whether the rotation keeps a vector's length."""
    turned, _ = _rotated(subject, unit=False)
    start = _vector(subject, unit=False)
    return "stays" if abs(float(turned.norm() / start.norm()) - 1) < SAME else "changes"


def norm_alone(subject: Answers, _healthy: Answers) -> str:
    """What the first norm makes of a vector of small equal numbers; it should be the norm's weight."""
    norm = subject.model.model.layers[0].input_layernorm
    weight = norm.weight.detach()  # [C]
    with torch.no_grad():
        output = norm(torch.full_like(weight, 0.1)[None, None])[0, 0]  # [C]
    if float(output.norm()) < SAME:
        return "zeros"
    if float((output - 1).abs().max()) < 0.01:
        return "ones"
    ratio = float(output.norm() / weight.norm())
    return "its_weight" if abs(ratio - 1) < 0.01 else "smaller" if ratio < 1 else "larger"


def target(subject: Answers, _healthy: Answers) -> str:
    """Which token the loss after the fifth one wants to be likelier, by its gradient."""
    logits, rows, place = subject.logits[:1].clone().requires_grad_(), subject.rows[:1], 4
    (gradient,) = torch.autograd.grad(subject.subject.loss(logits, rows).sum(), logits)
    wanted = int(gradient[0, place].argmin())
    ids = rows[0, place : place + 3].tolist()
    names = dict(zip(ids[::-1], ("after_next", "next", "own"), strict=True))
    return names.get(wanted, "other")


PROBES: dict[str, Probe] = {
    "first_apart": first_apart,
    "leak": leak,
    "itself": itself,
    "sums": sums,
    "wiring": wiring,
    "rotation_pairs": rotation_pairs,
    "rotation_keys": rotation_keys,
    "rotation_length": rotation_length,
    "norm_alone": norm_alone,
    "target": target,
}


def _vector(subject: Answers, *, unit: bool) -> Tensor:
    """A test vector [D]: 1 and zeros, or 1, 2, 3, …"""
    width = subject.model.config.head_dim
    numbers = torch.arange(1.0, width + 1, device=subject.rows.device)
    return (numbers == 1).float() if unit else numbers


def _rotated(subject: Answers, *, unit: bool) -> tuple[Tensor, Tensor]:
    """The test vector as a query and as a key [D] each, rotated to `PLACE`."""
    model, config = subject.model, subject.model.config
    positions = torch.arange(2 * PLACE, device=subject.rows.device)
    assert model.model.rotary is not None, "a model with RoPE"
    rotation = model.model.rotary(positions)
    turned = []
    for heads in (config.num_heads, config.num_kv_heads):
        vectors = _vector(subject, unit=unit).expand(1, heads, len(positions), -1)
        turned.append(minimind.apply_rope(vectors, *rotation)[0, 0, PLACE])
    return turned[0], turned[1]
