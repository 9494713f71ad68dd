"""A load test as one file that a browser shows without a network. Imports plotly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from minimind_core.atomic_file import write_whole
from serving.load.completions import ANSWERED, Reply
from serving.load.loops import Sent
from serving.load.plan import LoadTest
from serving.load.report import report
from serving.load.summary import MS, Summary, latency_ms

DUE, SENT, BAD, QUIET = "#159a63", "#d0731f", "#b3261e", "#8b8781"
"""Of what is counted from when due, from when sent, of requests without an answer, and of limits."""
TITLES = ("Who waited how long", "Latency over the test", "Requests in flight", "Requests a second")
BINS = 60


def write_plots(path: Path, test: LoadTest, summary: Summary) -> None:
    """Distribution, latency over time, requests in flight, rates by kind, and the table. Raises OSError."""
    figure = make_subplots(rows=4, cols=1, subplot_titles=TITLES, vertical_spacing=0.08)
    answered = [one for one in test.counted if one.reply.kind == ANSWERED]
    _distributions(figure, answered, summary)
    _over_time(figure, test.sent, summary)
    _in_flight(figure, test.sent)
    _rates(figure, test.sent)
    figure.update_layout(
        template="plotly_white", height=1400, margin={"t": 40, "r": 20}, legend={"orientation": "h"}
    )
    text = f'<pre style="font:13px/1.5 monospace;white-space:pre-wrap;padding:1em">{report(summary)}</pre>'
    page = figure.to_html(include_plotlyjs=True, config={"displaylogo": False})
    write_whole(path, page.replace("<body>", f"<body>{text}", 1))


def _distributions(figure: go.Figure, answered: Sequence[Sent[Reply]], summary: Summary) -> None:
    """Share of the answers by latency; the gap between both lines is the coordinated omission."""
    lines = {
        "from when due": (DUE, [latency_ms(one) for one in answered]),
        "from when sent": (SENT, [MS * (one.end - one.gone) for one in answered]),
    }
    for name, (color, values) in lines.items():
        shares = [100 * rank / len(values) for rank in range(1, len(values) + 1)]
        figure.add_scatter(x=sorted(values), y=shares, name=name, line_color=color, row=1, col=1)
    figure.add_vline(x=summary["goal"]["latency_ms"], line_color=QUIET, line_dash="dot", row=1, col=1)
    figure.update_xaxes(title_text="latency (ms)", type="log", row=1, col=1)
    figure.update_yaxes(title_text="answered by then (%)", row=1, col=1)


def _over_time(figure: go.Figure, sent: Sequence[Sent[Reply]], summary: Summary) -> None:
    """A mark a request, where it was due."""
    kinds = {"answered": (DUE, "circle"), "not answered": (BAD, "x")}
    for name, (color, symbol) in kinds.items():
        marks = [one for one in sent if (one.reply.kind == ANSWERED) == (name == "answered")]
        figure.add_scattergl(
            x=[one.due for one in marks],
            y=[latency_ms(one) for one in marks],
            text=[one.reply.kind for one in marks],
            mode="markers",
            name=name,
            marker={"color": color, "symbol": symbol, "size": 5},
            row=2,
            col=1,
        )
    figure.add_hline(y=summary["goal"]["latency_ms"], line_color=QUIET, line_dash="dot", row=2, col=1)
    figure.add_vline(x=summary["warmup"], line_color=QUIET, row=2, col=1)
    figure.update_xaxes(title_text="due (s)", row=2, col=1)
    figure.update_yaxes(title_text="latency (ms)", rangemode="tozero", row=2, col=1)


def _in_flight(figure: go.Figure, sent: Sequence[Sent[Reply]]) -> None:
    changes = sorted([(one.gone, 1) for one in sent] + [(one.end, -1) for one in sent])
    counts, count = [], 0
    for _, change in changes:
        count += change
        counts.append(count)
    times = [time for time, _ in changes]
    figure.add_scatter(x=times, y=counts, line={"color": DUE, "shape": "hv"}, showlegend=False, row=3, col=1)
    figure.update_xaxes(title_text="time (s)", row=3, col=1)
    figure.update_yaxes(title_text="in flight", rangemode="tozero", row=3, col=1)


def _rates(figure: go.Figure, sent: Sequence[Sent[Reply]]) -> None:
    """When requests were due, and when they were answered, a second."""
    width = max((one.end for one in sent), default=1.0) / BINS
    ends = [one.end for one in sent if one.reply.kind == ANSWERED]
    for name, color, times in (("due", QUIET, [one.due for one in sent]), ("answered", DUE, ends)):
        counts = [0] * (BINS + 1)
        for time in times:
            counts[min(BINS, int(time / width))] += 1
        figure.add_scatter(
            x=[place * width for place in range(BINS + 1)],
            y=[count / width for count in counts],
            name=f"{name} a second",
            line={"color": color, "shape": "hv"},
            row=4,
            col=1,
        )
    figure.update_xaxes(title_text="time (s)", row=4, col=1)
    figure.update_yaxes(title_text="a second", rangemode="tozero", row=4, col=1)
