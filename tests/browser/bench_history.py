"""Measures what a long history costs each page: 200 attempts, 2,000 predictions, 50 interviews.

    python -m tests.browser.bench_history

Two servers side by side, one over an empty store and one over a full one; visitors are websocket clients.
First a line a page: CPU seconds of a run of its script on either server, in turn, which a busy machine
stretches least. Then fifty sessions that change the page about once a second: seconds to the whole page.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from study.store import open_store
from tests.browser.bench import report, running_server
from tests.browser.sessions import Session
from tests.pages.history import History, fill

PAGES = ("", "mock", "interview", "progress", "deck", "claims", "search", "sheet", "settings", "q06_gqa")
HISTORIES = {"empty": History(0, 0, 0), "full": History(200, 50, 50)}
ROUNDS = 10
SESSIONS, SWITCHES = 50, 6
ALONE, CROWDED = 0.12, 0.40
"""Seconds for a page switch (design.md, section 6); the browser is no part of it here."""


@contextlib.contextmanager
def servers() -> Iterator[dict[str, tuple[str, Callable[[], float]]]]:
    """The address of each server, and what tells its CPU seconds so far."""
    with contextlib.ExitStack() as held:
        found = {}
        for name, history in HISTORIES.items():
            folder = held.enter_context(tempfile.TemporaryDirectory())
            store = open_store(f"sqlite:///{Path(folder)}/study.sqlite3")
            fill(store, store.profiles.named_or_new("Me").id, history)
            store.close()
            address, process, _ = held.enter_context(running_server(folder))
            found[name] = (address, lambda process=process: sum(process.cpu_times()[:2]))
        yield found


def main() -> None:
    """Both parts, one after the other."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with servers() as running:
        print(f"{'CPU of a run, s':20} {'empty':>8} {'full':>8} {'ratio':>6}")
        for page in PAGES:
            _compare(page, running)
        for name, (address, _) in running.items():
            report(f"page switch, {SESSIONS} sessions, {name} store", _crowd(address), CROWDED)


def _compare(page: str, running: dict[str, tuple[str, Callable[[], float]]]) -> None:
    """One line: the median over rounds in which both servers draw the page, in turn."""
    spent: dict[str, list[float]] = {name: [] for name in running}
    with contextlib.ExitStack() as held:
        visitors = {
            name: held.enter_context(Session(address, page, lang="en"))
            for name, (address, _) in running.items()
        }
        for visitor in visitors.values():
            visitor.wait()
        for _ in range(ROUNDS):
            for name, (_, cpu) in running.items():
                before = cpu()
                for _ in range(5):  # the clock of a process ticks a hundred times a second
                    visitors[name].run()
                spent[name].append((cpu() - before) / 5)
    empty, full = (statistics.median(spent[name]) for name in HISTORIES)
    verdict = "met" if full <= ALONE else "MISSED"
    print(f"{page or 'home':20} {empty:8.3f} {full:8.3f} {full / empty:6.2f}   {verdict}", flush=True)


def _crowd(address: str) -> list[float]:
    """Seconds of each switch of each session."""
    times: list[float] = []
    threads = [threading.Thread(target=_wander, args=(address, times)) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _wander(address: str, times: list[float]) -> None:
    with Session(address, "", lang="en") as visitor:
        visitor.wait()
        for _ in range(SWITCHES):
            time.sleep(random.uniform(0.7, 1.3))
            began = time.perf_counter()
            visitor.go(random.choice(PAGES[1:]))
            times.append(time.perf_counter() - began)


if __name__ == "__main__":
    main()
