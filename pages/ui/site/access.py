"""The token of this server: who may open it on a machine that several people share.

Every process of a machine reaches its loopback ports, whoever started it. Where others have an account here,
the address in the terminal therefore ends in `?token=…`; a browser that has opened it once keeps a cookie.
MINIMIND_TOKEN=on asks for it always, `off` never, and any longer text is the token. Left out, it is asked for
where the server listens here alone and somebody else has worked on this machine: a laptop of one person, a
container and a team's server go on without.

A cookie knows no port: whoever of this machine lures the browser to a server of theirs on the same host name
can read it there, as with every such token.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from minimind_core.bounded import read_bounded
from minimind_core.errors import FileError
from pages.ui.site import origin
from study.store import data_folder

VARIABLE = "MINIMIND_TOKEN"
PARAMETER = "token"
_SHORTEST = 16
_SECRET, _SECRET_BYTES = "token.key", 32
_SIGNS = (".bash_history", ".zsh_history", ".ssh", ".cache", ".local", "Library")
"""What a home has that somebody has worked in; an account that only a package made has none of it."""
_FIRST_PERSON = 500
"""User ids below belong to the system (macOS begins to count people at 501, Linux at 1000)."""


@dataclass(frozen=True)
class Key:
    """What opens this server: the token of its address, and the cookie that a browser has in exchange."""

    token: str
    cookie: str

    def opens(self, given: str) -> bool:
        """Whether a text is the token."""
        return _equal(given, self.token)

    def known(self, cookies: Mapping[str, str]) -> bool:
        """Whether the browser of these cookies has shown the token before."""
        return _equal(cookies.get(cookie_name(), ""), self.cookie)


def key() -> Key | None:
    """The key of this server; None where it asks for none. Raises ValueError for a token too short."""
    asked = os.environ.get(VARIABLE, "").strip()
    if asked not in ("", "on", "off"):
        if len(asked) < _SHORTEST:
            raise ValueError(
                f"{VARIABLE} is on, off or a token of {_SHORTEST} characters at least: choose one of these."
            )
        return Key(asked, _signed(asked))
    if asked == "on" or (not asked and _only_here() and others_work_here(Path.home())):
        return Key(secrets.token_urlsafe(24), _signed(""))
    return None


def cookie_name() -> str:
    """A name with the port in it: a browser shares its cookies between all servers of a machine."""
    return f"minimind_token_{st.get_option('server.port')}"


def others_work_here(home: Path) -> bool:
    """Whether somebody else has worked on this machine: in a home beside this or an account's."""
    own = {home, home.resolve()}
    return any(path not in own and _is_somebodys(path) for path in _homes(home))


def _homes(home: Path) -> Iterator[Path]:
    try:
        import pwd
    except ImportError:  # Windows shares no loopback in this way between sessions that people have open
        return
    for account in pwd.getpwall():
        if account.pw_uid >= _FIRST_PERSON and not account.pw_shell.endswith(("nologin", "false")):
            yield Path(account.pw_dir)
    try:  # where accounts come from a directory service, nobody lists them
        yield from home.parent.iterdir()
    except OSError:
        return


def _is_somebodys(home: Path) -> bool:
    """Whether a home belongs to a person who is not us: one closed to us, or one that shows use."""
    try:
        owner = home.stat().st_uid
        if owner < _FIRST_PERSON or owner == os.getuid() or not home.is_dir():
            return False
        return not os.access(home, os.R_OK | os.X_OK) or any((home / sign).exists() for sign in _SIGNS)
    except OSError:
        return False


def _only_here() -> bool:
    return st.get_option("server.address") in origin.LOOPBACK and origin.public() is None


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


def _signed(text: str) -> str:
    return hmac.new(_secret(data_folder()), text.encode(), "sha256").hexdigest()


def _secret(folder: Path) -> bytes:
    """Random bytes that only this user can read, kept so that an open page survives a restart of the server.

    Where they cannot be kept, the cookie ends with the server.
    """
    path, made = folder / _SECRET, secrets.token_bytes(_SECRET_BYTES)
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileError):
            kept = read_bounded(path, _SECRET_BYTES)
            if len(kept) == _SECRET_BYTES:
                return kept
        path.unlink()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
    return made
