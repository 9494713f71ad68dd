"""A session without a browser: it speaks the app's websocket, so that one machine can play many visitors.

Keeps what the page shows as Streamlit's elements. Draws nothing, and knows no page.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 60
"""Seconds that a run of a page may take on a busy machine."""
POLL_SECONDS = 0.25


class Session:
    """One visitor on one page.

    with Session(address, "q13_sampling", lang="en") as visitor:
        visitor.press("q13.write")
        visitor.wait()

    `origin` is the page that it says it comes from, else the address. A name in the address needs no DNS.
    """

    def __init__(self, address: str, page: str, *, origin: str = "", **query: object) -> None:
        self._page, self._query, self._hash = page, urlencode(query), ""
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(
            connect(
                address.replace("http", "ws") + "/_stcore/stream",
                origin=origin or address,
                sock=socket.create_connection(("127.0.0.1", urlsplit(address).port or 80)),
                subprotocols=["streamlit"],
                max_size=None,
            )
        )
        self._drawn: dict[tuple[int, ...], tuple[str, Element]] = {}
        self._polls: dict[str, None] = {}
        self.run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def go(self, page: str) -> None:
        """Open another page."""
        self._page, self._hash = page, ""
        self.run()

    def run(self, fragment: str = "", widget: str = "", **value: Any) -> None:
        """Run the page, or one fragment of it, where a widget has a new value; wait until it is drawn."""
        message = BackMsg()
        message.rerun_script.page_name = "" if self._hash else self._page
        message.rerun_script.page_script_hash = self._hash
        message.rerun_script.query_string = self._query
        message.rerun_script.fragment_id = fragment
        if widget:
            state = message.rerun_script.widget_states.widgets.add(id=widget)
            for name, one in value.items():
                if isinstance(one, list):
                    getattr(state, name).data.extend(one)
                else:
                    setattr(state, name, one)
        self._socket.send(message.SerializeToString())
        self._hear(fragment)

    def press(self, button: str) -> None:
        """Press the button with this key, or else this label."""
        for fragment, element in self._drawn.values():
            found = element.button
            if element.HasField("button") and (found.id.endswith(button) or found.label == button):
                self.run(fragment, found.id, trigger_value=True)
                return
        raise AssertionError(f"no button {button!r}; the page says {self.texts()}")

    def slide(self, slider: str, value: float) -> float:
        """Move a slider and return the seconds until its part of the page was drawn again."""
        fragment, found = next(
            (fragment, element.slider)
            for fragment, element in self._drawn.values()
            if element.HasField("slider") and element.slider.id.endswith(slider)
        )
        began = time.perf_counter()
        self.run(fragment, found.id, double_array_value=[value])
        return time.perf_counter() - began

    @property
    def live(self) -> bool:
        """The page looks again and again, because something runs or waits."""
        return bool(self._polls)

    def look(self) -> None:
        """Draw again what the page says it draws again and again."""
        time.sleep(POLL_SECONDS)
        for fragment in list(self._polls):
            if fragment in self._polls:  # it may be gone: the one before drew the whole page anew
                self.run(fragment)

    def wait(self, seconds: float = PATIENCE) -> None:
        """Look until nothing runs or waits any more."""
        end = time.monotonic() + seconds
        while self.live:
            assert time.monotonic() < end, f"still running: {self.texts()}"
            self.look()

    def texts(self) -> list[str]:
        """What the page says, in order."""
        return list(self._texts())

    def says(self, words: str) -> bool:
        """Whether it says so anywhere."""
        return any(words in text for text in self._texts())

    def errors(self) -> list[str]:
        """The sentences about what went wrong."""
        return [element.alert.body for _, element in self._drawn.values() if element.HasField("alert")]

    def _texts(self) -> Iterator[str]:
        for _, (_, element) in sorted(self._drawn.items(), key=lambda item: item[0]):
            kind = element.WhichOneof("type")
            if kind in ("markdown", "alert", "html", "progress"):
                shown = getattr(element, kind)
                yield shown.text if kind == "progress" else shown.body

    def _hear(self, fragment: str) -> None:
        """Take what the server says until the run has finished, one that it starts by itself included."""
        while True:
            answer = ForwardMsg.FromString(self._socket.recv(timeout=PATIENCE))
            kind = answer.WhichOneof("type")
            assert not answer.metadata.cacheable, "kept by the browser to be named later, when it may be gone"
            if kind == "new_session":
                self._forget(fragment)
            elif kind == "navigation":
                self._hash = answer.navigation.page_script_hash
            elif kind == "delta":
                self._keep(answer)
            elif kind == "auto_rerun":
                self._polls[answer.auto_rerun.fragment_id] = None
            elif kind == "script_finished":
                if answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return
                fragment = ""

    def _forget(self, fragment: str) -> None:
        """A run draws everything anew, a fragment what is its own."""
        kept = self._drawn if fragment else {}
        self._drawn = {path: one for path, one in kept.items() if one[0] != fragment}
        self._polls = self._polls if fragment else {}

    def _keep(self, message: ForwardMsg) -> None:
        path = tuple(message.metadata.delta_path)
        self._drawn.pop(path, None)
        if message.delta.HasField("new_element"):
            self._drawn[path] = (message.delta.fragment_id, message.delta.new_element)
