"""An error as a response, counted. In ASCII: what a client sent may hold characters that no UTF-8 has."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse

from serving.errors import ServiceError
from serving.service import Service


class AsciiJson(JSONResponse):
    """JSON with every other character escaped."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content).encode("ascii")


def refusal(service: Service, error: ServiceError) -> AsciiJson:
    """The response for an error that came before anything else was sent."""
    service.metrics.rejected.labels(error.code).inc()
    return AsciiJson(error.body(), error.status, error.headers())
