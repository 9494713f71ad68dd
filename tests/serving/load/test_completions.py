"""One request: what is read from a stream, and when its tokens came, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.load.completions import LONGEST_LINE, Completions, Reply
from tests.serving.load.streams import DONE, Piece, Scripted, event, tokens
from tests.serving.load.virtual_clock import run

URL = httpx.URL("http://127.0.0.1:1/v1/completions")


def client(transport: Scripted, **settings: Any) -> Completions:
    return Completions(
        URL, {"prompt": "p"}, transport=transport, **{"timeout": 10.0, "most_in_flight": 100, **settings}
    )


def served(pieces: Sequence[Piece | Exception], status: int = 200) -> Reply:
    async def answer(_body: dict[str, Any]) -> tuple[int, Sequence[Piece | Exception]]:
        return status, pieces

    return run(client(Scripted(answer)).send())


def failing(error: Exception) -> Reply:
    async def answer(_body: dict[str, Any]) -> tuple[int, Sequence[Piece | Exception]]:
        raise error

    return run(client(Scripted(answer)).send())


@given(st.integers(2, 20), st.floats(0.001, 2.0), st.floats(0.0, 0.3))
@settings(max_examples=20, deadline=None)
def test_first_token_and_time_a_token_are_what_the_server_took(count: int, first: float, gap: float) -> None:
    reply = served(tokens(count, first, gap))
    assert (reply.kind, reply.tokens) == ("answered", count)
    assert reply.first == pytest.approx(first, abs=1e-2) and reply.per_token == pytest.approx(gap, abs=1e-2)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_stream_is_read_the_same_however_the_network_cuts_it(data: st.DataObject) -> None:
    whole = b"".join([event("今天"), b": a remark\r\n\r\n", event("天气"), DONE])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    reply = served([(0.1, part) for part in parts])
    assert (reply.kind, reply.tokens) == ("answered", 2)


def test_an_answer_of_a_smaller_model_is_told_from_others() -> None:
    marked = [(0.0, event("a", degraded=True)), (0.0, DONE)]
    assert served(marked).degraded and not served(tokens(2, 0.1, 0.1)).degraded


def test_tokens_are_as_the_server_counts_them_where_it_does() -> None:
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n\n'
    assert served([(0.1, event("two at once")), (0.1, usage), (0.0, DONE)]).tokens == 7


def test_a_chunk_without_text_is_no_first_token() -> None:
    assert served([(1.0, event("")), (1.0, event("a")), (0.0, DONE)]).first == pytest.approx(2.0, abs=1e-2)


def test_one_token_has_no_time_between_tokens() -> None:
    assert served(tokens(1, 0.5, 0.0)).per_token is None


@pytest.mark.parametrize(
    ("pieces", "status", "kind"),
    [
        ([], 503, "rejected"),
        ([], 429, "rejected"),
        ([], 500, "http 500"),
        ([], 302, "http 302"),
        ([(0.1, event("a"))], 200, "disconnected"),
        ([(0.1, event("a")), httpx.RemoteProtocolError("gone")], 200, "disconnected"),
        ([(0.1, event("a")), httpx.ReadError("gone")], 200, "disconnected"),
        ([(0.1, event("a")), (20.0, DONE)], 200, "timed out"),
        ([(0.1, b'data: {"error": {"message": "no"}}\n\n')], 200, "broken stream"),
        ([(0.1, b"data: {no json\n\n")], 200, "broken stream"),
        ([(0.1, b"data: [1, 2]\n\n")], 200, "broken stream"),
        ([(0.1, b'data: {"choices": [3]}\n\n')], 200, "broken stream"),
        ([(0.1, b'data: {"choices": [], "usage": {"completion_tokens": "many"}}\n\n')], 200, "broken stream"),
        ([(0.1, b"data: " + b"[" * 100_000 + b"\n\n")], 200, "broken stream"),
        ([(0.1, b"x" * (LONGEST_LINE + 1))], 200, "broken stream"),
    ],
)
def test_every_failure_has_its_kind(pieces: list[Piece | Exception], status: int, kind: str) -> None:
    assert served(pieces, status).kind == kind


def test_a_server_that_is_not_there_is_unreachable() -> None:
    assert failing(httpx.ConnectError("refused")).kind == "unreachable"


def test_what_came_before_a_failure_is_kept() -> None:
    reply = served([(0.5, event("a")), (0.5, event("b")), httpx.ReadError("gone")])
    assert reply.tokens == 2 and reply.last == pytest.approx(1.0, abs=1e-2)


def test_a_stream_is_asked_for_with_its_usage() -> None:
    async def answer(_body: dict[str, Any]) -> tuple[int, list[Piece]]:
        return 200, tokens(1, 0.1, 0.0)

    transport = Scripted(answer)
    run(client(transport).send())
    assert transport.bodies == [{"prompt": "p", "stream": True, "stream_options": {"include_usage": True}}]


def test_who_would_be_too_many_is_not_sent() -> None:
    async def answer(_body: dict[str, Any]) -> tuple[int, list[Piece]]:
        return 200, tokens(1, 1.0, 0.0)

    async def three() -> list[str]:
        completions = client(Scripted(answer), most_in_flight=2)
        replies = [*await asyncio.gather(*(completions.send() for _ in range(3))), await completions.send()]
        return [reply.kind for reply in replies]

    assert run(three()) == ["answered", "answered", "not sent", "answered"]
