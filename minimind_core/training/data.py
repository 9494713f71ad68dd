"""Reading training text and turning it into (X, Y, loss mask) rows, one text a row.

Files are JSON Lines, `{"text": …, "source": …, "lang": …}`, plain or xz, in UTF-8, UTF-16 or UTF-32; only
`text` is required, and a conversation may stand for it (`conversations.py`). A bad line never stops a run: it
is counted, and `ReadReport.sentence` reports it. A file without a single text does, by a sentence that says
what it is and how to convert it. Does not clean, filter or shuffle texts, and does not pack them (that is
`packing.py`, which training uses).
"""

from __future__ import annotations

import itertools
import json
import lzma
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from minimind_core.errors import DataError
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.conversations import (
    MalformedError,
    Turn,
    encode_turns,
    is_conversation,
    read_turns,
)
from minimind_core.training.text_lines import open_lines
from minimind_core.training.unusable import FileTally, LeftOut

_LINES_REMEMBERED = 3
_CHUNK_TEXTS = 256


@dataclass(frozen=True)
class Document:
    """One text, where it came from and its language (`zh`, `en`, `code`, or empty if the file is silent)."""

    text: str
    """Of a conversation: what was said, one turn below the other."""
    source: str = ""
    lang: str = ""
    turns: tuple[Turn, ...] = ()
    """Of a conversation; empty for a plain text."""


@dataclass
class ReadReport:
    """What was read and what was left out. Counts are lines; `first_lines` names the first of each kind."""

    lines: int = 0
    documents: int = 0
    empty: int = 0
    """Blank lines and texts of length 0."""
    null: int = 0
    """`"text": null`, which a careless `str()` would turn into the word None."""
    one_token: int = 0
    """Texts without a single target, counted by `PretrainDataset` (they are among `documents` too)."""
    broken: int = 0
    """No JSON object, a text that is no string, bytes that the encoding does not have, or too long a line."""
    no_text: int = 0
    """Objects with neither a `text` nor a conversation."""
    malformed: int = 0
    """Conversations that the chat template cannot write."""
    conversations: int = 0
    """Those of the documents that are conversations."""
    truncated: list[str] = field(default_factory=list)
    """xz files that ended early; what came before the end was read."""
    bytes: int = 0
    """Read from the disk so far, compressed where the files are."""
    first_lines: dict[str, list[str]] = field(default_factory=dict)
    """For each kind that was left out: up to three lines as `file:line`, some with a reason."""

    @property
    def left_out(self) -> int:
        """Lines that gave no document."""
        return self.lines - self.documents

    def leave_out(self, kind: str, line: str) -> None:
        """Count a line of `kind`, named `file:line`, that was left out."""
        setattr(self, kind, getattr(self, kind) + 1)
        lines = self.first_lines.setdefault(kind, [])
        if len(lines) < _LINES_REMEMBERED:
            lines.append(line)

    def sentence(self) -> str:
        """The report for a person, in one sentence.

        >>> ReadReport(lines=3, documents=2, null=1, first_lines={"null": ["a.jsonl:2"]}).sentence()
        'Read 2 documents from 3 lines; left out 1 with a null text (a.jsonl:2).'
        """
        names = {
            "empty": "empty",
            "null": "with a null text",
            "broken": "broken",
            "no_text": 'without a "text"',
            "malformed": "conversations that cannot be written",
            "one_token": "without a target",
        }
        left_out = []
        for kind, name in names.items():
            lines = ", ".join(self.first_lines.get(kind, []))
            if count := getattr(self, kind):
                left_out.append(f"{count} {name}" + (f" ({lines})" if lines else ""))
        parts = [f"Read {self.documents} documents from {self.lines} lines"]
        if self.conversations:
            parts.append(f"{self.conversations} of them conversations, with loss on all their tokens")
        parts += [f"left out {', '.join(left_out)}"] if left_out else []
        parts += [f"{', '.join(self.truncated)} ended early, so fetch it again"] if self.truncated else []
        return "; ".join(parts) + "."


def read_documents(
    paths: Sequence[str | os.PathLike[str]], report: ReadReport, on_progress: OnProgress = unheard
) -> Iterator[Document]:
    """Stream the documents of JSON Lines files in order; `report` counts along.

    `on_progress` is given the bytes read so far and those of all files. Raises DataError if a file is missing
    or unreadable, its name ends in `.xz` and its bytes are not xz, or, at its end, if it held lines but no
    text or most of its lines are in another encoding than Unicode's: what came before is then not to be used.
    """
    files = [Path(path) for path in paths]
    total = sum(file.stat().st_size for file in files if file.is_file())
    for path in files:
        tally = FileTally(path)
        for number, line in enumerate(_lines(path, report, tally), start=1):
            report.lines += 1
            on_progress(report.bytes, total)
            outcome = tally.add(_parse(line))
            if isinstance(outcome, Document):
                report.documents += 1
                report.conversations += bool(outcome.turns)
                yield outcome
            else:
                reason = f" {outcome.reason}" if outcome.reason else ""
                report.leave_out(outcome.kind, f"{path.name}:{number}{reason}")
        tally.check()


