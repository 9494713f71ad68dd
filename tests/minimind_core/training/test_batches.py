"""Batches are a function of the step: the same after a restart, another in each epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minimind_core.errors import DataError
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.batches import IGNORE, Batch, PackedBatches, PaddedBatches, PaddingRule
from minimind_core.training.data import Document, PretrainDataset
from minimind_core.training.packing import PackedCorpus, pack_documents
from tests.minimind_core.checkpoint_samples import sentence

TOKENIZER = ByteTokenizer()
DOCUMENTS = [Document(f"document {number:03}" * (1 + number % 4)) for number in range(40)]


@pytest.fixture
def corpus() -> PackedCorpus:
    return pack_documents(DOCUMENTS, TOKENIZER)


def equal(left: Batch, right: Batch) -> bool:
    return torch.equal(left.inputs, right.inputs) and torch.equal(left.targets, right.targets)


@pytest.mark.parametrize("apart", [False, True])
def test_a_packed_batch_depends_on_the_step_alone(corpus: PackedCorpus, apart: bool) -> None:
    one, other = (PackedBatches(corpus, 16, 4, seed=3, keep_documents_apart=apart) for _ in range(2))
    last = 2 * one.steps_per_epoch + 1
    forward = [one.batch(step) for step in range(last + 1)]
    for step in reversed(range(last + 1)):
        assert equal(other.batch(step), forward[step])
    assert not equal(forward[0], forward[one.steps_per_epoch])
    assert not equal(forward[0], PackedBatches(corpus, 16, 4, seed=4).batch(0))


def test_targets_are_the_next_ids_of_the_text(corpus: PackedCorpus) -> None:
    source = PackedBatches(corpus, 16, 4, seed=0)
    whole = corpus.ids.astype(np.int64)
    for step in range(source.steps_per_epoch):
        batch = source.batch(step)
        assert batch.inputs.shape == batch.targets.shape == (4, 16) and batch.num_targets == 64
        assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])
        for row in range(4):
            window = [*batch.inputs[row].tolist(), int(batch.targets[row, -1])]
            windows = np.lib.stride_tricks.sliding_window_view(whole, 17)
            assert (windows == window).all(1).any()


def test_no_target_is_seen_twice_in_an_epoch(corpus: PackedCorpus) -> None:
    marked = PackedCorpus(np.arange(len(corpus.ids), dtype=np.uint16), corpus.document_starts)
    source = PackedBatches(marked, 16, 4, seed=0)
    targets = torch.cat([source.batch(step).targets.flatten() for step in range(source.steps_per_epoch)])
    assert len(targets.unique()) == len(targets) > 0.8 * len(corpus.ids)


def test_documents_kept_apart_are_not_scored_across_their_border(corpus: PackedCorpus) -> None:
    batch = PackedBatches(corpus, 32, 4, seed=0, keep_documents_apart=True).batch(0)
    mask = batch.attention_mask()
    assert batch.positions is not None and batch.document_ids is not None and mask is not None
    begins = batch.inputs == TOKENIZER.bos_id
    assert begins.any() and (batch.positions[begins] == 0).all()
    assert (batch.targets[batch.inputs == TOKENIZER.eos_id] == IGNORE).all()
    assert not (batch.targets == TOKENIZER.bos_id).any()
    same = batch.document_ids[:, :, None] == batch.document_ids[:, None, :]
    assert torch.equal(mask, same)
    assert batch.num_targets == int((batch.targets != IGNORE).sum()) < 4 * 32


def test_padded_batches_score_real_targets_only() -> None:
    dataset = PretrainDataset(DOCUMENTS, TOKENIZER, max_length=64)
    source = PaddedBatches(dataset, batch_size=5, seed=1)
    assert source.steps_per_epoch == 8
    epoch = [source.batch(step) for step in range(8)]
    assert sum(batch.num_targets for batch in epoch) == dataset.num_targets
    assert all(equal(source.batch(step), epoch[step]) for step in reversed(range(8)))
    assert not equal(source.batch(8), epoch[0])
    for batch in epoch:
        assert ((batch.targets == IGNORE) == (batch.inputs == TOKENIZER.pad_id))[:, :-1].float().mean() > 0.9
        scored = batch.targets != IGNORE
        assert torch.equal(batch.inputs[:, 1:][scored[:, :-1]], batch.targets[:, :-1][scored[:, :-1]])


def test_rows_of_a_batch(corpus: PackedCorpus) -> None:
    batch = PackedBatches(corpus, 16, 4, seed=0, keep_documents_apart=True).batch(0)
    part = batch.rows(1, 3)
    assert torch.equal(part.inputs, batch.inputs[1:3]) and part.document_ids is not None
    assert part.num_targets == int((batch.targets[1:3] != IGNORE).sum())
    assert Batch(batch.inputs, batch.targets).attention_mask() is None


def test_too_little_text_is_said(corpus: PackedCorpus) -> None:
    message = sentence(lambda: PackedBatches(corpus, 16, 400, seed=0))
    assert f"has {len(corpus.ids):,} tokens" in message and "use more text, or a smaller batch" in message
    assert "one batch needs" in sentence(lambda: PackedBatches(corpus, 512, 4, seed=0))
    dataset = PretrainDataset(DOCUMENTS[:3], TOKENIZER, max_length=64)
    with pytest.raises(DataError, match="has 3 usable texts; one batch needs 4"):
        PaddedBatches(dataset, batch_size=4, seed=0)


@pytest.mark.parametrize(
    ("rule", "scored"),
    [
        (PaddingRule(), "text and eos"),
        (PaddingRule(score_padding=True), "everything"),
        (PaddingRule(pad_is_eos=True), "text without eos"),
    ],
)
def test_a_padding_rule_decides_what_is_scored(rule: PaddingRule, scored: str) -> None:
    dataset = PretrainDataset([Document("abc")], TOKENIZER, max_length=9)
    batch = PaddedBatches(dataset, 1, seed=0, rule=rule).batch(0)
    pad = TOKENIZER.eos_id if rule.pad_is_eos else TOKENIZER.pad_id
    a, b, c = TOKENIZER.encode("abc")
    assert batch.inputs.tolist() == [[TOKENIZER.bos_id, a, b, c, TOKENIZER.eos_id, pad, pad, pad]]
    targets = {
        "text and eos": [a, b, c, TOKENIZER.eos_id, *[IGNORE] * 4],
        "everything": [a, b, c, TOKENIZER.eos_id, *[TOKENIZER.pad_id] * 4],
        "text without eos": [a, b, c, *[IGNORE] * 5],
    }
    assert batch.targets.tolist() == [targets[scored]]
