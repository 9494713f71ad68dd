"""Marks in what a lab put together: a minus sign in ticks, full width between Chinese words ("实测，GQA-2").

Only what stands beside a Chinese character is changed, so code and names keep theirs.
"""

from __future__ import annotations

import re

from pages.ui.words.i18n import current_language
from questions.values import MINUS

_HAN = "\u4e00-\u9fff（）"
_BETWEEN = re.compile(rf"(?<=[{_HAN}])\s?([,:;]) |([,:;]) (?=[{_HAN}])")
_BRACKETS = re.compile(rf"(?<=[{_HAN}])\s?\(([^()\"]*)\)|\s?\(([^()\"]*[{_HAN}][^()\"]*)\)")
_WIDE = {",": "，", ":": "：", ";": "；"}
_SIGN = re.compile(r'(?<=[">])-(?=\d[\d.,]*[%×]?["<])')


def labelled(text: str) -> str:
    """A label in the session's language."""
    return widened(text) if current_language() == "zh" else text


def unbroken(date: str) -> str:
    """A date such as 2026-11-30 that no end of a line parts."""
    return date.replace("-", "-\N{WORD JOINER}")


def signed(figure: str) -> str:
    """A figure's JSON with a minus sign in every text that is a number, such as a tick.

    >>> signed('["10<sup>-4</sup>", "-2.5%", "top-1", -3]')
    '["10<sup>−4</sup>", "−2.5%", "top-1", -3]'
    """
    return _SIGN.sub(MINUS, figure)


def widened(text: str) -> str:
    """The marks of a Chinese label.

    >>> widened("实测, GQA-2"), widened("KV heads 8: 困惑度"), widened("耗时 (ms)"), widened("f(a, b)")
    ('实测，GQA-2', 'KV heads 8：困惑度', '耗时（ms）', 'f(a, b)')
    """
    wide = _BRACKETS.sub(lambda found: f"（{found[1] or found[2]}）", text)
    return _BETWEEN.sub(lambda found: _WIDE[found[1] or found[2]], wide)
