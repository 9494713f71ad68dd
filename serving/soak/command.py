"""`soak`: the real service under mixed load at a share of what it can do, for minutes, and the verdict.

    python -m serving soak --minutes 30
    python -m serving soak --minutes 5 --device cuda --dtype bf16 --slots 64 --processes 8 --json

Starts `serve` as a process of its own, finds how many visitors a second it answers, and sends 80 percent of
them: streams, whole answers, conversations, long prompts, some who leave in the middle and some who send what
cannot be. Exit code 0 where none was served wrong, memory stayed within 5 percent, nothing was left and the
service drained; else 1.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from minimind_core.command_options import (
    add_device_arguments,
    add_json_argument,
    add_model_arguments,
    positive,
    print_json,
)
from serving.arguments import MOST_HERE, at_most

FAILED = 1
RATE_SECONDS, RATE_SHARE = 10.0, 1 / 6
"""In which it is found how many visitors are answered a second: at most, and of the load's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `soak`."""
    parser.add_argument("--minutes", type=_above_zero, default=30.0, help="of the load (30)")
    parser.add_argument("--share", type=_above_zero, default=0.8, help="of what it can answer (0.8)")
    parser.add_argument("--slots", type=positive, default=8, help="requests answered together (8)")
    parser.add_argument("--tokens", type=positive, default=32, help="of an answer (32)")
    parser.add_argument("--processes", type=at_most(MOST_HERE), default=1, help="that visitors come from (1)")
    add_model_arguments(parser)
    add_device_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Soak it; 0 where all of it held, else 1. Raises NotStarted."""
    from serving.soak.soak import soak

    report = asyncio.run(soak(options, min(RATE_SECONDS, RATE_SHARE * 60 * options.minutes)))
    if options.json:
        print_json(report)
    else:
        print(_sentences(report))
    return 0 if report["held"] else FAILED


def _sentences(report: dict[str, Any]) -> str:
    rows = [
        f"{report['visits']:,} visits in {report['seconds']:,.0f} s, {report['rate']:.1f} a second of "
        f"{report['capacity']:.1f} that it can answer; P95 {report['p95_ms']:,.0f} ms",
        f"wrong: {report['faults'] or 'none'}",
    ]
    for name, growth in report["memory"].items():
        megabytes = [f"{growth[key] / 1e6:,.0f}" for key in ("begin", "end", "most")]
        rows.append(
            f"{name}: {' -> '.join(megabytes[:2])} MB, {growth['percent']:+.1f}%, most {megabytes[2]}"
        )
    rows.append(f"left behind: {report['left'] or 'nothing'}; exit code {report['exit_code']}")
    rows.append("held" if report["held"] else "DID NOT HOLD: " + "; ".join(report["broken"]))
    return "\n".join(rows)


def _above_zero(text: str) -> float:
    """For argparse: a number above 0 and not infinite."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value
