"""Several server processes on one database, and the end of a process in the middle of writing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
NEEDS_KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")

HAMMER = """
import sys, threading
from study.store import open_store

print("ready", flush=True)
sys.stdin.readline()
store = open_store(busy_seconds=60)  # however slow this machine is now
me = store.profiles.named_or_new("Me").id
failures = []

def hammer(thread):
    try:
        for step in range(15):
            text = f"{sys.argv[1]}/{thread}/{step}"
            store.drafts.save(me, "q06", "answer", text, 1 + step * 8 + thread * 2 + int(sys.argv[1]))
            attempt = store.attempts.open(me, "q06")
            store.attempts.predict(attempt, text, step)
            store.drafts.of(me)
    except BaseException as error:
        failures.append(repr(error))

threads = [threading.Thread(target=hammer, args=(number,)) for number in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
sys.exit("; ".join(failures) or None)
"""

WRITE = """
from study.store import open_store

store = open_store()
me = store.profiles.named_or_new("Me").id
attempt = store.attempts.open(me, "q06")
revision = (draft.revision if (draft := store.drafts.get(me, "q06", "answer")) else 0)
while True:
    revision += 1
    store.drafts.save(me, "q06", "answer", f"{revision} " * 200, revision)
    store.attempts.measure(attempt, "revision", revision)
    print(revision, flush=True)
"""


INTERVIEW = """
from study.store import open_store

store = open_store()
me = store.profiles.named_or_new("Me").id
interview = next(iter(store.interviews.of(me)), None) or store.interviews.begin(me, "Grace", 45, ["q06"])
member = next(iter(store.panels.of(interview)), None) or store.panels.invite(interview, "Barbara")
count = len(store.interviews.events(interview, kinds=["note"]))
while True:
    count += 1
    store.interviews.add(interview, "note", "q06", {"text": str(count)})
    store.interviews.save_text(interview, "draft", "q06", f"{count} " * 200, count)
    store.panels.tick(member, "q06", f"line-{count}", on=True)
    print(count, flush=True)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_two_processes_hammer_one_database_from_its_first_moment(database: str) -> None:
    processes = [start(HAMMER, str(number)) for number in range(2)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
    store = open_store()
    [me] = store.profiles.named()
    draft = store.drafts.get(me.id, "q06", "answer")
    assert draft and (draft.revision, draft.text) == (120, "1/3/14") and store.notice is None
    [attempt] = store.attempts.of(me.id)
    assert len(attempt.predictions) == 2 * 4 * 15
    store.close()


def killed(code: str, writes: int) -> int:
    """Kill -9 a program after so many lines; the number in the last line that it printed."""
    process = start(code)
    assert process.stdout
    last = 0
    for _ in range(writes):
        last = int(process.stdout.readline())
    process.kill()
    last = max([last, *map(int, process.stdout)])  # communicate() would miss what readline() read ahead
    process.wait()
    return last


@NEEDS_KILL
def test_kill_9_in_the_middle_of_an_interview_loses_nothing_committed(database: str, place: Path) -> None:
    """Each round goes on where the one before was killed; no note is there twice, and none is missing."""
    last = 0
    for writes in (2, 9, 23):
        last = killed(INTERVIEW, writes)
        store = open_store()
        [interview] = store.interviews.of(store.profiles.named()[0].id)
        notes = [event.data["text"] for event in store.interviews.events(interview, kinds=["note"])]
        assert notes == [str(number + 1) for number in range(len(notes))] and len(notes) in (last, last + 1)
        newest = store.interviews.events(interview, kinds=["draft"])[-1].data
        assert newest["revision"] in (last, len(notes)) and newest["text"] == f"{newest['revision']} " * 200
        [member] = store.panels.of(interview)
        assert int(member.ticks["q06"][-1].removeprefix("line-")) in (last, newest["revision"])
        assert store.interviews.linked(interview.link or "") == interview and store.notice is None
        store.close()
    assert last >= 2 + 9 + 23 and not list(place.parent.glob("*damaged*"))


@NEEDS_KILL
def test_kill_9_loses_nothing_committed(database: str, place: Path) -> None:
    watching: Store | None = None
    for writes in (3, 20, 41):
        last = killed(WRITE, writes)
        watching = watching or open_store()
        [me] = watching.profiles.named()
        draft = watching.drafts.get(me.id, "q06", "answer")
        assert draft and draft.revision in (last, last + 1)
        assert draft.text == f"{draft.revision} " * 200
        [attempt] = watching.attempts.of(me.id, "q06")
        assert attempt.measurements["revision"] in (last, last + 1)
        assert open_store().notice is None
    assert watching and not list(place.parent.glob("*damaged*"))
    watching.close()
