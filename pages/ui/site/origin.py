"""Under which names and origins this server is reached, and whether a request comes from its own pages.

An origin is scheme, host and port, as a browser sends it. Streamlit compares host names only, and asks the
internet for the address of a name that it does not know; guard.py asks here before Streamlit looks.
MINIMIND_PUBLIC_ORIGIN declares the origin that browsers see where a proxy shows another than this server's.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

VARIABLE = "MINIMIND_PUBLIC_ORIGIN"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """Scheme, host without brackets, and port; equal where a browser calls two pages of one origin."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As a browser writes it: a port only where it is not the scheme's own."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def socket(self) -> str:
        """The address that a page of this origin opens its websocket at."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.authority}"


def parse(text: str) -> Origin | None:
    """The origin that a text is, as a browser sends it; None for anything else, such as "null" or a path.

    >>> parse("https://Lab.example:443")
    Origin(scheme='https', host='lab.example', port=443)
    >>> parse("http://user@127.0.0.1"), parse("http://127.0.0.1/")
    (None, None)
    """
    if (found := _ORIGIN.fullmatch(text)) is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower().strip("[]"), int(found[3] or 0)
    if port > 65_535 or (found[2][0] == "[" and not _is_ipv6(host)):
        return None
    return Origin(scheme, host, port or _PORTS[scheme])


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def public() -> Origin | None:
    """The origin that the environment declares; None where it declares none. Raises ValueError."""
    declared = os.environ.get(VARIABLE, "").strip()
    if not declared:
        return None
    if (origin := parse(declared)) is None:
        raise ValueError(
            f"{VARIABLE}={declared} is no origin: give scheme and name, such as https://study.example.org; "
            "a path below it goes into --server.baseUrlPath."
        )
    return origin


def is_known(host: str, allowed: Iterable[str]) -> bool:
    """Whether this server answers to a host name: this machine's, one of `allowed`, or the declared one.

    `allowed` is the setting server.allowedHosts: names, "*.example.org" for all below it, "*" for any.
    """
    host = host.rstrip(".")
    declared = public()
    if host in LOOPBACK or (declared is not None and host == declared.host):
        return True
    patterns = [pattern.strip().lower().rstrip(".").strip("[]") for pattern in allowed]
    return any(
        pattern == "*" or host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        for pattern in patterns
    )


def own(host_header: str, scheme: str) -> tuple[Origin, ...]:
    """The origins of our own pages for a request to this host; none if this server does not answer to it.

    The declared public origin is one of them, whatever Host the proxy sends.
    """
    asked = parse(f"{scheme}://{host_header}")
    if asked is None or not is_known(asked.host, st.get_option("server.allowedHosts")):
        return ()
    declared = public()
    return (asked,) if declared is None else (asked, declared)
