"""Logs as one JSON object a line: what happened to a request, never what it said."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any, TextIO

LOG = logging.getLogger("serving")


class JsonLines(logging.Formatter):
    """Time in seconds since 1970, level, message, and the facts given as `extra={"facts": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to(stream: TextIO = sys.stderr, others: Sequence[str] = ("uvicorn",)) -> None:
    """Send this service's log, and the warnings of `others`, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, level in (("serving", logging.INFO), *((name, logging.WARNING) for name in others)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def tell(event: str, **facts: Any) -> None:
    """Log one line."""
    LOG.info(event, extra={"facts": facts})
