"""The web server's own warnings, each once a minute: whoever sends nonsense for ever fills no disk."""

from __future__ import annotations

import logging
import time

_LOGGERS = ("uvicorn.error", "streamlit.web.server.starlette.starlette_auth_routes")
"""Who writes a line for each request that cannot be read, fails, or asks for a login where there is none."""
_SILENT_SECONDS = 60.0
_MOST_SENTENCES = 100


class OnceAMinute(logging.Filter):
    """Lets a warning pass unless the same sentence, whatever its values, came within the last minute.

    Of more sentences than there are in the code of a server the rest is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._silent_until: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        if record.levelno < logging.WARNING:
            return True
        sentence, now = str(record.msg), time.monotonic()
        if sentence not in self._silent_until and len(self._silent_until) >= _MOST_SENTENCES:
            return False
        if now < self._silent_until.get(sentence, now):
            return False
        self._silent_until[sentence] = now + _SILENT_SECONDS
        return True


def limit_warnings() -> None:
    """Begin with it, once for each logger."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, OnceAMinute) for each in logger.filters):
            logger.addFilter(OnceAMinute())
