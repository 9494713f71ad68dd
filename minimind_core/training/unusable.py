"""What a file is when it is no training text, in one sentence with the way to convert it. No torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from minimind_core.errors import DataError

Outcome = TypeVar("Outcome")
_SAMPLES = 20
"""Lines in another encoding that are kept to tell which."""
TABLES = (".csv", ".tsv")
EXAMPLE = '{"text": "…"}'


@dataclass(frozen=True)
class LeftOut:
    """Why a line gave no document: the field of ReadReport that counts such lines, and what differs in it."""

    kind: str
    reason: str = ""


class FileTally:
    """Counts what the lines of one file were, and says at its end whether the file can be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = self.documents = self.foreign = self.beyond_ascii = 0
        self.kinds: Counter[str] = Counter()
        self.first = ""
        """The first line that is not blank, shortened."""
        self.reason = ""
        """That of the first line which was left out with one."""
        self._samples: list[bytes] = []

    def decode(self, line: bytes | None, encoding: str) -> str | None:
        """The line as text without the mark that a joined file may have there; None where it is none."""
        if line is None:
            return None
        try:
            text = line.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            self.foreign += 1
            if len(self._samples) < _SAMPLES:
                self._samples.append(line)
            return None
        self.beyond_ascii += not text.isascii()
        self.first = self.first or text.strip()[:200]
        return text

    def add(self, outcome: Outcome) -> Outcome:
        """Count what a line was: left out, or a document. Returns it."""
        self.lines += 1
        if isinstance(outcome, LeftOut):
            self.kinds[outcome.kind] += 1
            self.reason = self.reason or outcome.reason
        else:
            self.documents += 1
        return outcome

    def check(self) -> None:
        """Raise DataError where the file is in another encoding or holds lines but not one text."""
        wrong = {kind: count for kind, count in self.kinds.items() if kind not in ("empty", "null")}
        if self.foreign > self.beyond_ascii and (self.foreign > 2 or not self.documents):
            raise self._other_encoding()
        if wrong and not self.documents:
            raise self._no_texts(max(wrong, key=lambda kind: wrong[kind]))

    def _other_encoding(self) -> DataError:
        name = _likely(b"\n".join(self._samples))
        return DataError(
            f"{self.path} is in no encoding of Unicode ({self.foreign} of {self.lines} lines left out"
            f"{f'; it looks like {name}' if name else ''}); save it as UTF-8.",
            key="data.encoding",
            path=str(self.path),
            count=self.foreign,
            lines=self.lines,
        )

    def _no_texts(self, kind: str) -> DataError:
        """The error for a file whose lines were left out, most of them as `kind`."""
        path, lines = str(self.path), self.lines
        begin = f"{path}: left out all its lines ({lines}), because"
        if kind == "malformed":
            return DataError(
                f"{begin} no conversation can be written ({self.reason}); give each turn a role (system, "
                "user or assistant) and content.",
                key="data.malformed",
                path=path,
                lines=lines,
                reason=self.reason,
            )
        if kind == "no_text":
            return DataError(
                f'{begin} none has a "text"; call the field with the text so, as in {EXAMPLE}.',
                key="data.no_text",
                path=path,
                lines=lines,
            )
        if self.path.suffix in TABLES:
            return DataError(
                f"{begin} it is a table; write each row as one line {EXAMPLE}.",
                key="data.table",
                path=path,
                lines=lines,
            )
        if self.first.startswith("["):
            return DataError(
                f"{begin} it is one JSON array; write its items one a line (jq -c '.[]').",
                key="data.array",
                path=path,
                lines=lines,
            )
        return DataError(
            f"{begin} none is a JSON object; write each text as one line {EXAMPLE}.",
            key="data.not_json",
            path=path,
            lines=lines,
        )


def _likely(sample: bytes) -> str:
    """GBK, where the bytes are that and give Chinese characters; else nothing."""
    try:
        text = sample.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return "GBK" if 2 * chinese > sum(not character.isascii() for character in text) else ""
