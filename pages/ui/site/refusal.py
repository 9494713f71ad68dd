"""Which requests are refused, and how that is said: one sentence, as a page or as JSON."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from minimind_core.errors import Sentence
from pages.ui.site import origin
from pages.ui.site.origin import Origin
from pages.ui.site.visitor import at_this_machine
from pages.ui.words import errors, i18n

_SAFE_METHODS = ("GET", "HEAD")
_HEALTH, _HOST_CONFIG, _METRICS = "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics"
_LOGOUT = "/auth/logout"
_LONGEST = 100
"""Characters of a name from outside that are repeated."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is no page of ours."""

    status: int
    sentence: Sentence

    def response(self, request: Request) -> Response:
        """The sentence in the reader's language; for a person as a page, for a script as JSON.

        Streamlit's own page asks whether the server runs, and shows such a text in its dialog.
        """
        language = i18n.preferred_language(
            request.cookies.get(i18n.COOKIE), request.headers.get("accept-language")
        )
        template = errors.sentences(language).get(self.sentence.key)
        text = template.format(**self.sentence.values) if template else str(self.sentence)
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(text, self.status)
        return HTMLResponse(_PAGE.format(language=language, text=html.escape(text)), self.status)


class Request:
    """A request or websocket as it comes in, and what there is against it."""

    def __init__(self, scope: Scope) -> None:
        connection = HTTPConnection(scope)
        self.scope, self.headers, self.cookies = scope, connection.headers, connection.cookies
        self.path, self.method = str(scope["path"]), scope.get("method", "")
        self.is_socket = scope["type"] == "websocket"

    @cached_property
    def own(self) -> tuple[Origin, ...]:
        """The origins of our own pages here, the declared one last; none for a host that is not ours."""
        secure = self.scope.get("scheme") in ("https", "wss")
        return origin.own(self._only("host"), "https" if secure else "http")

    @property
    def is_health(self) -> bool:
        """Whether it only asks if the server runs, as monitors do under any name."""
        return self.path.endswith(_HEALTH) and self.method in _SAFE_METHODS

    def refusal(self) -> Refusal | None:
        """The first thing against it; None if there is nothing."""
        if not self.own and not self.is_health:
            return self._unknown_host()
        if self.is_socket or self.method not in _SAFE_METHODS:
            return self._foreign(self._only("origin"))
        if self._is_embedded():
            return _EMBEDDED
        if self.path.endswith(_METRICS) and not at_this_machine(self.headers):
            return _NOT_HERE
        if self.path.endswith((_HEALTH, _HOST_CONFIG)) and "referer" in self.headers:
            return self._foreign("/".join(self.headers["referer"].split("/")[:3]))
        return None

    def without(self, parameter: str) -> str:
        """The address of this request, relative to it, without one of its parameters."""
        rest = [pair for pair in self._query if pair[0] != parameter]
        return "./" + quote(self.path.rsplit("/", 1)[-1]) + ("?" + urlencode(rest) if rest else "")

    def parameter(self, name: str) -> str:
        """The value of a parameter of the address; "" if there is none."""
        return dict(self._query).get(name, "")

    @property
    def _query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)

    def _only(self, header: str) -> str:
        """The value of a header that comes once; "" if it is missing or comes again."""
        values = self.headers.getlist(header)
        return values[0] if len(values) == 1 else ""

    def _unknown_host(self) -> Refusal:
        host = _shown(self._only("host"))
        name = origin.parse(f"http://{host}")
        if name is None:
            return _NO_HOST
        return Refusal(
            421,
            Sentence(
                f"This server does not answer to the name {name.host}. Whoever runs it adds "
                f"--server.allowedHosts {name.host} to the line that starts it.",
                "guard.host",
                {"host": name.host},
            ),
        )

    def _foreign(self, given: str) -> Refusal | None:
        """What is said if a page of this origin is not ours."""
        asked = origin.parse(given)
        if asked is not None and asked in self.own:
            return None
        if asked is None:
            return _NO_ORIGIN
        own = str(self.own[-1]) if self.own else "elsewhere"
        return Refusal(
            421 if self.method in _SAFE_METHODS else 403,
            Sentence(
                f"This server is {own}, and pages of {asked} may not use it. If that is this server behind a "
                f"proxy, whoever runs it sets MINIMIND_PUBLIC_ORIGIN={asked}.",
                "guard.origin",
                {"own": own, "asked": str(asked)},
            ),
        )

    def _is_embedded(self) -> bool:
        """Whether a browser says that another site's page loads this into itself, or ends a login."""
        if self.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return False
        opened = self.headers.get("sec-fetch-dest") == "document"
        return not opened or self.path.endswith(_LOGOUT)


def _shown(text: str) -> str:
    return re.sub(r"[^\x21-\x7e]", "?", text)[:_LONGEST]


_NO_HOST = Refusal(400, Sentence("The request names no host that can be read.", "guard.no_host"))
_NO_ORIGIN = Refusal(
    403,
    Sentence(
        "What connects or changes something must say in Origin which page it comes from; this does not.",
        "guard.no_origin",
    ),
)
_EMBEDDED = Refusal(403, Sentence("Pages of other sites may not load or frame this one.", "guard.embedded"))
_NOT_HERE = Refusal(404, Sentence("These figures are shown on this machine only.", "guard.metrics"))
NO_TOKEN = Refusal(
    403,
    Sentence(
        "Several people share this machine: open the address that the terminal shows. It ends in ?token=… "
        "and lets this browser in.",
        "guard.token",
    ),
)
_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MiniMind Interview Lab</title>
<body style="max-width: 36rem; margin: 20vh auto; padding: 0 1.5rem; font: 1.1rem/1.6 sans-serif">
<h1 style="font-size: 1.3rem">MiniMind Interview Lab</h1>
<p>{text}</p>
</body>
</html>
"""
