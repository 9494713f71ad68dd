r"""Conversations of a tuning file, and their ids in MiniMind's chat template. No torch.

A turn is written `<|im_start|>role\ncontent<|im_end|>\n`. Reads `conversations`, as MiniMind's files call
them, and `messages`, as OpenAI's. Adds no system turn of its own, and knows no tools and no hidden reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minimind_core.tokenizer import Tokenizer

FIELDS = ("conversations", "messages")
PREFERENCES = ("chosen", "rejected")
"""Fields of the data sets for preference tuning: two conversations a line, of which one is to be avoided."""
ROLES = ("system", "user", "assistant")
_BEGIN, _END = "<|im_start|>", "<|im_end|>"
_UNWRITTEN = ("tool_calls", "tools", "functions", "reasoning_content")
"""What some turns have beside their content, and this template does not write."""


@dataclass(frozen=True)
class Turn:
    """What one side said."""

    role: str
    content: str


class MalformedError(ValueError):
    """A line that holds no conversation which the template can write; the message says why."""


def is_conversation(row: Mapping[str, Any]) -> bool:
    """Whether a line of JSON is meant as a conversation, or as a pair of them."""
    return not {*FIELDS, *PREFERENCES}.isdisjoint(row)


def read_turns(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    """The turns of a line of JSON, in order. Raises MalformedError.

    >>> read_turns({"messages": [{"role": "user", "content": "Hi"}]})
    (Turn(role='user', content='Hi'),)
    """
    field = next((name for name in FIELDS if name in row), None)
    if field is None:
        raise MalformedError("a pair of preferences is not one conversation")
    turns = row[field]
    if not isinstance(turns, list) or not turns:
        raise MalformedError(f"{field} is no list of turns")
    return tuple(_turn(turn, number) for number, turn in enumerate(turns, start=1))


def _turn(turn: Any, number: int) -> Turn:
    if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
        raise MalformedError(f"turn {number} has no role")
    role, content = turn["role"], turn.get("content")
    if role not in ROLES:
        raise MalformedError(f"turn {number} has the role {role!r:.40}")
    if not isinstance(content, str) or not content:
        raise MalformedError(f"turn {number} has no content")
    if unwritten := [name for name in _UNWRITTEN if turn.get(name)]:
        raise MalformedError(f"turn {number} has {unwritten[0]}")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise MalformedError(f"turn {number} holds half a character") from error
    return Turn(role, content)


def encode_prompt(prompt: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """Ids of a conversation and of the beginning of the assistant's next turn, for a model to go on with."""
    begin = tokenizer.encode(_BEGIN, allow_special=True)
    return [*encode_turns(prompt, tokenizer), *begin, *tokenizer.encode("assistant\n")]


def encode_turns(turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """Ids of a conversation. Only the template's own marks are control tokens: one that was typed is text."""
    begin, end, line_feed = (tokenizer.encode(text, allow_special=True) for text in (_BEGIN, _END, "\n"))
    said = tokenizer.encode_batch([f"{turn.role}\n{turn.content}" for turn in turns])
    return [index for ids in said for index in (*begin, *ids, *end, *line_feed)]
