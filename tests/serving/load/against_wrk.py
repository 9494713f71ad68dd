"""Our load client beside wrk, a closed loop of equally many connections each, in turn at one service.

    python -m tests.serving.load.against_wrk [--connections 2] [--seconds 15] [--json]

The service is the real one around an engine that gives a token every 20 ms and computes nothing, so that the
clients measure the same answers. Wants `apt-get install wrk` (https://github.com/wg/wrk); `make wrk`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from minimind_core.command_options import print_json
from serving.load.completions import ANSWERED, Completions, Reply
from serving.load.loops import Sent, closed_loop
from serving.load.statistics import percentile

ROOT = Path(__file__).resolve().parents[3]
BODY = {"prompt": "Ab", "max_tokens": 20, "stream": True, "stream_options": {"include_usage": True}}
SCRIPT = """
wrk.method, wrk.body = "POST", '{body}'
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency, requests)
    local errors = summary.errors
    local wrong = errors.connect + errors.read + errors.status + errors.timeout
    local facts = {{summary.requests / summary.duration * 1e6, latency.mean / 1000,
        latency:percentile(50) / 1000, latency:percentile(95) / 1000, wrong}}
    print("facts [" .. table.concat(facts, ", ") .. "]")
end
"""
MEASURES = ("rate", "mean_ms", "p50_ms", "p95_ms")
Facts = dict[str, float]
"""By `MEASURES`; answers a second, and milliseconds."""


def by_wrk(url: str, connections: int, seconds: int) -> Facts:
    """What wrk tells; it may see no error."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(body=json.dumps(BODY)))
        script.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script.name]
        said = subprocess.run(["wrk", *options, url], capture_output=True, text=True, check=True).stdout
    *facts, wrong = json.loads(said.split("facts ")[1])
    assert wrong == 0, said
    return dict(zip(MEASURES, facts, strict=True))


def by_ours(url: str, connections: int, seconds: int) -> Facts:
    """What our closed loop tells of as many clients that do not pause; a request that failed is an error."""
    sent: list[Sent[Reply]] = []

    async def send() -> None:
        client = Completions(httpx.URL(url), BODY, timeout=30, most_in_flight=connections)
        try:
            await closed_loop(client.send, 0.0, seconds, sent, lambda: None, clients=connections)
        finally:
            await client.close()

    asyncio.run(send())
    assert all(one.reply.kind == ANSWERED for one in sent)
    times = sorted(1000 * (one.end - one.gone) for one in sent)
    facts = (
        sum(one.end <= seconds for one in sent) / seconds,
        statistics.fmean(times),
        *(percentile(times, share)["value"] for share in (50, 95)),
    )
    return dict(zip(MEASURES, facts, strict=True))


def compare(connections: int, seconds: int, rounds: int) -> dict[str, list[Facts]]:
    """Both in turn, in both orders, at one service; by "wrk" and "ours"."""
    told: dict[str, list[Facts]] = {"wrk": [], "ours": []}
    both = {"wrk": by_wrk, "ours": by_ours}
    with paced() as url:
        by_ours(url, connections, 1)
        for number in range(rounds):
            for name in sorted(both, reverse=bool(number % 2)):
                told[name].append(both[name](url, connections, seconds))
    return told


def ratios(told: dict[str, list[Facts]]) -> dict[str, dict[str, float]]:
    """Of each measure ours over wrk's: of the medians, the least and the most of the rounds."""
    found = {}
    for measure in MEASURES:
        ours, wrk = ([facts[measure] for facts in told[name]] for name in ("ours", "wrk"))
        each = [mine / theirs for mine, theirs in zip(ours, wrk, strict=True)]
        median = statistics.median(ours) / statistics.median(wrk)
        found[measure] = {"median": median, "least": min(each), "most": max(each)}
    return found


@contextmanager
def paced() -> Iterator[str]:
    """The address of completions at a service of its own; it ends with the block."""
    command = [sys.executable, "-m", "tests.serving.paced", "--step-ms", "20"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None and process.stdin is not None
        try:
            lines = iter(process.stderr)
            port = next(json.loads(line)["port"] for line in lines if '"listening"' in line)
            drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=log)
            yield f"http://127.0.0.1:{port}/v1/completions"
        finally:
            process.stdin.close()
            process.wait()
            drain.wait()


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("seconds", 15), ("connections", 2), ("rounds", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk")
    told = compare(options.connections, options.seconds, options.rounds)
    if options.json:
        print_json({"ratios": ratios(told), **told})
        return
    for name, runs in told.items():
        print(
            name,
            *(" ".join(f"{measure} {run[measure]:.1f}" for measure in MEASURES) for run in runs),
            sep="\n  ",
        )
    for measure, ratio in ratios(told).items():
        print(
            f"{measure}: ours over wrk's {ratio['median']:.3f} ({ratio['least']:.3f} to {ratio['most']:.3f})"
        )


if __name__ == "__main__":
    main()
