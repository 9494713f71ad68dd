"""Any OpenAI-compatible server as the backend, so that this node is a thin front. Streams always.

Speaks what all of them do (vLLM, llama.cpp's server, a second instance of this service), and what is beyond
OpenAI's interface only where a client asked for it. The deadline goes on as the header X-Deadline-Ms.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from serving.backends.backend import Dialogue, Finish, Load, Piece, Usage, Work
from serving.errors import BackendBusy, BackendFailed, DeadlinePassed, Invalid, ServiceError, UnknownModel

CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
MOST_ERROR_BYTES = 65_536
BUSY = (429, 503)
_EXTENSIONS = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Settings beyond OpenAI's, and what leaves them off."""


class RemoteBackend:
    """The server at `address`; `transport` is for tests. Keeps its connections open."""

    def __init__(
        self, address: str, most_in_flight: int, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=address.rstrip("/"),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=most_in_flight + 1, max_keepalive_connections=most_in_flight),
            transport=transport,
            trust_env=False,
        )
        self._models: list[str] = []

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        """See Backend."""
        body = _body(work)
        path = "/v1/chat/completions" if isinstance(work.prompt, Dialogue) else "/v1/completions"
        left = max(1, int(1000 * (work.deadline - time.monotonic())))
        headers = {"X-Deadline-Ms": str(left), "X-Request-Id": work.request_id}
        with _failures_as_ours():
            async with self._client.stream("POST", path, json=body, headers=headers) as response:
                if response.status_code != 200:
                    raise await _refusal(response)
                async for piece in _pieces(response):
                    yield piece

    async def models(self) -> list[str]:
        """See Backend. Asked once; a server does not change what it serves."""
        if not self._models:
            with _failures_as_ours():
                response = await self._client.get("/v1/models")
                if response.status_code != 200:
                    raise BackendFailed("The server behind this one does not say which models it has.")
                self._models = [str(model["id"]) for model in response.json()["data"]]
            if not self._models:
                raise BackendFailed("The server behind this one has no model.")
        return self._models

    @property
    def alive(self) -> bool:
        """See Backend."""
        return not self._client.is_closed

    def load(self) -> Load | None:
        """See Backend."""
        return None

    async def close(self) -> None:
        """See Backend."""
        await self._client.aclose()


def _body(work: Work) -> dict[str, Any]:
    """The request as the other server takes it."""
    sampling = work.sampling
    body: dict[str, Any] = {
        "model": work.model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if isinstance(work.prompt, Dialogue):
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in work.prompt.turns]
    else:
        body["prompt"] = work.prompt if isinstance(work.prompt, str) else list(work.prompt)
    optional = {
        "max_tokens": work.max_new_tokens,
        "seed": sampling.seed,
        "stop": list(work.stop) or None,
        "priority": work.priority or None,
        "ignore_eos": work.ignore_eos or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    settings = {name: getattr(sampling, name) for name in _EXTENSIONS}
    return body | {name: value for name, value in settings.items() if value != _EXTENSIONS[name]}


async def _pieces(response: httpx.Response) -> AsyncGenerator[Piece]:
    """The pieces of a streamed answer; the last one, which says why it ended, waits for the usage."""
    new_tokens, prompt_tokens, text = 0, 0, ""
    finish: Finish | None = None
    async for line in response.aiter_lines():
        if not line.startswith("data:") or line.strip() == "data: [DONE]":
            continue
        chunk = json.loads(line.removeprefix("data:"))
        if "error" in chunk:
            raise _as_error(chunk["error"], 500)
        if usage := chunk.get("usage"):
            prompt_tokens, new_tokens = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in chunk.get("choices", [])[:1]:
            text = choice.get("text") or choice.get("delta", {}).get("content") or ""
            finish = _finish(choice.get("finish_reason"))
            if finish is None and text:
                new_tokens += 1  # until the server counts itself
                yield Piece(text)
    if finish is None:
        raise BackendFailed("The server behind this one broke off its answer; try again.", retry_after=1)
    yield Piece(text, finish=finish, usage=Usage(prompt_tokens, new_tokens))


def _finish(reason: str | None) -> Finish | None:
    return None if reason is None else "length" if reason == "length" else "stop"


async def _refusal(response: httpx.Response) -> ServiceError:
    """The error for an answer that is none."""
    content = b""
    async for chunk in response.aiter_bytes():
        content = (content + chunk)[:MOST_ERROR_BYTES]
    try:
        error = json.loads(content)["error"]
    except (ValueError, TypeError, KeyError):
        error = {}
    return _as_error(error, response.status_code, response.headers.get("Retry-After"))


def _as_error(error: Any, status: int, retry_after: str | None = None) -> ServiceError:
    """An error of the other server as ours, with its sentence where it has one."""
    error = error if isinstance(error, dict) else {}
    sentence = str(error.get("message") or f"The server behind this one answered with status {status}.")
    if error.get("code") == DeadlinePassed.code or status == DeadlinePassed.status:
        return DeadlinePassed(sentence)
    if status == UnknownModel.status:
        return UnknownModel(sentence, param="model")
    if status in BUSY and error.get("code") != BackendFailed.code:
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
        return BackendBusy(sentence, retry_after=seconds)
    if 400 <= status < 500:
        return Invalid(sentence, param=error.get("param"))
    return BackendFailed(sentence, retry_after=1)


@contextlib.contextmanager
def _failures_as_ours() -> Any:
    """Whatever goes wrong on the way, or in what the other server says, as BackendFailed."""
    try:
        yield
    except httpx.HTTPError as error:
        raise BackendFailed(
            f"The server behind this one cannot be reached ({type(error).__name__}); try again.",
            retry_after=1,
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BackendFailed(
            "The server behind this one speaks no OpenAI interface.", retry_after=1
        ) from error
