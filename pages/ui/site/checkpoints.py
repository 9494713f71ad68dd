"""The sizes of the checkpoints that come with the app. Draws nothing, loads no weights."""

from __future__ import annotations

from functools import cache

from minimind_core.errors import MiniMindError
from minimind_core.files.checkpoint_config import locate, read_config
from minimind_core.model.cost import num_parameters


@cache
def size_of(name: str) -> int | None:
    """The parameters of a shipped checkpoint; None for one whose config.json cannot be read."""
    try:
        return num_parameters(read_config(locate(name))[0])
    except MiniMindError:
        return None
