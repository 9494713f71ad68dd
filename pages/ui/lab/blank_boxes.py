"""Blank boxes, each with a few shapes to choose from; what was chosen is judged once the answers are given.

Knows nothing of what the boxes are. What is chosen is the caller's; a new choice is only told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from labs.contract.shapes import Shape, read_shape
from pages.ui.words.i18n import plain

_SHAPE = re.compile(r"\[[\d, ]+\]")
_NAME_WIDTH = 250
"""Pixels of a box's name with its verdict, left of the shapes; on a phone they stand below it."""


@dataclass(frozen=True)
class Judged:
    """The right shapes by box, once they are to be seen, and sentences on what is wrong with some of them."""

    answers: Mapping[str, Shape]
    reasons: Mapping[str, str]


NOT_YET = Judged({}, {})


def draw(
    label: str,
    names: Mapping[str, str],
    filled: Mapping[str, Shape],
    offered: Mapping[str, Sequence[Shape]],
    judged: Judged,
    *,
    key: str,
    put: Callable[[str, Shape], None],
) -> None:
    """A row for each box of `names`, in their order; `put` is told of a choice, of [] for a box made blank.

    A shape that is filled in and not offered can be chosen too.
    """

    def choose(box: str) -> None:
        chosen = st.session_state[f"{key}.{box}"]
        put(box, read_shape(chosen or ""))

    st.markdown(f"**{label}**")
    with st.container(key=f"{key}.boxes", gap="small"):
        for place, (box, name) in enumerate(names.items(), 1):
            own, shapes = filled.get(box), list(offered.get(box, ()))
            if own is not None and own not in shapes:
                shapes.append(own)
            said = f"{place} {name}"
            verdict = _verdict(own, judged.answers.get(box))
            _row(said, verdict, own, shapes, f"{key}.{box}", partial(choose, box))
            if box in judged.reasons:
                st.caption(judged.reasons[box])


def _row(
    name: str,
    verdict: str,
    own: Shape | None,
    shapes: Sequence[Shape],
    key: str,
    on_choose: Callable[[], None],
) -> None:
    st.session_state[key] = None if own is None else _spaced(own)
    colour = {"✓": ":green", "✗": ":red"}.get(verdict[:1], ":gray")
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
        st.markdown(
            f"{name}\N{EN SPACE}{colour}[{_as_code(verdict)}]" if verdict else name, width=_NAME_WIDTH
        )
        st.pills(
            f"{name} {verdict}".strip(),  # what a screen reader says of the row
            [_spaced(shape) for shape in shapes],
            format_func=_as_code,
            label_visibility="collapsed",
            key=key,
            on_change=on_choose,
            wrap=True,
        )


def _verdict(own: Shape | None, answer: Shape | None) -> str:
    """Right or not, and what is right; nothing while that is not to be seen."""
    if answer is None:
        return ""
    if own == answer:
        return f"✓ {plain('boxes.right')}"
    shape = _spaced(answer)
    return shape if own is None else f"✗ {plain('boxes.wrong', shape=shape)}"


def _as_code(words: str) -> str:
    """Words with their shapes as code, as everywhere on a page."""
    return _SHAPE.sub(r"`\g<0>`", words)


def _spaced(shape: Shape) -> str:
    """A shape as people write it.

    >>> _spaced([2, 5, 512])
    '[2, 5, 512]'
    """
    return f"[{', '.join(map(str, shape))}]"
