"""Reads the text files that people write: questions, and the words of labs and pages. Knows no format.

What an editor or a merge left behind is named by its line instead of being shown to readers.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_MERGE_MARK = re.compile(r"^(<<<<<<<|>>>>>>>|\|\|\|\|\|\|\|)( |$)|^=======$", re.MULTILINE)


class TextFileError(Exception):
    """A text file that cannot be read; the message is the reason, without the file."""


def read_text_file(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark. Raises TextFileError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TextFileError(f"cannot be read: {error.strerror}.") from error
    for mark, encoding in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise TextFileError(f"is {encoding}: save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TextFileError(
            f"line {data[: error.start].count(10) + 1} is not UTF-8: save it as UTF-8."
        ) from error
    if wrong := _CONTROL.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise TextFileError(f"line {line} holds the control character U+{ord(wrong[0]):04X}: delete it.")
    if wrong := _MERGE_MARK.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise TextFileError(
            f"line {line} is the mark of an unfinished merge, {wrong[0].strip()}: finish the merge."
        )
    return text
