"""The endpoints that generate: a body becomes work, the pieces of the answer become JSON or a stream."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from minimind_core.errors import MiniMindError
from minimind_core.training.conversations import Turn
from serving.api.answers import Answer, ChatAnswer, CompletionAnswer, PlainAnswer
from serving.api.bodies import Body, ChatBody, CompletionBody, ErrorBody, GenerateBody
from serving.api.connection import EventStream, unless_gone
from serving.backends.backend import Dialogue, Piece, Prompt, Work
from serving.errors import Invalid, ServiceError
from serving.service import Facts, Service
from serving.settings import Settings

MOST_DEADLINE_MS = 86_400_000
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 404, 408, 413, 421, 499, 503, 504)
}
DeadlineMs = Annotated[
    int | None, Header(ge=1, le=MOST_DEADLINE_MS, description="Milliseconds that the answer may take")
]

routes = APIRouter(responses=ERRORS)


@routes.post("/generate")
async def generate(body: GenerateBody, request: Request, x_deadline_ms: DeadlineMs = None) -> Response:
    """Continue a text; answers with token ids and times too."""
    work, facts = _work(request, body, _checked(body.prompt, request), x_deadline_ms)
    return await _respond(request, work, PlainAnswer(facts))


@routes.post("/v1/completions")
async def completions(body: CompletionBody, request: Request, x_deadline_ms: DeadlineMs = None) -> Response:
    """Continue a text, as OpenAI's clients ask for it."""
    work, facts = _work(request, body, _checked(body.prompt, request), x_deadline_ms)
    return await _respond(request, work, CompletionAnswer(facts, _wants_usage(body)))


@routes.post("/v1/chat/completions")
async def chat_completions(body: ChatBody, request: Request, x_deadline_ms: DeadlineMs = None) -> Response:
    """Go on with a conversation, as OpenAI's clients ask for it."""
    turns = tuple(Turn(message.role, message.content) for message in body.messages)
    _check_characters(sum(len(turn.content) for turn in turns), request, "messages")
    work, facts = _work(request, body, Dialogue(turns), x_deadline_ms)
    return await _respond(request, work, ChatAnswer(facts, _wants_usage(body)))


@routes.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """What is served."""
    names = await service_of(request).backend.models()
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "minimind"} for name in names],
    }


def service_of(request: Request) -> Service:
    """The service that answers a request."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


def _work(request: Request, body: Body, prompt: Prompt, deadline_ms: int | None) -> tuple[Work, Facts]:
    """What a backend is asked, and what will be known of it. Raises Invalid."""
    settings = service_of(request).settings
    _check_tokens(body.most_tokens, settings)
    try:
        sampling = body.sampling
    except MiniMindError as error:
        raise Invalid(str(error)) from error
    seconds = settings.deadline if deadline_ms is None else min(settings.deadline, deadline_ms / 1000)
    facts = Facts(
        request.url.path, bool(body.stream), priority=body.priority or 0, hurried=seconds < settings.deadline
    )
    request.state.facts = facts
    work = Work(
        prompt,
        sampling,
        deadline=facts.began + seconds,
        max_new_tokens=body.most_tokens,
        priority=facts.priority,
        stop=tuple(body.stop or ()),
        ignore_eos=bool(body.ignore_eos),
        model=body.model,
        request_id=request.state.request_id,
    )
    return work, facts


def _checked(prompt: str | list[int], request: Request) -> Prompt:
    """The prompt, if it is not too long to be looked at. Raises Invalid."""
    _check_characters(len(prompt), request, "prompt")
    return prompt if isinstance(prompt, str) else tuple(prompt)


def _check_characters(count: int, request: Request, param: str) -> None:
    most = service_of(request).settings.max_prompt_characters
    if count > most:
        raise Invalid(f"The prompt has {count:,} characters; give at most {most:,}.", param=param)


def _check_tokens(count: int | None, settings: Settings) -> None:
    if count is not None and count > settings.max_new_tokens:
        raise Invalid(
            f"{count} tokens are asked for; at most {settings.max_new_tokens} are answered.",
            param="max_tokens",
        )


def _wants_usage(body: CompletionBody | ChatBody) -> bool:
    if body.stream_options is not None and not body.stream:
        raise Invalid("`stream_options` go with `stream`: true only.", param="stream_options")
    return body.stream_options is not None and body.stream_options.include_usage


async def _respond(request: Request, work: Work, answer: Answer) -> Response:
    """Generate; the client's leaving ends it. Raises ServiceError, ClientGone."""
    service, facts = service_of(request), answer.facts
    pieces = service.answer(work, facts)
    if not facts.stream:
        data = answer.whole(await unless_gone(request.receive, _all(pieces)))
        return JSONResponse(data, headers=_headers(facts))
    events = _events(pieces, answer)
    first = await unless_gone(request.receive, _first(events))
    seconds = work.deadline - time.monotonic() + service.settings.body_seconds
    return EventStream(first, events, seconds, _headers(facts))


async def _all(pieces: AsyncGenerator[Piece]) -> list[Piece]:
    async with aclosing(pieces):
        return [piece async for piece in pieces]


async def _first(events: AsyncGenerator[bytes]) -> bytes:
    return await anext(events)


async def _events(pieces: AsyncGenerator[Piece], answer: Answer) -> AsyncGenerator[bytes]:
    """Server-sent events. An error after the first of them is an event too; one before it is raised."""
    begun = False
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                for chunk in answer.chunks(piece):
                    yield _event(chunk)
                    begun = True
        except ServiceError as error:
            if not begun:
                raise
            yield _event(error.body())
            return
    yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _headers(facts: Facts) -> dict[str, str]:
    return {"X-Degraded": "true"} if facts.degraded else {}
