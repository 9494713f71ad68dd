"""Whom the load may be sent to: this machine, unless the person says that another one is meant."""

from __future__ import annotations

import ipaddress

import httpx

from minimind_core.errors import ConfigError
from serving.settings import SERVERS, is_address

ENDPOINT = "/v1/completions"


def endpoint(address: str, *, allow_remote: bool) -> httpx.URL:
    """The completions endpoint; `address` may name the server, its `/v1`, or the endpoint itself.

    Nothing is looked up: a host counts as this machine where it is "localhost" or a literal loopback address.
    It is read by the same parser that later connects. Raises ConfigError for any other host unless
    `allow_remote`, and for what is no http address.

    >>> str(endpoint("http://127.0.0.1:8000", allow_remote=False))
    'http://127.0.0.1:8000/v1/completions'
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if not url.host or not is_address(str(url), SERVERS):
        raise ConfigError(f"{address!r} is no address of a server: write it like http://127.0.0.1:8000.")
    if not allow_remote and not _is_this_machine(url.host):
        raise ConfigError(
            f"{url.host} is another machine: a load test can put it out of service. "
            "Add --allow-remote if it is yours, or you were asked to test it."
        )
    path = url.path.rstrip("/")
    if not path.endswith("/completions"):
        path += "/completions" if path.endswith("/v1") else ENDPOINT
    return url.copy_with(path=path)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