def _lines(path: Path, report: ReadReport, tally: FileTally) -> Iterator[str | None]:
    """The lines of a file as text; None for one that is too long or not in the file's encoding."""
    before = report.bytes
    try:
        with open_lines(path) as (encoding, lines, bytes_read):
            for line in lines:
                report.bytes = before + bytes_read()
                yield tally.decode(line, encoding)
    except EOFError:
        report.truncated.append(path.name)
    except lzma.LZMAError as error:
        raise DataError(f"{path} is damaged or no xz file; fetch it again or give a .jsonl file.") from error
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}; check the name.") from error


def _parse(line: str | None) -> Document | LeftOut:
    """The document of a line, or why there is none."""
    if line is None:
        return LeftOut("broken")
    if not line.strip():
        return LeftOut("empty")
    try:
        row = json.loads(line)
        if isinstance(row, dict) and "text" not in row:
            return _conversation(row) if is_conversation(row) else LeftOut("no_text")
        text = row["text"]
        if text is None:
            return LeftOut("null")
        text.encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return LeftOut("broken")
    return Document(text, *_labels(row)) if text else LeftOut("empty")


def _conversation(row: dict[str, Any]) -> Document | LeftOut:
    try:
        turns = read_turns(row)
    except MalformedError as error:
        return LeftOut("malformed", str(error))
    return Document("\n".join(turn.content for turn in turns), *_labels(row), turns)


def _labels(row: dict[str, Any]) -> tuple[str, str]:
    """Source and language, empty where the line names none."""
    return str(row.get("source") or ""), str(row.get("lang") or "")


def encode_documents(
    documents: Sequence[Document], tokenizer: Tokenizer, *, bos: bool = True, eos: bool = True
) -> Iterator[list[int]]:
    """Ids of each document: BOS, its text, EOS; of a conversation those of the chat template alone.

    The template begins with BOS's token and closes each turn with EOS's, in MiniMind's tokenizers.
    """
    before, after = [tokenizer.bos_id] * bos, [tokenizer.eos_id] * eos
    texts = tokenizer.encode_batch(["" if document.turns else document.text for document in documents])
    for document, ids in zip(documents, texts, strict=True):
        yield encode_turns(document.turns, tokenizer) if document.turns else [*before, *ids, *after]


class PretrainDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One text a row, as MiniMind's pre-training dataset: X = ids[:-1], Y = ids[1:], mask aligned with Y.

    Item: three int64 tensors [max_length - 1], padded on the right; the mask is 1 where Y is a real id and
    is made from the length, never from the id, so that it stays right where pad and eos are one id.
    A text that is cut gets no eos: the model must not learn to stop in the middle of a sentence.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        tokenizer: Tokenizer,
        max_length: int,
        add_bos_eos: bool = True,
        report: ReadReport | None = None,
    ) -> None:
        """Tokenize all documents. Texts without a single target are dropped and counted, in `report` too.

        Raises DataError if `max_length` leaves no room for text.
        """
        if add_bos_eos and max_length < 3:
            raise DataError("No room for text between BOS and EOS; use a maximum length of at least 3.")
        if max_length < 2:
            raise DataError("One token has nothing to predict; use a maximum length of at least 2.")
        self.max_length = max_length
        self.pad_id = tokenizer.pad_id
        self.dropped = 0
        self._rows: list[Tensor] = []
        for chunk in in_chunks(documents):
            for ids in encode_documents(chunk, tokenizer, bos=add_bos_eos, eos=add_bos_eos):
                self._add(ids[:max_length])
        if report is not None:
            report.one_token += self.dropped

    def _add(self, ids: list[int]) -> None:
        if len(ids) < 2:
            self.dropped += 1
        else:
            self._rows.append(torch.tensor(ids, dtype=torch.int32))

    @property
    def num_targets(self) -> int:
        """Positions that bear loss: the sum of n - 1 over the rows of n ids."""
        return sum(len(row) - 1 for row in self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        row = self._rows[index]
        ids = torch.full((self.max_length,), self.pad_id, dtype=torch.int64)  # [max_length]
        ids[: len(row)] = row
        mask = (torch.arange(1, self.max_length) < len(row)).long()  # [max_length - 1], aligned with Y
        return ids[:-1], ids[1:], mask


def in_chunks(documents: Iterable[Document]) -> Iterator[Sequence[Document]]:
    """The documents in lists that are tokenized in one go."""
    remaining = iter(documents)
    while chunk := list(itertools.islice(remaining, _CHUNK_TEXTS)):
        yield chunk
