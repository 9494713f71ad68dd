"""Draws the plots of docs/benchmarks.md from docs/benchmarks.toml, as SVG that is read in light and in dark.

    python -m docs.draw

A chart is a list of bars with what was measured, its spread as a line over the bar, and for ratios a line at
1. Measures nothing: a number stands in the data file beside the command that measured it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DATA = FOLDER / "benchmarks.toml"
WIDTH, LABELS, RIGHT = 720, 240, 150
"""Of the picture, and of the columns of labels and of numbers; in pixels."""
ROW, TOP, BOTTOM = 30, 54, 18
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #26241f; }
.title { font-weight: 600; font-size: 16px; }
.soft { fill: #6b675f; }
.measured { fill: #159a63; }
.spread { stroke: #26241f; stroke-width: 1.5; }
.one { stroke: #8b8781; stroke-width: 1.5; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #ece9e2; }
  .soft { fill: #a9a49a; }
  .spread { stroke: #ece9e2; }
}
"""
"""Green is what was measured and grey is a peer's, as everywhere in the app."""


def main() -> None:
    """Write every chart of the data file beside it."""
    for name, picture in pictures().items():
        (FOLDER / name).write_text(picture, encoding="utf-8")
        print(f"docs/{name}")


def pictures() -> dict[str, str]:
    """The SVG of every chart, by the name of its file."""
    charts = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {f"benchmarks-{name}.svg": svg(chart) for name, chart in charts.items()}


def svg(chart: dict[str, Any]) -> str:
    """One chart: `title`, `unit`, `digits`, `ratio` where 1 is a peer's rate, and its `bars`.

    A bar has a `label`, a `value`, and `low` and `high` where the spread was measured.
    """
    bars = chart["bars"]
    largest = max(bar.get("high", bar["value"]) for bar in bars)
    scale = (WIDTH - LABELS - RIGHT) / largest
    height = TOP + ROW * len(bars) + BOTTOM
    told = "; ".join(f"{bar['label']}: {number(bar, chart['digits'])}" for bar in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(chart['title'])}</title>",
        f"<desc>{escape(told)}</desc>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(chart["title"])}</text>',
        f'<text class="soft" x="0" y="38">{escape(chart["unit"])}</text>',
        *(line for index, bar in enumerate(bars) for line in _bar(bar, TOP + ROW * index, scale)),
        *(_number(bar, chart["digits"], TOP + ROW * index) for index, bar in enumerate(bars)),
    ]
    if chart.get("ratio"):
        lines.append(_vertical("one", LABELS + scale, TOP - 6, height - BOTTOM + 6))
    return "\n".join([*lines, "</svg>", ""])


def number(bar: dict[str, Any], digits: int) -> str:
    """The value as it is written, with its spread where there is one.

    >>> number({"value": 1.77, "low": 1.7, "high": 1.91}, 2)
    '1.77 [1.70–1.91]'
    """
    value, *spread = (f"{bar[part]:,.{digits}f}" for part in ("value", "low", "high") if part in bar)
    return f"{value} [{'–'.join(spread)}]" if spread else value


def _bar(bar: dict[str, Any], top: int, scale: float) -> Iterator[str]:
    middle, width = top + ROW / 2, scale * bar["value"]
    yield f'<text x="{LABELS - 10}" y="{top + 20}" text-anchor="end">{escape(bar["label"])}</text>'
    yield f'<rect class="measured" x="{LABELS}" y="{top + 6}" width="{width:.1f}" height="18" rx="2"/>'
    if "low" in bar:
        low, high = (LABELS + scale * bar[end] for end in ("low", "high"))
        yield f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        yield from (_vertical("spread", x, middle - 4, middle + 4) for x in (low, high))


def _number(bar: dict[str, Any], digits: int, top: int) -> str:
    return f'<text x="{WIDTH}" y="{top + 20}" text-anchor="end">{number(bar, digits)}</text>'


def _vertical(look: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{look}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'


if __name__ == "__main__":
    main()
