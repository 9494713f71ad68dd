"""Training batches as a function of the step, so that a resumed run sees exactly what it would have.

A source makes the whole global batch of a step; the trainer takes each process's and micro-batch's
rows. Targets that are not scored hold IGNORE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from minimind_core.errors import DataError
from minimind_core.training.data import PretrainDataset
from minimind_core.training.packing import PackedCorpus, document_mask, windows

IGNORE = -100
"""Target of a position that is not scored; torch's cross_entropy skips it."""


@dataclass(frozen=True)
class Batch:
    """Rows of token ids [B, T] and the next ids [B, T]; for packed documents also where they begin."""

    inputs: Tensor
    targets: Tensor
    positions: Tensor | None = None  # [B, T], counted from the start of the document
    document_ids: Tensor | None = None  # [B, T]

    @property
    def num_targets(self) -> int:
        """Scored positions; read on the host, before the batch goes to a device."""
        return int((self.targets != IGNORE).sum())

    def rows(self, start: int, stop: int) -> Batch:
        """Rows start..stop-1."""
        return Batch(*(None if t is None else t[start:stop] for t in self._tensors()))

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(None if t is None else _moved(t, device) for t in self._tensors()))

    def attention_mask(self) -> Tensor | None:
        """bool [B, T, T] that keeps documents apart, or None for one text a row."""
        return None if self.document_ids is None else document_mask(self.document_ids)

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return self.inputs, self.targets, self.positions, self.document_ids


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. From pageable memory the host would wait for all that the GPU has yet to do."""
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.contiguous().pin_memory()
    return tensor.to(device, non_blocking=True)


class BatchSource(Protocol):
    """Anything that can make the batch of any step."""

    def batch(self, step: int) -> Batch:
        """The whole batch of this step, on the CPU. Depends on nothing but the step."""


class PackedBatches:
    """Windows of a packed corpus: every epoch cut at another offset and shuffled anew."""

    def __init__(
        self,
        corpus: PackedCorpus,
        seq_len: int,
        batch_size: int,
        seed: int,
        keep_documents_apart: bool = False,
    ) -> None:
        self.corpus, self.seq_len, self.batch_size, self.seed = corpus, seq_len, batch_size, seed
        self.keep_documents_apart = keep_documents_apart
        num_windows = len(windows(corpus, seq_len, 0, seed)) if len(corpus.ids) > 2 * seq_len else 0
        self.steps_per_epoch = num_windows // batch_size  # the same in every epoch
        if self.steps_per_epoch < 1:
            needed = (batch_size + 1) * seq_len + 1
            raise DataError(
                f"The training text has {len(corpus.ids):,} tokens; one batch needs {needed:,}: "
                "use more text, or a smaller batch or length."
            )
        self._epoch, self._starts = -1, np.empty(0, dtype=np.int64)

    def batch(self, step: int) -> Batch:
        """Rows of seq_len tokens and their successors."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._starts = epoch, windows(self.corpus, self.seq_len, epoch, self.seed)
        starts = self._starts[index * self.batch_size : (index + 1) * self.batch_size]
        tokens = torch.from_numpy(self.corpus.gather(starts, self.seq_len + 1).astype(np.int64))  # [B, T + 1]
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        if not self.keep_documents_apart:
            return Batch(inputs, targets)
        document_ids = torch.from_numpy(self.corpus.document_ids(starts, self.seq_len + 1))  # [B, T + 1]
        positions = torch.from_numpy(self.corpus.document_positions(starts, self.seq_len))
        # the first token of a document cannot be predicted from the one before it: do not score it
        crossing = document_ids[:, 1:] != document_ids[:, :-1]
        return Batch(inputs, targets.masked_fill(crossing, IGNORE), positions.long(), document_ids[:, :-1])


@dataclass(frozen=True)
class PaddingRule:
    """How short texts become rows; the defaults are right, the others are what Question 1 warns of."""

    add_bos_eos: bool = True
    score_padding: bool = False
    """Train on padding as if it were text: no loss mask at all."""
    pad_is_eos: bool = False
    """Pad with EOS and mask by id, which also masks the one EOS that ends the text."""


class PaddedBatches:
    """One text a row, padded on the right, in an order that is shuffled anew every epoch."""

    def __init__(
        self,
        dataset: PretrainDataset,
        batch_size: int,
        seed: int,
        rule: PaddingRule | None = None,
        eos_id: int = 2,
    ) -> None:
        if len(dataset) < batch_size:
            raise DataError(f"The data has {len(dataset)} usable texts; one batch needs {batch_size}.")
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.rule, self.eos_id = rule or PaddingRule(), eos_id
        self.steps_per_epoch = len(dataset) // batch_size

    def batch(self, step: int) -> Batch:
        """Rows of max_length - 1 tokens and their successors; padding is scored as the rule says."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))
        rows = [self.dataset[int(i)] for i in order[index * self.batch_size : (index + 1) * self.batch_size]]
        inputs, targets, loss_mask = map(torch.stack, zip(*rows, strict=True))  # [B, T] each
        if self.rule.pad_is_eos:
            inputs = torch.where(inputs == self.dataset.pad_id, self.eos_id, inputs)
            loss_mask = loss_mask * (targets != self.eos_id)
        ignored = torch.zeros_like(loss_mask) if self.rule.score_padding else loss_mask == 0
        return Batch(inputs, targets.masked_fill(ignored.bool(), IGNORE))
