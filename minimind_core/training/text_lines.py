"""The lines of a text file as they were written: UTF-8, UTF-16 or UTF-32, plain or xz. No torch.

An encoding is recognised by its mark, or by where the zeros of the first ASCII characters stand, and lines
are cut at whole characters. Nothing is guessed for a single line: what is not in the file's encoding is no
line of text. Knows nothing about JSON (that is `data.py`).
"""

from __future__ import annotations

import codecs
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from minimind_core.bounded import open_file
from minimind_core.errors import DataError

MAX_LINE_BYTES = 2**26
CHUNK = 2**20
_XZ = b"\xfd7zXZ\x00"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ZEROS = {".000": "utf-32-le", "000.": "utf-32-be", ".0.0": "utf-16-le", "0.0.": "utf-16-be"}
"""Where zeros stand in the first four bytes, without a mark."""
_FOREIGN = {
    b"\x1f\x8b": ("packed by gzip", "unpack it first (gunzip)"),
    b"BZh": ("packed by bzip2", "unpack it first (bunzip2)"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it first (unzstd)"),
    b"PK\x03\x04": ("a zip archive", "unpack it first"),
    b"PAR1": (
        "a Parquet table",
        "write each row as one line of JSON (pandas: to_json with orient='records')",
    ),
    b"ARROW1": ("an Arrow table", "write each row as one line of JSON (datasets: to_json)"),
}
"""How files begin that are no text, what they are and what to do."""


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding of a text that begins with `head`, and how many bytes its mark has.

    >>> encoding_of('{"text": "今"}'.encode("utf-16-le"))
    ('utf-16-le', 0)
    """
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name, len(mark)
    return _ZEROS.get("".join("." if byte else "0" for byte in head[:4]), "utf-8"), 0


@contextmanager
def open_lines(path: Path) -> Iterator[tuple[str, Iterator[bytes | None], Callable[[], int]]]:
    """The encoding of a file, its lines in that encoding without line feeds, and the bytes read so far.

    A line longer than MAX_LINE_BYTES is None. Raises DataError for a file that is no text or no xz, FileError
    for a device or a pipe, OSError, and while lines are read LZMAError and EOFError.
    """
    with open_file(path) as file:
        buffered = cast(io.BufferedReader, file)
        text: io.BufferedReader = buffered
        if path.suffix == ".xz" or buffered.peek(len(_XZ)).startswith(_XZ):
            text = io.BufferedReader(cast(io.RawIOBase, lzma.LZMAFile(file)))  # noqa: SIM115 - it is `file`
        head = text.peek(8)
        for beginning, (what, how) in _FOREIGN.items():
            if head.startswith(beginning):
                raise DataError(
                    f"{path} is {what}, not lines of JSON; {how}.",
                    key="data.foreign",
                    path=str(path),
                    what=what,
                )
        encoding, mark = encoding_of(head)
        text.read(mark)
        lines = _byte_lines(text) if encoding == "utf-8" else _wide_lines(text, encoding)
        yield encoding, lines, file.tell


def _byte_lines(file: BinaryIO) -> Iterator[bytes | None]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(CHUNK)
        yield None


def _wide_lines(file: BinaryIO, encoding: str) -> Iterator[bytes | None]:
    """Lines of an encoding of two or four bytes a unit, cut where a whole unit is a line feed."""
    feed = "\n".encode(encoding)
    rest, too_long = b"", False
    while chunk := file.read(CHUNK):
        rest += chunk
        *lines, rest = _cut(rest, feed)
        for line in lines:
            yield None if too_long else line
            too_long = False
        if len(rest) > MAX_LINE_BYTES:
            rest, too_long = rest[len(rest) - len(rest) % len(feed) :], True
    if rest or too_long:
        yield None if too_long else rest


def _cut(data: bytes, feed: bytes) -> list[bytes]:
    """`data.split(feed)`, but only at multiples of the unit."""
    parts, begin, end = [], 0, data.find(feed)
    while end >= 0:
        if end % len(feed):
            end = data.find(feed, end + 1)
            continue
        parts.append(data[begin:end])
        begin = end + len(feed)
        end = data.find(feed, begin)
    return [*parts, data[begin:]]
