"""Packed text: nothing lost, nothing leaks across documents, windows repeat exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minimind_core.errors import DataError
from minimind_core.tokenizer import ByteTokenizer, load_tokenizer
from minimind_core.training.data import Document
from minimind_core.training.packing import PackedCorpus, document_mask, pack_documents, windows

BYTES = ByteTokenizer()
DOCUMENTS = [Document(f"文 {i} " * (i % 7 + 1), source=f"s{i % 3}") for i in range(40)]


def corpus_of(lengths: list[int]) -> PackedCorpus:
    starts = np.cumsum([0, *lengths[:-1]]).astype(np.int64)
    return PackedCorpus(np.arange(sum(lengths), dtype=np.uint16), starts)


def texts_of(corpus: PackedCorpus) -> list[str]:
    parts = np.split(corpus.ids, corpus.document_starts[1:])
    assert all(part[0] == BYTES.bos_id and part[-1] == BYTES.eos_id for part in parts)
    assert not any(set(part[1:-1]) & BYTES.special_ids for part in parts)
    return [BYTES.decode(part.tolist()) for part in parts]


def test_every_document_is_there_once_in_a_seeded_order() -> None:
    corpus = pack_documents(DOCUMENTS, BYTES, seed=1)
    texts = texts_of(corpus)
    assert sorted(texts) == sorted(document.text for document in DOCUMENTS)
    assert texts != [document.text for document in DOCUMENTS]
    assert np.array_equal(corpus.ids, pack_documents(DOCUMENTS, BYTES, seed=1).ids)
    assert not np.array_equal(corpus.ids, pack_documents(DOCUMENTS, BYTES, seed=2).ids)
    assert (corpus.ids.dtype, corpus.document_starts.dtype) == (np.uint16, np.int64)
    assert corpus.tokenizer_fingerprint == BYTES.fingerprint


def test_sources_repeat_as_asked() -> None:
    texts = texts_of(pack_documents(DOCUMENTS, BYTES, {"s0": 3, "s1": 0}))
    wanted = [d.text for d in DOCUMENTS for _ in range({"s0": 3, "s1": 0}.get(d.source, 1))]
    assert sorted(texts) == sorted(wanted)


def test_nothing_to_pack_is_said() -> None:
    with pytest.raises(DataError, match="No documents to pack"):
        pack_documents([], BYTES)
    with pytest.raises(DataError, match="No documents to pack"):
        pack_documents(DOCUMENTS[:1], BYTES, {"s0": 0})


def test_a_large_vocabulary_takes_four_bytes_an_id() -> None:
    tokenizer = load_tokenizer("byte")
    tokenizer.vocab_size = 65_537
    assert pack_documents(DOCUMENTS, tokenizer).ids.dtype == np.uint32


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=12), data=st.data())
def test_document_ids_and_positions_equal_the_plain_loop(lengths: list[int], data: st.DataObject) -> None:
    corpus = corpus_of(lengths)
    size = len(corpus.ids)
    length = data.draw(st.integers(1, size))
    starts = np.array(data.draw(st.lists(st.integers(0, size - length), min_size=1, max_size=5)))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    ids, positions = corpus.document_ids(starts, length), corpus.document_positions(starts, length)
    assert ids.dtype == np.int32
    for row, start in enumerate(starts):
        assert ids[row].tolist() == owner[start : start + length].tolist()
        begins = np.maximum(corpus.document_starts[owner[start : start + length]], start)
        assert positions[row].tolist() == (np.arange(start, start + length) - begins).tolist()
        assert corpus.gather(starts, length)[row].tolist() == list(range(start, start + length))


def test_mask_blocks_every_other_document_for_numpy_and_torch() -> None:
    corpus = corpus_of([3, 4, 2])
    ids = corpus.document_ids(np.array([1, 2]), 6)
    mask = document_mask(ids)
    assert mask.shape == (2, 6, 6)
    assert mask[0].astype(int).tolist() == [[1, 1, 0, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 1, 1]] * 4
    assert torch.equal(document_mask(torch.from_numpy(ids)), torch.from_numpy(mask))


def test_masked_attention_over_packed_documents_equals_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    corpus = corpus_of([3, 5])
    x = torch.randn(1, 8, 4, generator=generator)  # [B, T, d]
    causal = torch.ones(8, 8, dtype=torch.bool).tril()
    mask = document_mask(torch.from_numpy(corpus.document_ids(np.array([0]), 8))) & causal
    packed = torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    alone = [
        torch.nn.functional.scaled_dot_product_attention(part, part, part, is_causal=True)
        for part in x.split([3, 5], dim=1)
    ]
    torch.testing.assert_close(packed, torch.cat(alone, dim=1))


@given(size=st.integers(9, 200), length=st.integers(1, 8), epoch=st.integers(0, 20))
def test_windows_are_disjoint_whole_and_repeatable(size: int, length: int, epoch: int) -> None:
    corpus = corpus_of([size])
    starts = windows(corpus, length, epoch, seed=5)
    covered = (starts[:, None] + np.arange(length)).ravel()
    assert len(set(covered.tolist())) == len(covered)
    assert starts.min() >= 0 and starts.max() + length + 1 <= size
    assert size - len(covered) < 2 * length + 1
    assert np.array_equal(starts, windows(corpus, length, epoch, seed=5))
    assert len(starts) == len(windows(corpus, length, epoch + 1, seed=5))
    assert starts.dtype == np.int64


def test_epochs_differ_in_order_and_offset_and_together_cover_every_id() -> None:
    corpus = corpus_of([103])
    epochs = [windows(corpus, 10, epoch, seed=0) for epoch in range(60)]
    assert len({tuple(starts) for starts in epochs}) == 60
    assert len({int(starts.min()) for starts in epochs}) > 5
    assert not np.array_equal(epochs[0], np.sort(epochs[0]))
    seen = {int(start) + i for starts in epochs for start in starts for i in range(11)}
    assert seen == set(range(103))


def test_text_shorter_than_a_window_is_said() -> None:
    assert windows(corpus_of([9]), 8, 0, 0).tolist() == [0]
    with pytest.raises(DataError, match="has 8 tokens and a window of 8 needs 9"):
        windows(corpus_of([8]), 8, 0, 0)


def test_saving_and_loading_gives_the_same_corpus(tmp_path: Path) -> None:
    corpus = pack_documents(DOCUMENTS, BYTES)
    corpus.save(tmp_path / "deep" / "corpus.npz")
    again = PackedCorpus.load(tmp_path / "deep" / "corpus.npz")
    assert np.array_equal(again.ids, corpus.ids) and again.ids.dtype == corpus.ids.dtype
    assert np.array_equal(again.document_starts, corpus.document_starts)
    assert again.tokenizer_fingerprint == corpus.tokenizer_fingerprint
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["corpus.npz"]


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "corpus.npz"
    with pytest.raises(DataError, match="no packed corpus at"):
        PackedCorpus.load(path)
    pack_documents(DOCUMENTS, BYTES).save(path)
    whole = path.read_bytes()
    for content in (whole[:100], whole[:-30], b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged or no packed corpus"):
            PackedCorpus.load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(DataError, match="damaged or no packed corpus"):
        PackedCorpus.load(path)
