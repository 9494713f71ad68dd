"""Drafts that are trained for a target: on the next tokens of a text, or on what the target expects there.

The second is distillation: the loss is the cross-entropy of the draft against the target's own distribution,
so that the draft learns what it will be compared with, not what the text happened to say. Imports torch.

Shapes: B rows, T tokens, V vocabulary ids, C hidden_size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.tools.models import untrained
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from minimind_core.training.optimizer import clip_gradients, make_optimizers, set_learning_rate
from minimind_core.training.training_config import TrainingConfig, learning_rate_factor

Teacher = Literal["text", "target"]
WARMUP, FINAL_RATE = 5, 0.1


class Arm(NamedTuple):
    """A draft, and what it learns from."""

    model: MiniMind
    teacher: Teacher


class Written(NamedTuple):
    """Texts ids int64 [B, T] of which the target chose every token from `start` on, at that temperature.

    `laws` [B, T - start, V] are what it chose them from.
    """

    ids: Tensor
    start: int
    temperature: float
    laws: Tensor


def fresh_arms(
    target: MiniMind, shapes: Mapping[str, ModelConfig], teachers: Mapping[str, Teacher], seed: int
) -> dict[str, Arm]:
    """An untrained draft of each shape, with its teacher; equal shapes begin alike."""
    return {name: Arm(fresh_draft(target, shape, seed), teachers[name]) for name, shape in shapes.items()}


def fresh_draft(target: MiniMind, shape: ModelConfig, seed: int) -> MiniMind:
    """A draft of that shape with untrained layers over the target's embedding.

    A narrower one begins with the strongest directions of it: the closest matrix of so few columns, as seen
    by the products of its rows.
    """
    draft = untrained(shape, target.device, seed)
    table = target.model.embed_tokens.weight.detach().float()  # [V, C]
    with torch.no_grad():
        if shape.hidden_size < table.shape[1]:
            rows, sizes, _ = torch.linalg.svd(table, full_matrices=False)
            table = rows[:, : shape.hidden_size] * sizes[: shape.hidden_size]
        draft.model.embed_tokens.weight.copy_(table)
    return draft


def train(
    target: MiniMind, arms: Mapping[str, Arm], rows: Tensor, batch: int, steps: int, rate: float
) -> Iterator[int]:
    """Train all arms on the same batches of rows int64 [N, T + 1]; yields the steps that are done."""
    config = TrainingConfig(steps=steps, optimizer="muon", learning_rate=rate, warmup_steps=WARMUP)
    optimizers = {name: make_optimizers(arm.model, config) for name, arm in arms.items()}
    for step in range(steps):
        at = torch.arange(step * batch, (step + 1) * batch) % len(rows)
        ids = rows[at].to(target.device)
        with torch.no_grad():
            expected = target(ids[:, :-1]).float().softmax(-1)  # [B, T, V]
        factor = learning_rate_factor("cosine", step, steps, WARMUP, FINAL_RATE)
        for name, arm in arms.items():
            set_learning_rate(optimizers[name], rate * factor)
            goal = expected.flatten(0, 1) if arm.teacher == "target" else ids[:, 1:].flatten()
            F.cross_entropy(arm.model(ids[:, :-1]).flatten(0, 1), goal).backward()
            clip_gradients([p.grad for p in arm.model.parameters() if p.grad is not None], config.clip_norm)
            for optimizer in optimizers[name]:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        yield step + 1


@torch.no_grad()
def written_by(
    target: MiniMind,
    prompts: Sequence[Sequence[int]],
    count: int,
    temperature: float,
    seed: int,
    check: Callable[[], object],
) -> Written:
    """`count` tokens after each prompt (ids, one length), drawn from the target. `check` may raise."""

    def heard() -> bool:
        check()
        return False

    length = len(prompts[0])
    generator = Generator(target, len(prompts), length + count)
    params = [SamplingParams(temperature, seed=seed + row) for row in range(len(prompts))]
    new_ids = generator.generate(prompts, params, count, check_every=4, should_stop=heard).new_ids
    ids = torch.tensor([[*prompt, *new] for prompt, new in zip(prompts, new_ids, strict=True)])
    ids = ids.to(target.device)
    return Written(ids, length, temperature, _laws(target, ids, length, temperature))


@torch.no_grad()
def acceptances(arms: Mapping[str, Arm], written: Written) -> dict[str, float]:
    """How often the exact rule keeps a token that each arm drafts there: the mean sum of min(p, q).

    The places are those of texts that the target wrote itself, for that is where it is drafted for.
    """
    found = {}
    for name, arm in arms.items():
        laws = _laws(arm.model, written.ids, written.start, written.temperature)
        found[name] = float(torch.minimum(written.laws, laws).sum(-1).mean())
    return found


def _laws(model: MiniMind, ids: Tensor, start: int, temperature: float) -> Tensor:
    """What each token of ids int64 [B, T] from `start` on is drawn from, [B, T - start, V]."""
    logits = model(ids[:, :-1])[:, start - 1 :].float()
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    return (logits / temperature).softmax(-1)
