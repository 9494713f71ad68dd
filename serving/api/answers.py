"""The three shapes of an answer, whole and as the chunks of a stream: pieces go in, plain data comes out."""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from serving.backends.backend import Piece, Usage
from serving.service import Facts


class Answer(ABC):
    """One answer under way. `include_usage` sends the usage after a stream's last chunk, as OpenAI does."""

    prefix: ClassVar[str]

    def __init__(self, facts: Facts, include_usage: bool = False) -> None:
        self.id = f"{self.prefix}-{uuid.uuid4().hex}"
        self.facts, self.include_usage = facts, include_usage
        self.created = int(time.time())
        self._begun = False

    def chunks(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """What is sent for a piece; nothing while a character is incomplete."""
        if piece.text or piece.finish:
            yield self._marked(self.chunk(piece, first=not self._begun))
            self._begun = True
        if piece.usage and self.include_usage:
            yield self._marked(self.last_chunk(piece.usage))

    def whole(self, pieces: list[Piece]) -> dict[str, Any]:
        """The answer at once; the last piece has finish and usage."""
        return self._marked(self.complete("".join(piece.text for piece in pieces), pieces))

    @abstractmethod
    def chunk(self, piece: Piece, first: bool) -> dict[str, Any]:
        """One chunk of a stream."""

    @abstractmethod
    def last_chunk(self, usage: Usage) -> dict[str, Any]:
        """The chunk that tells the usage."""

    @abstractmethod
    def complete(self, text: str, pieces: list[Piece]) -> dict[str, Any]:
        """The whole answer."""

    def _marked(self, data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "degraded": True} if self.facts.degraded else data


class PlainAnswer(Answer):
    """Of /generate: text, token ids where the backend tells them, and how long it took."""

    prefix = "gen"

    def chunk(self, piece: Piece, first: bool) -> dict[str, Any]:
        """See Answer."""
        data: dict[str, Any] = {"id": self.id, "text": piece.text, "finish_reason": piece.finish}
        return {**data, "usage": _usage(piece.usage)} if piece.usage else data

    def last_chunk(self, usage: Usage) -> dict[str, Any]:
        """See Answer."""
        return {"id": self.id, "usage": _usage(usage)}

    def complete(self, text: str, pieces: list[Piece]) -> dict[str, Any]:
        """See Answer."""
        facts, ids = self.facts, [index for piece in pieces for index in piece.token_ids]
        assert facts.first_token is not None and facts.last_token is not None
        return {
            "id": self.id,
            "model": facts.model,
            "text": text,
            "token_ids": ids or None,
            "finish_reason": pieces[-1].finish,
            "usage": _usage(pieces[-1].usage),
            "seconds": round(facts.last_token - facts.began, 6),
            "first_token_seconds": round(facts.first_token - facts.began, 6),
        }


class OpenAiAnswer(Answer):
    """What both of OpenAI's endpoints have around their one choice."""

    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]

    def last_chunk(self, usage: Usage) -> dict[str, Any]:
        """See Answer."""
        return {**self._around(self.chunk_object, []), "usage": _usage(usage)}

    def complete(self, text: str, pieces: list[Piece]) -> dict[str, Any]:
        """See Answer."""
        choice = self.choice(text, pieces[-1].finish)
        return {**self._around(self.whole_object, [choice]), "usage": _usage(pieces[-1].usage)}

    @abstractmethod
    def choice(self, text: str, finish: str | None) -> dict[str, Any]:
        """The one choice of a whole answer."""

    def _around(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.facts.model,
            "choices": choices,
        }


class CompletionAnswer(OpenAiAnswer):
    """Of /v1/completions."""

    prefix, whole_object, chunk_object = "cmpl", "text_completion", "text_completion"

    def choice(self, text: str, finish: str | None) -> dict[str, Any]:
        """See OpenAiAnswer."""
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}

    def chunk(self, piece: Piece, first: bool) -> dict[str, Any]:
        """See Answer."""
        return self._around(self.chunk_object, [self.choice(piece.text, piece.finish)])


class ChatAnswer(OpenAiAnswer):
    """Of /v1/chat/completions."""

    prefix, whole_object, chunk_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def choice(self, text: str, finish: str | None) -> dict[str, Any]:
        """See OpenAiAnswer."""
        message = {"role": "assistant", "content": text}
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}

    def chunk(self, piece: Piece, first: bool) -> dict[str, Any]:
        """See Answer."""
        delta = {"role": "assistant"} if first else {}
        choice = {"index": 0, "delta": {**delta, "content": piece.text}, "finish_reason": piece.finish}
        return self._around(self.chunk_object, [choice])


def _usage(usage: Usage | None) -> dict[str, int]:
    assert usage is not None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.new_tokens,
        "total_tokens": usage.prompt_tokens + usage.new_tokens,
    }
