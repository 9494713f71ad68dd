"""What the terminal says when the server starts: its addresses, and what a server for a team still lacks.

Streamlit's own lines are off (logger.hideWelcomeMessage in config.toml): for an address such as 0.0.0.0 it
asks the internet which one this is.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from pages.ui.site import access, origin

_NAME_MISSING = (
    "Nobody elsewhere can open it yet: add --server.allowedHosts NAME with the name or address that they "
    f"type, or set {origin.VARIABLE}=https://NAME where a proxy stands before it."
)
_NO_LOGIN = (
    "There is no login: whoever reaches the address may use it, and each browser is known by a cookie. "
    "Logins come from [auth] in .streamlit/secrets.toml."
)
_NO_AUTHLIB = 'The login of .streamlit/secrets.toml lacks a package: pip install "streamlit[auth]".'
_ONE_FILE = (
    "Work is kept in one SQLite file on this machine. A team that runs several servers, or wants backups, "
    "sets MINIMIND_DATABASE=postgresql://USER@HOST/NAME."
)
_UNENCRYPTED = (
    "What people write travels unencrypted: put a proxy with TLS before it, and set "
    f"{origin.VARIABLE}=https://NAME."
)


def lines(key: access.Key | None, open_store: Callable[[], object]) -> list[str]:
    """All that is said, a line each. `open_store` opens the store, or raises StoreError."""
    first, *others = addresses()
    query = f"?{access.PARAMETER}={key.token}" if key else ""
    said = [f"MiniMind Interview Lab: {first}/{query}", *(f"and {address}/" for address in others)]
    return said + (missing(open_store) if is_for_others() else [])


def is_for_others() -> bool:
    """Whether the server is meant for people at other machines."""
    return (
        st.get_option("server.address") not in origin.LOOPBACK
        or bool(_names())
        or origin.public() is not None
    )


def addresses() -> list[str]:
    """Where the server can be opened, as far as that is known; at least one."""
    base = st.get_option("server.baseUrlPath").strip("/")
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    address = st.get_option("server.address")
    hosts = [address if address in origin.LOOPBACK else "127.0.0.1"]
    if address not in origin.LOOPBACK:
        hosts += [name for name in _names() if "*" not in name]
    found = [origin.Origin(scheme, host.strip("[]"), st.get_option("server.port")) for host in hosts]
    declared = origin.public()
    return [f"{where}/{base}".rstrip("/") for where in ([declared] if declared else []) + found]


def missing(open_store: Callable[[], object]) -> list[str]:
    """What a server for others lacks, a sentence each."""
    declared = origin.public()
    said = []
    if declared is None and not _names():
        said.append(_NAME_MISSING)
    if not _has_login():
        said.append(_NO_LOGIN)
    elif importlib.util.find_spec("authlib") is None:
        said.append(_NO_AUTHLIB)
    if not os.environ.get("MINIMIND_DATABASE"):
        said.append(_ONE_FILE)
    if sentence := _trouble(open_store):
        said.append(sentence)
    if not st.get_option("server.sslCertFile") and (declared is None or declared.scheme == "http"):
        said.append(_UNENCRYPTED)
    return said


def _trouble(open_store: Callable[[], object]) -> str | None:
    from study.store import StoreError  # costs 0.3 s, which a server for one person need not wait for

    try:
        open_store()
    except StoreError as error:
        return str(error)
    return None


def _names() -> list[str]:
    """The names beyond this machine that the server answers to."""
    return [name for name in st.get_option("server.allowedHosts") if name.strip("[]") not in origin.LOOPBACK]


def _has_login() -> bool:
    try:
        return "auth" in st.secrets
    except (StreamlitSecretNotFoundError, FileNotFoundError):
        return False
