"""`load`: send to an OpenAI-compatible server what its users would send, and tell how long they waited.

    python -m serving load http://127.0.0.1:8000 --rate 20 --seconds 30
    python -m serving load http://127.0.0.1:8000 --trace arrivals.txt --plot load.html
    python -m serving load http://127.0.0.1:8000 --rate 20 --closed 1      the usual mistake, made visible

Requests are sent when they are due, whatever becomes of the others, and latency counts from then. Only this
machine is loaded unless --allow-remote is given. Ctrl-C ends the test and sums up what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from minimind_core.atomic_file import check_target
from minimind_core.command_options import add_json_argument, positive, print_json
from minimind_core.errors import ConfigError, FileError
from minimind_core.progress import progress_bar

if TYPE_CHECKING:
    import httpx

    from serving.load.plan import LoadTest, Plan
    from serving.load.summary import Summary

HELP = "load an OpenAI-compatible server, open loop, and tell its latencies"
FAILED, INTERRUPTED = 1, 130
MOST_REQUESTS, MOST_SECONDS, MOST_RATE, MOST_IN_FLIGHT = 100_000, 3600.0, 10_000.0, 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `load`."""
    parser.add_argument("url", metavar="URL", help="the server, such as http://127.0.0.1:8000")
    parser.add_argument("--rate", type=_up_to(MOST_RATE), default=10.0, help="requests due a second (10)")
    parser.add_argument(
        "--seconds", type=_up_to(MOST_SECONDS), default=20.0, help="how long requests are due (20)"
    )
    parser.add_argument(
        "--warmup", type=_from_zero, default=2.0, help="seconds at the beginning that do not count (2)"
    )
    parser.add_argument("--requests", type=positive, default=MOST_REQUESTS, help="at most so many requests")
    parser.add_argument("--arrivals", choices=("poisson", "uniform"), default="poisson")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="arrivals: seconds, one a line")
    parser.add_argument("--seed", type=int, default=0, help="of Poisson arrivals (0)")
    parser.add_argument(
        "--closed", type=positive, default=0, metavar="CLIENTS", help="wait for answers: the usual mistake"
    )
    parser.add_argument("--model", default="minimind-26m", help="as the server calls it (minimind-26m)")
    parser.add_argument("--prompt", default="The weather today", help="what every request sends")
    parser.add_argument("--tokens", type=positive, default=50, help="most tokens of an answer (50)")
    parser.add_argument("--temperature", type=_from_zero, default=0.0, help="of the sampling (0)")
    parser.add_argument(
        "--slo-ms", type=_up_to(1e6), default=500.0, help="an answer in time takes at most so long (500)"
    )
    parser.add_argument("--slo-ttft-ms", type=_up_to(1e6), help="and its first token at most so long")
    parser.add_argument(
        "--timeout", type=_up_to(MOST_SECONDS), default=30.0, help="seconds for one request (30)"
    )
    parser.add_argument(
        "--max-in-flight", type=positive, default=512, help="beyond these, requests count as not sent (512)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="the server may be another machine")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an HTML file with plots")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Send the load; 1 if nothing was answered, 130 if interrupted. Raises ConfigError, FileError."""
    from serving.load.plan import LoadTest
    from serving.load.report import report
    from serving.load.summary import Goal, summarize
    from serving.load.target import endpoint

    url = endpoint(options.url, allow_remote=options.allow_remote)
    test = LoadTest(_plan(options))
    _check_plot(options.plot)
    with contextlib.suppress(KeyboardInterrupt):  # the test knows, and has kept what came back
        asyncio.run(_send(url, options, test))
    summary = summarize(test, Goal(options.slo_ms, options.slo_ttft_ms))
    if options.json:
        print_json({"url": str(url), **summary})
    else:
        print(report(summary))
    if options.plot is not None:
        _write_plots(options.plot, test, summary)
    if test.interrupted:
        return INTERRUPTED
    return 0 if summary["latency_ms"] else FAILED


async def _send(url: httpx.URL, options: argparse.Namespace, test: LoadTest) -> None:
    from serving.load.completions import Completions

    body = {
        "model": options.model,
        "prompt": options.prompt,
        "max_tokens": options.tokens,
        "temperature": options.temperature,
    }
    completions = Completions(
        url, body, timeout=options.timeout, most_in_flight=min(options.max_in_flight, MOST_IN_FLIGHT)
    )
    with progress_bar("sending", "request", options.json) as on_progress:
        await test.run(completions, on_progress)


def _plan(options: argparse.Namespace) -> Plan:
    """When requests are due. The test ends early where their number is bounded."""
    from serving.load import arrivals
    from serving.load.plan import Plan

    if options.trace and options.closed:
        raise ConfigError("A closed loop cannot keep to a trace: leave out --trace or --closed.")
    most = min(options.requests, MOST_REQUESTS)
    if options.trace:
        times: Iterable[float] = arrivals.trace(options.trace)
    elif options.arrivals == "uniform" or options.closed:
        times = arrivals.uniform(options.rate, options.seconds)
    else:
        times = arrivals.poisson(options.rate, options.seconds, options.seed)
    due = arrivals.bounded(times, options.seconds, most)
    ends_early = len(due) == most or options.trace
    seconds = min(options.seconds, due[-1]) if ends_early and due else options.seconds
    if not due or due[-1] < options.warmup:
        raise ConfigError(
            f"No request is due after {options.warmup:g} s of warm-up: ask for more seconds, more requests a "
            "second, or less warm-up."
        )
    return Plan(due, seconds, options.warmup, options.closed, options.rate)


def _check_plot(path: Path | None) -> None:
    if path is not None:
        try:
            check_target(path)
        except OSError as error:
            raise _unwritable(path, error) from error


def _write_plots(path: Path, test: LoadTest, summary: Summary) -> None:
    from serving.load.plots import write_plots

    try:
        write_plots(path, test, summary)
    except OSError as error:
        raise _unwritable(path, error) from error
    print(f"wrote {path}", file=sys.stderr)


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(f"The plots cannot be written to {path} ({error.strerror}); choose another file.")


def _up_to(most: float) -> Callable[[str], float]:
    """For argparse: a number above 0 and at most `most`."""

    def number(text: str) -> float:
        value = float(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"must be above 0 and at most {most:,g}")
        return value

    return number


def _from_zero(text: str) -> float:
    """For argparse: a number from 0 to `MOST_SECONDS`."""
    value = float(text)
    if not 0 <= value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {MOST_SECONDS:,g}")
    return value
