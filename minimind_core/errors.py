"""What can go wrong for a user, as one small tree.

    MiniMindError
    ├── ConfigError       a model or training setting that cannot work
    ├── CheckpointError   a weight file that is missing, truncated, foreign or unsafe
    ├── TokenizerError    a tokenizer that is missing or does not belong to the weights
    ├── DataError         a training or evaluation text that cannot be used
    ├── FileError         a file that is no ordinary one, is far too large, or cannot be written
    ├── NumericsError     a computation that gave NaN or infinity
    └── DeviceError       a device or dtype that this machine does not have

Each message is one English sentence that says what to do, as command lines print it. Where it also has
a `key`, a page can say it in another language. Programmer errors (wrong shapes, wrong types) are
assertions instead, and are not listed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

LONGEST_VALUE, LONGEST_SENTENCE = 400, 1200
"""Characters of what somebody gave us that an error repeats, and of a whole error."""


NO_MEMORY = "There is not enough memory for this; ask for fewer tokens at a time."
_SAYS_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
"""What errors of torch, on a GPU, on Windows and on Linux, contain."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, the system or torch, here or on a GPU, had no memory left; `NO_MEMORY` says so."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _SAYS_NO_MEMORY)


def shortened(text: str, most: int = LONGEST_VALUE) -> str:
    """`text`, or its begin and its end if it is longer than `most` characters.

    >>> shortened("9" * 5000, 12)
    '999999 … 999'
    """
    end = most // 4
    return text if len(text) <= most else f"{text[: most - end - 3].rstrip()} … {text[-end:].lstrip()}"


def concise(sentence: str, values: Mapping[str, Any]) -> str:
    """A sentence without control characters, in which no value is longer than `LONGEST_VALUE`.

    The whole is no longer than `LONGEST_SENTENCE`. Of control characters, which a terminal may obey, only
    line breaks stay.
    """
    sentence = _CONTROL.sub(" ", sentence)
    if len(sentence) <= LONGEST_VALUE:
        return sentence
    for value in values.values():
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            for written in (value, repr(value)[1:-1]):
                sentence = sentence.replace(written, shortened(written))
    return shortened(sentence, LONGEST_SENTENCE)


class Sentence(str):
    """An English sentence for a person that knows how it is said in other languages.

    `key` names it in their catalogues and `values`, plain data, fill its placeholders there. Without a
    key there is only English.
    """

    key: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, key: str = "", values: Mapping[str, Any] | None = None) -> Self:
        """The text itself, ready to print; `values` default to none."""
        sentence = super().__new__(cls, concise(text, values or {}))
        sentence.key, sentence.values = key, values or {}
        return sentence


class MiniMindError(Exception):
    """Base of every error that a user can cause and mend. `key` and `values`: see `Sentence`."""

    def __init__(self, sentence: str, *, key: str = "", **values: Any) -> None:
        super().__init__(concise(sentence, values))
        self.key, self.values = key, values

    @property
    def sentence(self) -> Sentence:
        """What `str` gives, with the way to say it in another language."""
        return Sentence(str(self), self.key, self.values)


class ConfigError(MiniMindError):
    """A model, sampling or training setting that cannot work."""


def require(condition: bool, sentence: str, *, key: str = "", **values: Any) -> None:
    """Raise ConfigError with this sentence unless `condition` holds; `key` and `values` as of the error."""
    if not condition:
        raise ConfigError(sentence, key=key, **values)


class CheckpointError(MiniMindError):
    """A weight file that is missing, truncated, foreign or unsafe."""


class TokenizerError(MiniMindError):
    """A tokenizer that is missing or does not belong to the weights."""


class DataError(MiniMindError):
    """A text file that cannot be read as training or evaluation data."""


class FileError(MiniMindError):
    """A file that is no ordinary one, is far too large, or cannot be written."""


class NumericsError(MiniMindError):
    """A computation that gave NaN or infinity, so that nothing can be made of its result."""


class DeviceError(MiniMindError):
    """A device or dtype that this machine does not have."""
