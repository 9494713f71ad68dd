"""Texts in a still picture: plotly's few tags, lines, and about how wide they are. Draws no plot."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

from questions.values import SUPERSCRIPTS

SIZE = 13
"""Pixels."""
LINE = 1.25
"""Height of a line, in sizes."""
_BREAK = re.compile(r"<br\s*/?>")
_RAISED = re.compile(r"<sup>([^<]*)</sup>")
_ENDS = re.compile(r"^ +| +$")
_LOOKS = re.compile(r"</?[bi]>")
_WIDE = ("W", "F")
_NARROW = set(" .,:;!|'ijlIt()[]")


@dataclass(frozen=True)
class Text:
    """A text at a place: `x` is its start, middle or end (`anchor`), `y` the middle of its height."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    look: str = "ink"
    size: float = SIZE

    @property
    def lines(self) -> list[str]:
        """What is written, a line each."""
        return lines_of(self.text)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """About where it stands: left, top, right, bottom."""
        width = max(map(width_of, self.lines)) * self.size / SIZE
        left = self.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        half = len(self.lines) * self.size * LINE / 2
        return left, self.y - half, left + width, self.y + half

    def svg(self) -> str:
        """The element."""
        top = self.y - (len(self.lines) - 1) * self.size * LINE / 2 + self.size * 0.36
        lines = "".join(
            f'<tspan x="{self.x:.1f}" y="{top + index * self.size * LINE:.1f}">{_kept(line)}</tspan>'
            for index, line in enumerate(self.lines)
        )
        smaller = f' font-size="{self.size:g}"' if self.size != SIZE else ""
        return f'<text class="{self.look}" text-anchor="{self.anchor}"{smaller}>{lines}</text>'


def lines_of(text: str) -> list[str]:
    """The lines of a text as plotly reads it, its powers raised and other looks left out.

    >>> lines_of("10<sup>−4</sup><br><b>a &lt; b</b>")
    ['10⁻⁴', 'a < b']
    """
    raised = _RAISED.sub(lambda found: found[1].replace("−", "-").translate(SUPERSCRIPTS), text)
    return [html.unescape(_LOOKS.sub("", line)) for line in _BREAK.split(raised)]


def width_of(line: str) -> float:
    """About how wide a line is, in pixels at the usual size.

    >>> width_of("词元") > width_of("abc") > width_of("ill")
    True
    """
    widths = (1.0 if unicodedata.east_asian_width(sign) in _WIDE else _of(sign) for sign in line)
    return SIZE * sum(widths)


def wrapped(text: str, width: float) -> str:
    """The text in lines of at most this width, broken between words and between Chinese characters."""
    found, line = [], ""
    for piece in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+", text):
        if line and width_of((line + piece).strip()) > width:
            found.append(line.strip())
            line = ""
        line += piece
    return "<br>".join([*found, line.strip()])


def _kept(line: str) -> str:
    """A line with the blanks at its ends, which keep it apart from a mark and which SVG would drop."""
    return html.escape(_ENDS.sub(lambda blanks: "\N{NO-BREAK SPACE}" * len(blanks[0]), line))


def _of(sign: str) -> float:
    return 0.34 if sign in _NARROW else 0.74 if sign.isupper() or sign in "mw%×@" else 0.62
