"""A text as pieces, drawn as bars that are as wide as a piece has bytes. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from labs.contract import Words
from labs.contract.drawing import Figure

DRAWN_BYTES = 48
"""Of the text: more would be too narrow for their letters."""
SHADES = (0.45, 0.8)
"""Of neighbouring pieces in turn."""
FRAME, ROW = 90, 44
"""Pixels around the rows, and of each."""


class Piece(TypedDict):
    """One token: its bytes from `start` to `end`, and how it reads."""

    start: int
    end: int
    text: str


def laid_out(pieces: Iterable[bytes]) -> list[Piece]:
    """The pieces that begin in the first DRAWN_BYTES, end to end.

    >>> laid_out([b"ab", b"c"])[1]
    {'start': 2, 'end': 3, 'text': 'c'}
    """
    found: list[Piece] = []
    start = 0
    for piece in pieces:
        if start >= DRAWN_BYTES:
            break
        found.append({"start": start, "end": start + len(piece), "text": legible(piece)})
        start += len(piece)
    return found


def legible(piece: bytes) -> str:
    """A token as a label: spaces and line ends can be seen, and what is no letter is written as its bytes.

    >>> legible(" a\\n\\x07".encode()), legible("习".encode()[:2])
    ('␣a⏎\\\\x07', '\\\\xe4\\\\xb9')
    """
    shown = piece.decode("utf-8", errors="backslashreplace")
    shown = shown.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥").replace("<", "‹")
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in shown)


def drawn_cut(
    rows: Mapping[str, Sequence[Piece]], counts: Sequence[str], title: str | None, text: Words
) -> Figure:
    """Rows of pieces by label, from the top; `counts` stand at their ends, `title` is the y axis's."""
    figure = Figure(height=FRAME + ROW * len(rows), barmode="overlay")
    end = min(DRAWN_BYTES, max(cut[-1]["end"] for cut in rows.values()))
    for row, cut in enumerate(rows.values()):
        figure.bars(
            [min(piece["end"], end) - piece["start"] for piece in cut],
            [row] * len(cut),
            "measured",
            base=[piece["start"] for piece in cut],
            horizontal=True,
            showlegend=False,
            marker={"opacity": [SHADES[index % 2] for index in range(len(cut))], "line": {"width": 1}},
            customdata=[piece["text"] for piece in cut],
            hover="%{customdata}",
            width=0.72,
        )
    # In the page's own ink: within a bar plotly picks a colour that a recorded bar's pattern hides.
    placed = [(row, piece) for row, cut in enumerate(rows.values()) for piece in cut]
    figure.words(
        [(piece["start"] + min(piece["end"], end)) / 2 for _, piece in placed],
        [row for row, _ in placed],
        [_label(piece) for _, piece in placed],
        textfont={"size": 12},
    )
    ends = list(range(len(rows)))
    figure.words([end * 1.01] * len(rows), ends, counts, textposition="middle right", cliponaxis=False)
    figure.x_axis(text("axis.bytes"), span=(0, end * 1.3), showgrid=False)
    figure.y_axis(title, ticks=dict(enumerate(rows)), span=(len(rows) - 0.5, -0.5), showgrid=False)
    return figure


def _label(piece: Piece) -> str:
    """What fits into a bar: its text, or for bytes that are no letter a dot each; the pointer shows them.

    >>> _label({"start": 0, "end": 2, "text": "\\\\xe4\\\\xb9"})
    '··'
    """
    return re.sub(r"\\x[0-9a-f]{2}", "·", piece["text"])


def _escaped(letter: str) -> str:
    """One letter as bytes.

    >>> _escaped("\\x07")
    '\\\\x07'
    """
    return "".join(f"\\x{byte:02x}" for byte in letter.encode())
