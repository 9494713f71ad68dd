"""A server that was silent is left alone for a moment; one caller at a time finds out whether it is back."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.store import StoreError
from study.store.circuit import RETRY_SECONDS, Circuit
from study.store.errors import SilentError


class Server:
    """Answers, is silent, or refuses; counts who asked. `now` is the time, in seconds."""

    def __init__(self) -> None:
        self.now, self.asked, self.mood = 0.0, 0, "answers"
        self.circuit = Circuit(lambda: self.now)

    def ask(self) -> str:
        with self.circuit.watched():
            self.asked += 1
            if self.mood == "silent":
                raise SilentError("It does not answer.", key="store.silent", place="here")
            if self.mood == "refuses":
                raise StoreError("It refuses.", key="store.silent", place="here")
        return "answer"

    def met(self) -> str:
        try:
            return self.ask()
        except StoreError as error:
            assert error.key == "store.silent" and error.values == {"place": "here"}
            return str(error)


def test_who_comes_after_a_silence_is_told_at_once_and_one_tries_later() -> None:
    server = Server()
    assert server.met() == "answer"
    server.mood = "silent"
    assert [server.met() for _ in range(5)] == ["It does not answer."] * 5 and server.asked == 2
    server.now += RETRY_SECONDS
    assert [server.met() for _ in range(5)] == ["It does not answer."] * 5 and server.asked == 3
    server.mood = "answers"
    assert server.met() == "It does not answer.", "not yet"
    server.now += RETRY_SECONDS
    assert [server.met() for _ in range(3)] == ["answer"] * 3 and server.asked == 6


def test_while_one_tries_the_others_are_told_at_once() -> None:
    server = Server()
    server.mood = "silent"
    server.met()
    server.now += RETRY_SECONDS
    trying, back = threading.Event(), threading.Event()
    answers: list[Any] = []

    def first() -> None:
        with server.circuit.watched():
            trying.set()
            assert back.wait(30)
        answers.append("answer")

    thread = threading.Thread(target=first)
    thread.start()
    assert trying.wait(30)
    assert server.met() == "It does not answer." and server.asked == 1
    back.set()
    thread.join(30)
    server.mood = "answers"
    assert answers == ["answer"] and server.met() == "answer"


def test_a_server_that_refuses_is_asked_every_time() -> None:
    server = Server()
    server.mood = "refuses"
    assert [server.met() for _ in range(4)] == ["It refuses."] * 4 and server.asked == 4


def test_another_error_is_no_answer_and_no_silence() -> None:
    server = Server()
    with pytest.raises(ZeroDivisionError), server.circuit.watched():
        _ = 1 / 0
    assert server.met() == "answer"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["answers", "silent"]), st.floats(0, 7)), max_size=30))
def test_whatever_happens_silence_is_paid_for_once_in_a_while_and_always_found_out_again(
    steps: list[tuple[str, float]],
) -> None:
    server, paid = Server(), -RETRY_SECONDS
    for mood, seconds in steps:
        server.mood, server.now = mood, server.now + seconds
        before = server.asked
        if server.met() != "answer" and server.asked > before:
            assert server.now - paid >= RETRY_SECONDS or paid < 0
            paid = server.now
    server.mood, server.now = "answers", server.now + RETRY_SECONDS
    assert server.met() == "answer"
