"""Training text without padding: all documents in one long row of ids, read in windows.

Each document is stored as bos + ids + eos, a conversation in its template. A window may hold the end of one
document and the start of the next; `document_ids` and `document_mask` keep attention inside each, and
`document_positions` restarts the count, so that a packed document gives the same logits as one alone. NumPy
only; does not move batches to a device nor split windows over processes (that is `trainer.py`).
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from minimind_core.atomic_file import open_whole
from minimind_core.bounded import cannot_write, check_archive, open_file
from minimind_core.errors import DataError
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.data import Document, encode_documents, in_chunks

if TYPE_CHECKING:
    from torch import Tensor

_DAMAGE = (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)
Array = TypeVar("Array", NDArray[np.int32], "Tensor")


@dataclass(frozen=True, eq=False)
class PackedCorpus:
    """Documents end to end, and where each begins."""

    ids: NDArray[np.unsignedinteger]
    """[N], uint16, or uint32 where the vocabulary has more than 65,536 entries."""
    document_starts: NDArray[np.int64]
    """[D], ascending; the first is 0."""
    tokenizer_fingerprint: str = ""
    """Of the tokenizer that made the ids."""

    def gather(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """The ids of the windows that begin at `starts` [B]: int64 [B, length].

        For training take length + 1: `X = rows[:, :-1]`, `Y = rows[:, 1:]`.
        """
        return self.ids[starts[:, None] + np.arange(length)].astype(np.int64)

    def document_ids(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int32]:
        """The number of the document that each id belongs to: int32 [B, length], rising along a row.

        With length + 1 columns, `d[:, 1:] == d[:, :-1]` is the loss mask without targets across a border.
        """
        first = np.searchsorted(self.document_starts, starts, side="right")  # documents begun so far: [B]
        last = np.searchsorted(self.document_starts, starts + length, side="left")
        counts = last - first
        rows = np.repeat(np.arange(len(starts)), counts)  # one entry for each border inside a window
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        borders = self.document_starts[first[rows] + inner]
        ids = np.zeros((len(starts), length), dtype=np.int32)
        ids[rows, borders - starts[rows]] = 1
        return np.cumsum(ids, axis=1, dtype=np.int32) + (first[:, None] - 1).astype(np.int32)

    def document_positions(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Positions that restart at each document and at the window's start: int64 [B, length], < length."""
        begins = self.document_starts[self.document_ids(starts, length)]  # [B, length]
        return starts[:, None] + np.arange(length) - np.maximum(begins, starts[:, None])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one `.npz` file. A kill or a full disk leaves the old file intact. Raises FileError."""
        try:
            with open_whole(Path(path)) as file:
                np.savez(
                    file,
                    ids=self.ids,
                    document_starts=self.document_starts,
                    tokenizer_fingerprint=np.array(self.tokenizer_fingerprint),
                )
        except OSError as error:
            raise cannot_write(Path(path), error) from error

    @classmethod
    def concatenate(cls, parts: Sequence[PackedCorpus]) -> PackedCorpus:
        """One corpus after the other, packed with the same tokenizer."""
        assert len({part.tokenizer_fingerprint for part in parts}) == 1, "packed with different tokenizers"
        offsets = np.cumsum([0, *(len(part.ids) for part in parts)])
        starts = [part.document_starts + offset for part, offset in zip(parts, offsets, strict=False)]
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate(starts),
            parts[0].tokenizer_fingerprint,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PackedCorpus:
        """Read what `save` wrote. Raises DataError if it is missing or damaged, FileError for a device."""
        try:
            with open_file(Path(path)) as file:
                check_archive(Path(path), file, os.fstat(file.fileno()).st_size)
                with np.load(file) as data:
                    corpus = cls(data["ids"], data["document_starts"], str(data["tokenizer_fingerprint"]))
        except FileNotFoundError as error:
            raise DataError(f"There is no packed corpus at {path}; pack the documents first.") from error
        except _DAMAGE as error:
            raise DataError(f"{path} is damaged or no packed corpus; pack the documents again.") from error
        if not corpus.is_whole:
            raise DataError(f"{path} is damaged or no packed corpus; pack the documents again.")
        return corpus

    @property
    def is_whole(self) -> bool:
        """Whether the arrays can be what `pack_documents` makes: rows of whole numbers, borders in order."""
        ids, starts = self.ids, self.document_starts
        return (
            (ids.ndim, starts.ndim) == (1, 1)
            and (ids.dtype.kind, starts.dtype.kind) == ("u", "i")
            and (len(starts) > 0 or len(ids) == 0)
            and (len(starts) == 0 or (starts[0] == 0 and starts[-1] < len(ids)))
            and bool((np.diff(starts) > 0).all())
        )


def pack_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    repeats: Mapping[str, int] | None = None,
    seed: int = 0,
) -> PackedCorpus:
    """Tokenize and join documents in an order shuffled by `seed`.

    `repeats` says how often the documents of a source appear: the first pattern (`pypi-*`) that matches
    decides, 1 if none does, 0 leaves the source out.
    Raises DataError if nothing remains.
    """
    repeats = repeats or {}
    assert all(count >= 0 for count in repeats.values()), "a source cannot appear a negative number of times"
    dtype = np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32
    pieces: list[NDArray[np.unsignedinteger]] = []
    order: list[int] = []
    for chunk in in_chunks(documents):
        for document, ids in zip(chunk, encode_documents(chunk, tokenizer), strict=True):
            order += [len(pieces)] * _count(document.source, repeats)
            pieces.append(np.array(ids, dtype=dtype))
    if not order:
        raise DataError("No documents to pack; check the file and the counts of its sources.")
    shuffled = np.random.default_rng(seed).permutation(order)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)[shuffled]
    starts = np.cumsum(lengths) - lengths
    return PackedCorpus(np.concatenate([pieces[index] for index in shuffled]), starts, tokenizer.fingerprint)


def _count(source: str, repeats: Mapping[str, int]) -> int:
    return next((count for pattern, count in repeats.items() if fnmatchcase(source, pattern)), 1)


def windows(corpus: PackedCorpus, length: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """Starts of one epoch's windows in random order: int64 [W], the same for the same (seed, epoch).

    Windows of `length` inputs do not overlap; each also needs the id after it, as its last target.
    Their grid is shifted by a random offset each epoch, so that borders fall elsewhere; W is the same in
    every epoch, and fewer than 2 * length ids are left out of any one.
    Raises DataError if the corpus is shorter than one window.
    """
    size = len(corpus.ids)
    if size < length + 1:
        raise DataError(
            f"The text has {size} tokens and a window of {length} needs {length + 1}; "
            "give more text or a smaller length."
        )
    count = max(1, size // length - 1)
    rng = np.random.default_rng([seed, epoch])
    offset = rng.integers(size - count * length)  # exclusive, so that the last target exists
    return rng.permutation(count).astype(np.int64) * length + offset


def document_mask(document_ids: Array) -> Array:
    """Who may look at whom: bool [B, T, T] from document ids [B, T], True inside one document.

    Takes NumPy arrays and torch tensors. Causality is not included; the model adds it.
    """
    return document_ids[:, :, None] == document_ids[:, None, :]
