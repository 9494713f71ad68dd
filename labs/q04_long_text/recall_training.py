"""The arms of the recall experiment: small models that are trained to look facts up. Imports torch.

Every arm that reads row by row is the real `MiniMind`; a step's batch is new, so its own recall before the
update is that of rows the model never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.q04_long_text.readings import local_mask, scaling_for, stretched
from labs.q04_long_text.recall_rows import VOCABULARY, Rows, rows
from labs.q04_long_text.recall_sizes import CHUNKS, KEYS, LAYERS, READ_AT_ONCE
from labs.q04_long_text.two_levels import TwoLevels
from labs.tools.models import copied, untrained
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from minimind_core.training.optimizer import clip_gradients, make_optimizers, set_learning_rate
from minimind_core.training.training_config import TrainingConfig, learning_rate_factor

INIT_STD = 0.1
"""Of matrices this narrow; with the 26M's 0.02 nothing is learned for the first few hundred steps."""
WARMUP, FINAL_RATE, WEIGHT_DECAY = 20, 0.1, 0.01


class Answers(NamedTuple):
    """Logits of the answers [B, K, V]; of the chunk that held the fact [B, K, N], where an arm says it."""

    values: Tensor
    chunks: Tensor | None = None


M = TypeVar("M", bound=nn.Module)
Answer = Callable[[Rows], Answers]
Check = Callable[[], None]


class Plan(NamedTuple):
    """How an arm is trained: `rows` texts a step, of a quarter of the length in the first half of the steps.

    In a short text a look at everything is a fair guess at the fact; in a long one it shows next to nothing,
    and a model that begins there stays at chance for long.
    """

    steps: int
    rate: float
    rows: int
    length: int
    short_first: bool = True

    def length_at(self, step: int) -> int:
        """Tokens of the texts of a step."""
        return self.length // 4 if self.short_first and 2 * step < self.steps else self.length


class Asked(NamedTuple):
    """Of Q questions at one length: right or not, tokens back to the fact, and its place in the text, 0 to 1.

    `chunks` says whether the right chunk was named, where an arm names one.
    """

    hits: Tensor  # bool [Q]
    back: Tensor  # int64 [Q]
    depth: Tensor  # float32 [Q]
    chunks: Tensor | None  # bool [Q]


def shape(length: int) -> ModelConfig:
    """A MiniMind of about 85,000 parameters, trained at `length` tokens of text and the questions behind."""
    return ModelConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_layers=LAYERS,
        num_heads=4,
        num_kv_heads=4,
        head_dim=16,
        intermediate_size=128,
        max_length=length + KEYS,
        rope_theta=1e4,
    )


def fresh_model(length: int, device: str, seed: int) -> MiniMind:
    """An untrained MiniMind of that `shape`."""
    return _drawn(untrained(shape(length), device, seed), seed)


def fresh_levels(length: int, device: str, seed: int) -> TwoLevels:
    """An untrained hierarchy of the same width over CHUNKS chunks of a text of `length` tokens."""
    with torch.random.fork_rng(devices=[]):
        levels = TwoLevels(shape(length), length // CHUNKS)
    return _drawn(levels.to(device), seed)


def with_yarn(model: MiniMind, factor: float) -> MiniMind:
    """A copy with weights of its own whose rotary tables are stretched by `factor`."""
    return stretched(copied(model), scaling_for("yarn", factor, model.config.max_length))


def reader(model: MiniMind, window: int | None = None) -> Answer:
    """How a MiniMind answers: at the questions' own positions, looking at `window` tokens or at all."""

    def answer(batch: Rows) -> Answers:
        ids = batch.ids  # [B, T + K]
        mask = None if window is None else local_mask(ids.shape[1], window, 0, ids.device)
        return Answers(model.head(model.model(ids, mask=mask)[:, -KEYS:]))

    return answer


def hierarchy(model: TwoLevels) -> Answer:
    """How the two levels answer."""
    return lambda batch: Answers(*model(batch.text, batch.asks))


def train(
    module: nn.Module, answer: Answer, plan: Plan, seed: int, device: str
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Train on new rows; yields the steps, and the last one's loss in nats and share of right answers.

    Both stay on the device, so that nobody waits for it. What diverges goes on as NaN and shows it.
    """
    config = TrainingConfig(
        steps=plan.steps, learning_rate=plan.rate, weight_decay=WEIGHT_DECAY, warmup_steps=WARMUP
    )
    optimizers, parameters = make_optimizers(module, config), list(module.parameters())
    generator = torch.Generator(device).manual_seed(seed)
    for step in range(plan.steps):
        factor = learning_rate_factor("linear", step, plan.steps, WARMUP, FINAL_RATE)
        set_learning_rate(optimizers, plan.rate * factor)
        batch = rows(generator, plan.rows, plan.length_at(step))
        answers = answer(batch)
        loss = F.cross_entropy(answers.values.flatten(0, 1), batch.values.flatten())
        told = loss.detach(), (answers.values.detach().argmax(-1) == batch.values).float().mean()
        if answers.chunks is not None:
            chunk = _chunk_of(batch, answers.chunks)
            loss = loss + F.cross_entropy(answers.chunks.flatten(0, 1), chunk.flatten())
        loss.backward()
        clip_gradients([p.grad for p in parameters if p.grad is not None], config.clip_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield step + 1, *told


def ask(answer: Answer, length: int, questions: int, seed: int, device: str, check: Check) -> Asked:
    """Ask so many questions, a multiple of KEYS, about texts of `length` tokens; `check` may raise."""
    generator = torch.Generator(device).manual_seed(seed)
    at_once = max(1, READ_AT_ONCE.on(device) // length)
    left, found = questions // KEYS, []
    while left > 0:
        check()
        batch = rows(generator, min(at_once, left), length)
        left -= at_once
        with torch.no_grad():
            answers = answer(batch)
        right = None
        if answers.chunks is not None:
            right = (answers.chunks.argmax(-1) == _chunk_of(batch, answers.chunks)).flatten()
        hits = (answers.values.argmax(-1) == batch.values).flatten()
        found.append(Asked(hits, batch.back.flatten(), batch.places.flatten() / length, right))
    parts = list(zip(*found, strict=True))
    hits, back, depth = (torch.cat(part).cpu() for part in parts[:3])
    return Asked(hits, back, depth, None if parts[3][0] is None else torch.cat(parts[3]).cpu())


def _drawn(module: M, seed: int) -> M:
    """The module with new matrices, the same for the same seed on any device."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 2:
                drawn = torch.empty(parameter.shape).normal_(std=INIT_STD, generator=generator)
                parameter.copy_(drawn)
    return module


def _chunk_of(batch: Rows, chunks: Tensor) -> Tensor:
    """The chunk that each asked fact stands in: [B, K]; `chunks` [B, K, N] says how many there are."""
    return batch.places * chunks.shape[-1] // batch.text.shape[1]
