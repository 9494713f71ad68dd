"""What probes and Prometheus ask: is it alive, should requests be sent here, how is it doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.api.generation import service_of

routes = APIRouter()
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Send requests to another instance"}}


@routes.get("/health/live")
async def live() -> dict[str, str]:
    """200 while the process answers at all; restart it where this fails."""
    return {"status": "live"}


@routes.get("/health/ready", responses=NOT_READY)
@routes.get("/health", responses=NOT_READY)
async def ready(request: Request) -> Response:
    """200 where requests should be sent, else 503 with the reason: draining, breaker_open, backend_failed."""
    service = service_of(request)
    obstacle = service.obstacle
    facts = {
        "status": obstacle or "ready",
        "breaker": service.breaker.state,
        "in_flight": service.gate.in_flight,
        "waiting": service.gate.waiting,
    }
    return JSONResponse(facts, status_code=503 if obstacle else 200)


@routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """All figures in Prometheus' text format. In a thread: the engine is asked between two steps."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)
