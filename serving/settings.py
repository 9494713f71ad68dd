"""All that can be set of a service, with defaults for one small machine. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from minimind_core.errors import require

LOOPBACK = ("127.0.0.1", "::1", "localhost")
EMBEDDED = "engine"
SERVERS, QUEUES = ("http://", "https://"), ("redis://", "rediss://", "unix://")
CHARACTERS_A_TOKEN = 8
MOST_SECONDS = 86_400.0
"""A day. An event loop cannot wait for infinity."""


@dataclass(frozen=True)
class Settings:
    """Checked when made. Raises ConfigError with one sentence for what cannot work.

    >>> Settings(num_slots=8, queue=32).most_in_flight
    40
    """

    backend: str = EMBEDDED
    """`engine`; the address of an OpenAI-compatible server such as http://127.0.0.1:8001; or that of a Redis,
    redis://127.0.0.1:6379, whose workers answer."""
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one; the first line of the log names it."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which it answers, beside loopback's and `host`; "*" is any."""
    num_slots: int = 8
    """Requests that are answered together."""
    queue: int = 32
    """Requests that may wait beside them; one more is refused at once."""
    paged: bool = False
    """Keep keys and values in blocks that equal beginnings share, instead of a slot for each request."""
    max_length: int = 512
    """Tokens of a prompt and its answer together."""
    max_new_tokens: int = 256
    """Of one answer."""
    deadline: float = 30.0
    """Seconds that a request may take; a client can ask for less."""
    max_body_bytes: int = 65_536
    body_seconds: float = 10.0
    """Seconds that a client may take to send a body, or to fetch an answer that is ready."""
    breaker_failures: int = 5
    """Failures of the backend in a row that open the circuit breaker."""
    breaker_seconds: float = 10.0
    """Seconds after which an open breaker lets one request try."""
    gather_seconds: float = 0.01
    """For so long the tokens of an answer are gathered, after its first, before they are sent on together;
    with 0 each is sent alone."""
    fallback: str | None = None
    """A smaller model that answers, marked as degraded, while the breaker is open."""
    drain_seconds: float = 60.0
    """Seconds after SIGTERM in which accepted requests may end."""

    def __post_init__(self) -> None:
        require(
            self.backend == EMBEDDED or is_address(self.backend, (*SERVERS, *QUEUES)),
            f"A backend is `{EMBEDDED}` or an address with http:// or redis://, not {self.backend!r}.",
        )
        require(0 <= self.port < 2**16, f"A port is from 0 to 65535, not {self.port}.")
        for name in ("num_slots", "max_length", "max_new_tokens", "max_body_bytes", "breaker_failures"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("queue", "gather_seconds"):
            require(getattr(self, name) >= 0, f"{name} must be at least 0, not {getattr(self, name)}.")
        for name in ("deadline", "body_seconds", "breaker_seconds", "drain_seconds"):
            require(getattr(self, name) > 0, f"{name} must be above 0 seconds, not {getattr(self, name)}.")
        for name in ("deadline", "body_seconds", "breaker_seconds", "drain_seconds", "gather_seconds"):
            seconds = getattr(self, name)
            require(
                seconds <= MOST_SECONDS, f"{name} must be at most {MOST_SECONDS:,.0f} seconds, not {seconds}."
            )
        require(
            self.host in LOOPBACK or bool(self.allowed_hosts),
            f"Say under which names {self.host} is reached: --allowed-host NAME, or '*' for any name.",
        )

    @property
    def max_prompt_characters(self) -> int:
        """Beyond it a prompt is not even split into tokens; ours have some three characters a token."""
        return CHARACTERS_A_TOKEN * self.max_length

    @property
    def most_in_flight(self) -> int:
        """Requests that are in here at once, answered or waiting."""
        return self.num_slots + self.queue


def is_address(text: str, schemes: Sequence[str]) -> bool:
    """Whether a text names one of the schemes, a host, and a port where it has one; of `unix://` a path.

    >>> is_address("http://127.0.0.1:8001", SERVERS), is_address("http://127.0.0.1:99999", SERVERS)
    (True, False)
    """
    with contextlib.suppress(ValueError):  # of a port beyond 65535, and of half an IPv6 address
        parts = urlsplit(text)
        place = parts.path if parts.scheme == "unix" else parts.hostname
        return text.startswith(tuple(schemes)) and bool(place) and parts.port != 0
    return False
