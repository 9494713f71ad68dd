"""A generated text as tokens, each with its probability and, at hand, what the model considered beside it.

Draws what it is given, live or ended, and tells which alternative was chosen to write on from; runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from labs.playground.branches import Alternative, Step, leads_on
from pages.ui.site.component import component
from pages.ui.words.i18n import plain

_WORDS = ("label", "about", "by_hand", "part", "token", "own", "filtered", "cut", "choose")
_LATER = {name: f"{{{name}}}" for name in ("own", "filtered", "rank", "kept")}
"""Values that differ by token: token_stream.js fills them in."""
_text = component(Path(__file__))


def token_stream(
    prompt: str, steps: Sequence[Step], *, live: bool, key: str, on_branch: Callable[[int, int], None]
) -> None:
    """The prompt and the tokens after it; `live` while more are to come.

    `on_branch(place, token_id)` is called when an alternative of the token at `place` is chosen.
    """

    def chosen() -> None:
        match (st.session_state.get(key) or {}).get("branch"):
            case {"place": int(place), "id": int(token_id)}:
                on_branch(place, token_id)

    _text(
        key=key,
        on_branch_change=chosen,
        data={
            "prompt": prompt,
            "live": live,
            "tokens": [_token(step) for step in steps],
            "words": {word: plain(f"playground.card.{word}", **_LATER) for word in _WORDS},
        },
    )


def _token(step: Step) -> list[Any]:
    """What token_stream.js reads of a step; short, for a text is sent whole several times a second."""
    others = [[*_piece(other), leads_on(other), other["id"] == step["id"]] for other in step["alternatives"]]
    if not any(chosen for *_, chosen in others):
        others.append([*_piece(step), False, True])
    return [step["text"], *_piece(step)[1:], step["rank"], step["kept"], bool(step.get("by_hand")), others]


def _piece(piece: Alternative) -> list[Any]:
    """Id, name for the eye, own and filtered probability."""
    name = piece["token"] if piece["open"] or piece["special"] else piece["text"] or piece["token"]
    return [piece["id"], name, *(float(f"{piece[share]:.3g}") for share in ("probability", "filtered"))]
