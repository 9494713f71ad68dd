"""A load test's summary for people: a table, and what must be known to read it."""

from __future__ import annotations

from minimind_core.command_options import table
from serving.load.statistics import CONFIDENCE, PERCENTS, Distribution, Percentile
from serving.load.summary import Summary

LATE = 10.0
"""Milliseconds of the generator's own lateness, at P99, that are worth a warning."""
FEW = 0.5
"""Of what was planned: a closed loop that sent less has hidden the rest."""
NAMES = {
    "latency_ms": "latency, from when due",
    "from_sent_ms": "latency, from when sent",
    "ttft_ms": "first token, from when due",
    "per_token_ms": "each token after it",
    "late_ms": "sent after due by",
}


def report(summary: Summary) -> str:
    """The lines that are printed."""
    rows = [["ms", "mean", *(f"P{percent}" for percent in PERCENTS)]]
    for key, name in NAMES.items():
        each: Distribution | None = summary[key]  # type: ignore[literal-required]
        if each is not None:
            cells = [_percentile(each["percentiles"][f"p{percent}"]) for percent in PERCENTS]
            rows.append([name, f"{each['mean']:,.1f}", *cells])
    return "\n".join([*_counts(summary), "", table(rows), "", *_remarks(summary)])


def _counts(summary: Summary) -> list[str]:
    goal = summary["goal"]
    wanted = f"{goal['latency_ms']:g} ms"
    if goal["ttft_ms"] is not None:
        wanted += f", first token within {goal['ttft_ms']:g} ms"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary["kinds"].items()) or "none"
    return [
        f"{summary['loop']} loop: {summary['sent']:,} of {summary['planned']:,} requests sent, "
        f"{summary['unfinished']:,} unfinished",
        f"in {summary['seconds']:.1f} s after {summary['warmup']:g} s of warm-up: {kinds}",
        f"sent {summary['sent_rate']:.2f}/s, answered {summary['answered_rate']:.2f}/s, "
        f"{summary['tokens_rate']:,.0f} tokens/s",
        f"goodput (answered within {wanted}): {summary['goodput']:.2f}/s, "
        f"{summary['goodput_share']:.1%} of the requests",
    ]


def _remarks(summary: Summary) -> list[str]:
    lines = [
        f"In brackets: {CONFIDENCE:.0%} intervals by order statistics, for independent requests; "
        "those that queued together are not, so repeat the run."
    ]
    if summary["interrupted"]:
        lines.append("Interrupted: only what had come back until then is counted.")
    if summary["loop"] == "closed" and summary["sent"] < FEW * summary["planned"]:
        lines.append(
            f"Coordinated omission: the loop waited for its answers, so {summary['never_sent']:,} requests "
            "were never sent; the latency from when sent looks as if they had never been due."
        )
    late = summary["late_ms"]
    if summary["loop"] == "open" and late is not None and late["percentiles"]["p99"]["value"] > LATE:
        lines.append("The generator itself was late: ask for fewer requests a second, or start several.")
    return lines


def _percentile(each: Percentile) -> str:
    low, high = ("?" if end is None else f"{end:,.1f}" for end in (each["low"], each["high"]))
    return f"{each['value']:,.1f} [{low}-{high}]"
