"""Why a request is not answered: a status, a code that metrics count, and one sentence that says what to do.

Over HTTP each has the shape that OpenAI's clients read: {"error": {"message", "type", "param", "code"}}.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from minimind_core.errors import concise


class ServiceError(Exception):
    """A request that is refused or has failed. `retry_after` are seconds, where trying again may help."""

    status: ClassVar[int]
    code: ClassVar[str]
    kind: ClassVar[str] = "server_error"
    blames_backend: ClassVar[bool] = False
    """The circuit breaker counts it."""

    def __init__(self, sentence: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(concise(sentence, {}))
        self.param, self.retry_after = param, retry_after

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return error_body(str(self), self.kind, self.code, self.param)

    def headers(self) -> dict[str, str]:
        """Retry-After in whole seconds, where there is one."""
        return {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class Invalid(ServiceError):
    """The client's to mend."""

    status, code, kind = 400, "invalid_request", "invalid_request_error"


class UnknownModel(ServiceError):
    """A model that is not served here."""

    status, code, kind = 404, "model_not_found", "invalid_request_error"


class SlowBody(ServiceError):
    """A body that did not arrive in time."""

    status, code, kind = 408, "slow_body", "invalid_request_error"


class TooLarge(ServiceError):
    """A body beyond its bound."""

    status, code, kind = 413, "too_large", "invalid_request_error"


class WrongHost(ServiceError):
    """A name that is not this server's."""

    status, code, kind = 421, "wrong_host", "invalid_request_error"


class QueueIsFull(ServiceError):
    """As many requests are in here as may be."""

    status, code = 503, "queue_full"


class Draining(ServiceError):
    """The service is about to end."""

    status, code = 503, "draining"


class BreakerOpen(ServiceError):
    """The backend failed several times in a row and is left alone for a while."""

    status, code = 503, "breaker_open"


class BackendFailed(ServiceError):
    """The backend broke, or cannot be reached."""

    status, code, blames_backend = 503, "backend_failed", True


class BackendBusy(ServiceError):
    """The backend itself refuses for now; nothing is broken."""

    status, code = 503, "backend_busy"


class DeadlinePassed(ServiceError):
    """The answer was not there in time."""

    status, code = 504, "deadline"


class Broken(ServiceError):
    """A fault of this service itself."""

    status, code = 500, "internal"


def error_body(sentence: str, kind: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code}}
