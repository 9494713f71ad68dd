"""One model for each vocabulary, trained on the same text in the same order. Imports torch.

Documents are cut into pieces and shuffled, so that no stretch of a training is a single file's. A model that
has read all of it begins again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labs.q03_vocabulary.plans import Plan
from labs.tools.models import untrained
from minimind_core.model.config import ModelConfig
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.batches import Batch
from minimind_core.training.data import Document
from minimind_core.training.evaluate import LanguageScore, evaluate
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig

PIECE = 2000
"""Characters of a piece of text."""
AT_ONCE = 64
"""Pieces encoded between two looks for a cancel."""
ALL_OF_IT = 2**31


def shuffled(documents: Sequence[str], characters: int, seed: int) -> list[str]:
    """The documents in pieces, in an order that the seed decides, up to so many characters."""
    pieces = [text[at : at + PIECE] for text in documents for at in range(0, len(text), PIECE)]
    random.Random(seed).shuffle(pieces)
    return pieces[: max(1, characters // PIECE)]


@dataclass(frozen=True)
class Stream:
    """A text as ids int64 [N] in rows of `length`, one after the other; a source of batches."""

    ids: Tensor
    bytes_after: NDArray[np.int64]
    """Bytes of text in the first n ids, [N + 1]."""
    rows: int
    length: int

    def batch(self, step: int) -> Batch:
        """The next `rows` rows of the text."""
        size = self.rows * self.length
        places = (torch.arange(size + 1) + step * size) % len(self.ids)
        taken = self.ids[places]
        return Batch(taken[:-1].view(self.rows, self.length), taken[1:].view(self.rows, self.length))

    def bytes_read(self, steps: int) -> int:
        """Bytes of text that so many batches have passed over, repetitions included."""
        passes, rest = divmod(steps * self.rows * self.length, len(self.ids))
        return int(passes * self.bytes_after[-1] + self.bytes_after[rest])

    def steps_for(self, num_bytes: int) -> int:
        """The fewest batches that pass over so many bytes."""
        passes, rest = divmod(num_bytes, int(self.bytes_after[-1]))
        ids = passes * len(self.ids) + int(np.searchsorted(self.bytes_after, rest))
        return -(-ids // (self.rows * self.length))


def stream(
    tokenizer: Tokenizer, pieces: Sequence[str], plan: Plan, told: Callable[[float], object]
) -> Stream:
    """The pieces as one row of ids, each after a BOS; `told` hears the share done and may raise."""
    ids: list[int] = []
    for start in range(0, len(pieces), AT_ONCE):
        told(start / len(pieces))
        for encoded in tokenizer.encode_batch(list(pieces[start : start + AT_ONCE])):
            ids += [tokenizer.bos_id, *encoded]
    sizes = np.array([len(tokenizer.token_bytes(each)) for each in range(tokenizer.vocab_size)])
    sizes[tokenizer.bos_id] = 0  # no part of the text
    bytes_after = np.concatenate([[0], np.cumsum(sizes[np.array(ids)])])
    return Stream(torch.tensor(ids), bytes_after, plan.rows, plan.length)


def trained(
    config: ModelConfig, source: Stream, plan: Plan, steps: int, seed: int, device: str
) -> Iterator[tuple[int, Trainer]]:
    """Steps done and the trainer, after every step; the rate rises and then stays, whatever follows.

    A rate that fell towards the end would favour the model whose end it is.
    """
    settings = TrainingConfig(
        steps=steps,
        batch_size=plan.rows,
        seq_len=plan.length,
        learning_rate=plan.learning_rate,
        warmup_steps=plan.warmup,
        schedule="constant",
        dtype=plan.dtype,
    )
    trainer = Trainer(untrained(config, device, seed), source, settings)
    for record in trainer.steps():
        yield record.step + 1, trainer


def scored(trainer: Trainer, tokenizer: Tokenizer, text: str, length: int) -> LanguageScore:
    """What the model makes of a whole text: each of its bytes counts once, whatever the vocabulary."""
    trainer.model.eval()
    score = evaluate(trainer.model, tokenizer, [Document(text)], max_tokens=ALL_OF_IT, seq_len=length)[""]
    trainer.model.train()
    return score
