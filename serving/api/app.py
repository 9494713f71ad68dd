"""Puts the endpoints around a service, and makes every error one sentence in one shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from serving.api import generation, health
from serving.api.guard import Guard
from serving.api.refusal import AsciiJson, refusal
from serving.errors import Invalid, ServiceError, error_body
from serving.service import Service

SENTENCES = {
    400: "The body is no JSON that can be read.",
    404: "There is nothing at this address; GET /openapi.json lists what is.",
    405: "This address takes another method; GET /openapi.json says which.",
}

NO_OBJECT = "Send one JSON object, with the header Content-Type: application/json."


def create_app(service: Service) -> FastAPI:
    """The application around `service`, which it closes when it ends; no page, so no foreign script."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="MiniMind inference service", version="1", docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    app.include_router(generation.routes)
    app.include_router(health.routes)
    app.add_middleware(Guard, service=service)
    app.add_exception_handler(ServiceError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    app.add_exception_handler(HTTPException, _refuse_address)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return refusal(generation.service_of(request), error)


async def _refuse_body(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    sentence, param = _first_fault(error.errors())
    return await _refuse(request, Invalid(sentence, param=param))


async def _refuse_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = SENTENCES.get(error.status_code, str(error.detail))
    body = error_body(sentence, Invalid.kind, "not_found" if error.status_code == 404 else Invalid.code)
    return AsciiJson(body, error.status_code, error.headers)


def _first_fault(faults: Sequence[Any]) -> tuple[str, str | None]:
    """One sentence about the first thing that is wrong, and the field's name."""
    fault = faults[0]
    place = [str(part) for part in fault["loc"][1:] if part != "function-wrap"]
    if fault["type"] == "json_invalid":
        return f"The body is no JSON: {fault['ctx']['error']} at character {place[0]}.", None
    if fault["type"] == "extra_forbidden":
        return f"There is no field {place[-1]!r:.100}; leave it out.", place[-1][:100]
    said = fault["msg"].removeprefix("Value error, ").rstrip(".")
    if not place:
        return f"{said}." if said.startswith("`") else NO_OBJECT, None
    name = ".".join(place)[:100]
    return f"`{name}`: {said[:1].lower()}{said[1:]}.", name
