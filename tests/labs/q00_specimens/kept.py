"""A specimen whose result is kept."""

from __future__ import annotations

from tests.labs.q00_specimens.wait import Wait


class Kept(Wait):
    """Waits in the same way; its result is kept."""

    id = "q00/kept"
    keep = True
