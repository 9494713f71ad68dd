"""Ends a text where one of some given texts begins, although it arrives in pieces. Knows no tokens."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Gives on what can no longer be part of a stop text, and holds back the rest.

    >>> stop = StopTexts(["END"])
    >>> stop.read("the E"), stop.read("ND of it"), stop.found
    ('the ', '', True)
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [text for text in texts if text]
        self._held = ""
        self.found = False

    def read(self, piece: str) -> str:
        """What of the text so far may be shown now."""
        if not self._texts:
            return piece
        text = self._held + piece
        ends = [at for at in (text.find(stop) for stop in self._texts) if at >= 0]
        if ends:
            self.found, self._held = True, ""
            return text[: min(ends)]
        shown = len(text) - max((_overlap(text, stop) for stop in self._texts), default=0)
        self._held = text[shown:]
        return text[:shown]

    def rest(self) -> str:
        """What was held back, once no more comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` that may be the beginning of `stop`."""
    return next(size for size in range(min(len(text), len(stop) - 1), -1, -1) if text.endswith(stop[:size]))
