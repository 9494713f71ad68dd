"""How long the app bears its visitors: rushes of them, killed workers, sliders beside long runs, for minutes.

    python -m tests.browser.soak [MINUTES]          10 if nothing is said

Prints a line a round. A broken promise ends it with an AssertionError. `test_survival.py` runs the same
pieces, each once. Visitors are websocket clients (`sessions.py`): browsers would measure the browsers.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from questions import load_questions
from study.store import open_store
from tests.browser.conftest import free_port, running_app
from tests.browser.processes import at_a_crawl, web_process, worker_of
from tests.browser.sessions import Session

VISITORS = 20
LARGEST_WEB_PROCESS = 350 * 2**20
KILLED = "The worker was killed"
LONG = {"lang": "en", "q13_max_new_tokens": 400}
"""The longest text that Question 13 writes."""
RUNS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("q13_sampling", "q13.write", {"q13_max_new_tokens": 8}),
    ("playground", "playground.write", {"playground_max_new_tokens": 8}),
    ("q06_gqa", "q06_decode.bench.run", {"q06_decode_tokens": 64, "q06_decode_max_batch": 1}),
    ("playground", "playground.write", {"playground_max_new_tokens": 12, "playground_temperature": 0}),
)
"""What visitors start: a page, its button, and what they set. The seed, where there is one, is their own."""

_WRITTEN = re.compile(r'class="prompt">[^<]+</span>[^<]')


def open_the_labs(folder: Path) -> None:
    """Skip all predictions in the store of an app, which may be running, and say that they were measured:

    else each page would begin by measuring them.
    """
    store = open_store(f"sqlite:///{folder}/study.sqlite3")
    me = store.profiles.named_or_new("Me").id
    for question in load_questions():
        attempt = store.attempts.open(me, question.key)
        for prediction in question.predictions:
            store.attempts.predict(attempt, prediction.id, None)
            attempt = store.attempts.measure(attempt, prediction.id, 1.0)
    store.close()


def check_web_process(server: psutil.Process) -> float:
    """Its size in MB; it may not be large, nor hold torch."""
    size = server.memory_info().rss
    assert size <= LARGEST_WEB_PROCESS, f"{size / 2**20:.0f} MB"
    assert not [one.path for one in server.memory_maps() if "libtorch" in one.path]
    return size / 2**20


def rush(address: str, visitors: int = VISITORS) -> Counter[str]:
    """Visitors who all press a button at the same moment; how they ended, and what they saw before that."""
    ready = threading.Barrier(visitors)
    with ThreadPoolExecutor(visitors) as pool:
        seen = list(pool.map(lambda number: _rush_in(address, number, ready), range(visitors)))
    return Counter(word for words in seen for word in words)


def _rush_in(address: str, number: int, ready: threading.Barrier) -> tuple[str, str]:
    page, button, settings = RUNS[number % len(RUNS)]
    with Session(address, page, lang="en", **settings, q13_seed=number, playground_seed=number) as visitor:
        visitor.wait()
        ready.wait(120)
        visitor.press(button)
        first = _state(visitor)
        visitor.wait(180)
        last = _state(visitor)
    assert last in ("result", "sentence"), last
    return f"first {first}", last


def _state(visitor: Session) -> str:
    """What a visitor who pressed a button is told; there is nothing else."""
    if visitor.errors():
        return "sentence"
    if visitor.live:
        return "position" if visitor.says("in the queue") else "running"
    done = has_written(visitor) or visitor.says("Measured here on") or visitor.says("perplexity")
    assert done, visitor.texts()
    return "result"


def has_written(visitor: Session) -> bool:
    """The model has begun to write on from Question 13's prompt."""
    return any(_WRITTEN.search(text) for text in visitor.texts())


@contextmanager
def long_run(address: str, worker: psutil.Process) -> Iterator[Session]:
    """A visitor whose text is being written, slowly; it is stopped in the end."""
    with Session(address, "q13_sampling", **LONG, q13_seed=random.randrange(10**9)) as writer:
        writer.wait()
        with at_a_crawl(worker):
            writer.press("q13.write")
            while writer.live and not has_written(writer):
                writer.look()
            assert writer.live, writer.texts()
            yield writer
            if writer.live:
                writer.press("Stop")


def write_once(address: str) -> None:
    """A short text; the worker that wrote it is ready for the next."""
    seed = random.randrange(10**9)
    with Session(
        address, "playground", lang="en", playground_max_new_tokens=3, playground_seed=seed
    ) as visitor:
        visitor.wait()
        visitor.press("playground.write")
        visitor.wait()
        assert _state(visitor) == "result"


def kill_a_busy_worker(address: str, server: psutil.Process) -> float:
    """Kill -9 while it writes: a sentence, and a fresh worker writes again. Seconds until it has."""
    write_once(address)
    killed = worker_of(server)
    with long_run(address, killed) as writer:
        began = time.monotonic()
        killed.kill()
        writer.wait()
        assert [error for error in writer.errors() if error.startswith(KILLED)], writer.texts()
    write_once(address)
    assert worker_of(server).pid != killed.pid
    return time.monotonic() - began


def redraws(address: str, count: int) -> list[float]:
    """Seconds until a slider's plot is drawn again, while another visitor's text is being written."""
    with (
        Session(address, "q13_sampling", lang="en") as visitor,
        Session(address, "q13_sampling", **LONG, q13_seed=random.randrange(10**9)) as writer,
    ):
        visitor.wait()
        writer.wait()
        times = []
        while len(times) < count:
            if not writer.live:
                writer.press("q13.write")
            times.append(visitor.slide("q13_temperature", round(random.uniform(0.2, 2.0), 2)))
            writer.look()
    return times


def p95(times: list[float]) -> float:
    """The time that one in twenty exceeds."""
    return sorted(times)[int(0.95 * (len(times) - 1) + 0.5)]


def one_round(address: str, server: psutil.Process) -> str:
    """All of it once, in a sentence."""
    ends = rush(address)
    back = kill_a_busy_worker(address, server)
    times = redraws(address, 40)
    return (
        f"{ends['result']} results and {ends['sentence']} sentences of {VISITORS}, "
        f"{ends['first position']} by way of the queue; a killed worker cost {back:.1f} s; "
        f"sliders beside a run {statistics.median(times):.2f} s (p95 {p95(times):.2f} s); "
        f"web process {check_web_process(server):.0f} MB"
    )


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> None:
    """Rounds until the time is over; a visit to every page before, so that all is loaded."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {minutes:g} minutes")
    with tempfile.TemporaryDirectory() as folder:
        open_the_labs(Path(folder))
        with running_app(Path(folder), free_port()) as address:
            server = web_process(address)
            with Session(address, "", lang="en") as visitor:
                for page in ("playground", "settings", *(question.slug for question in load_questions())):
                    visitor.go(page)
            end, number = time.monotonic() + 60 * minutes, 0
            while time.monotonic() < end:
                number += 1
                say(f"round {number}: {one_round(address, server)}")


if __name__ == "__main__":
    main()
