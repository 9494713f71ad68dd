"""What is not answered: each refusal is one sentence in one shape, with a status that fits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.api.bodies import Body
from tests.serving.served import PROMPT, Ask, alone, events, held_back, served, standing, until

ASK = {"prompt": PROMPT, "max_tokens": 4, "ignore_eos": True}
JSON_HEADER = {"Content-Type": "application/json"}

FAULTY = [
    ("{}", 400, "`prompt`: field required."),
    ("[]", 400, "Send one JSON object"),
    ('{"prompt"', 400, "The body is no JSON: Expecting ':' delimiter at character 9."),
    ("[" * 30_000, 400, "no JSON"),
    ('{"prompt": 1}', 400, "`prompt`: must be one text, or one list of token ids."),
    ('{"prompt": ["a", "b"]}', 400, "`prompt`: must be one text, or one list of token ids."),
    ('{"prompt": []}', 400, "at least one token"),
    ('{"prompt": [259]}', 400, "Token id out of range 0-258"),
    ('{"prompt": "\\ud800"}', 400, "lone surrogate"),
    ('{"prompt": "a", "\\ud800": 1}', 400, "Send one JSON object"),
    ('{"prompt": "a", "model": "other"}', 404, "There is no model 'other' here; ask for 'tiny'."),
    ('{"prompt": "a", "model": "\\ud800"}', 400, "`model`: input should be a valid string"),
    ('{"prompt": "a", "temperature": -1}', 400, "`temperature`: input should be greater than or equal to 0."),
    ('{"prompt": "a", "temperature": NaN}', 400, "`temperature`"),
    ('{"prompt": "a", "temperature": "1"}', 400, "`temperature`: input should be a valid number."),
    ('{"prompt": "a", "seed": 9223372036854775808}', 400, "`seed`"),
    ('{"prompt": "a", "priority": 10}', 400, "`priority`"),
    ('{"prompt": "a", "max_tokens": 0}', 400, "`max_tokens`"),
    ('{"prompt": "a", "max_tokens": 41}', 400, "41 tokens are asked for; at most 40 are answered."),
    ('{"prompt": "a", "n": 2}', 400, "`n` is not done here; leave it out."),
    ('{"prompt": "a", "stop": ["a", "b", "c", "d", "e"]}', 400, "`stop`"),
    (json.dumps({"prompt": "a" * 60}), 400, None),
    (json.dumps({"prompt": "a" * 90}), 400, "Prompt and new tokens together are 107; this cache holds 96."),
    (json.dumps({"prompt": "a" * 20_000}), 400, "The prompt has 20,000 characters; give at most 768."),
    (json.dumps({"prompt": "a" * 70_000}), 413, "A request may have 65,536 bytes; shorten it."),
]


def check_shape(answer: httpx.Response) -> str:
    """The sentence of an error, which has OpenAI's shape."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["code"]
    assert error["message"].endswith(".") and len(error["message"]) < 400
    return str(error["message"])


def test_every_fault_of_a_body_is_one_sentence_that_says_what_to_do() -> None:
    async def ask() -> list[httpx.Response]:
        async with served() as there:
            return [
                await there.client.post("/v1/completions", content=body, headers=JSON_HEADER)
                for body, _, _ in FAULTY
            ]

    for (body, status, sentence), answer in zip(FAULTY, asyncio.run(ask()), strict=True):
        if sentence is None:
            assert answer.status_code == 200, body
            continue
        assert answer.status_code == status, (body[:100], answer.text)
        assert sentence in check_shape(answer)


def test_what_asks_for_nothing_may_be_said() -> None:
    neutral = {
        "n": 1,
        "logprobs": None,
        "presence_penalty": 0,
        "echo": False,
        "user": "somebody",
        "top_p": None,
    }

    async def ask() -> int:
        async with served() as there:
            return (await there.client.post("/v1/completions", json={**ASK, **neutral})).status_code

    assert asyncio.run(ask()) == 200


def test_options_of_a_stream_need_a_stream() -> None:
    async def ask() -> httpx.Response:
        async with served() as there:
            asked = {**ASK, "stream_options": {"include_usage": True}}
            return await there.client.post("/v1/completions", json=asked)

    answer = asyncio.run(ask())
    assert answer.status_code == 400 and "stream_options" in check_shape(answer)


def test_a_page_of_another_origin_cannot_ask() -> None:
    """Without asking first it may send text, but no JSON; and under a name of its own it gets no answer."""

    async def ask() -> list[httpx.Response]:
        async with served(allowed_hosts=("lab.example",)) as there:
            sent = json.dumps(ASK)
            return [
                await there.client.post("/generate", content=sent, headers={"Content-Type": "text/plain"}),
                await there.client.post("/generate", content=sent),
                await there.client.get("/v1/models", headers={"Host": "evil.example"}),
                await there.client.get("/v1/models", headers={"Host": "Lab.example:8000"}),
                await there.client.get("/v1/models", headers={"Host": "[::1]:8000"}),
                await there.client.get("/nowhere"),
                await there.client.get("/generate"),
            ]

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [400, 400, 421, 200, 200, 404, 405]
    assert all(check_shape(answer) for answer in answers if answer.status_code != 200)


def test_a_body_that_is_said_to_be_too_large_is_not_read() -> None:
    read = []

    async def content() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"{}"

    async def ask(headers: dict[str, str]) -> httpx.Response:
        async with served() as there:
            return await there.client.post("/generate", content=content(), headers=headers)

    answer = asyncio.run(ask({**JSON_HEADER, "Content-Length": "70000"}))
    assert answer.status_code == 413 and not read and check_shape(answer)


def test_a_body_that_grows_beyond_the_bound_is_read_no_further() -> None:
    given_out = []

    async def content() -> AsyncIterator[bytes]:
        for _ in range(1000):
            given_out.append(1000)
            yield b" " * 1000

    async def ask() -> httpx.Response:
        async with served() as there:
            return await there.client.post("/generate", content=content(), headers=JSON_HEADER)

    assert asyncio.run(ask()).status_code == 413 and sum(given_out) < 70_000


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def ask() -> httpx.Response:
        async def content() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        async with served(body_seconds=0.05) as there:
            return await there.client.post("/generate", content=content(), headers=JSON_HEADER)

    answer = asyncio.run(ask())
    assert answer.status_code == 408 and "not complete within 0.05 seconds" in check_shape(answer)


def test_the_bound_of_the_queue_is_exact() -> None:
    async def ask() -> list[int]:
        async with held_back(num_slots=2, queue=3) as (there, engine):
            sent = [asyncio.create_task(there.client.post("/generate", json=ASK)) for _ in range(5)]
            await until(lambda: there.service.gate.in_flight == 5)
            refused = await there.client.post("/generate", json=ASK)
            assert int(refused.headers["Retry-After"]) >= 1 and "5 requests" in check_shape(refused)
            engine.let.release(1000)
            answered = [(await each).status_code for each in sent]
            again = await there.client.post("/generate", json=ASK)
            return [refused.status_code, *answered, again.status_code]

    assert asyncio.run(ask()) == [503, 200, 200, 200, 200, 200, 200]


@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline_ends_a_request_also_where_the_engine_hangs(stream: bool) -> None:
    async def ask() -> tuple[httpx.Response, int]:
        async with held_back() as (there, _):
            asked = {**ASK, "stream": stream}
            late = await there.client.post("/generate", json=asked, headers={"X-Deadline-Ms": "50"})
            return late, there.service.gate.in_flight

    answer, left = asyncio.run(ask())
    assert answer.status_code == 504 and "more time" in check_shape(answer) and left == 0


def test_a_deadline_in_the_middle_of_a_stream_is_told_in_it() -> None:
    ahead = [0.0]
    seed = next(
        seed for seed in range(100) if alone(seed, 1)[0] < 128
    )  # one byte is a character, and is sent

    async def ask() -> str:
        async with held_back(lambda: time.monotonic() + ahead[0]) as (there, engine):
            asked = {**ASK, "max_tokens": 40, "seed": seed, "stream": True}
            sent = asyncio.create_task(there.client.post("/generate", json=asked))
            engine.let.release(8)
            await until(lambda: engine.scheduler.new_tokens > 0)
            ahead[0] = 1000.0
            engine.let.release(1000)
            return (await sent).text

    *chunks, last = events(asyncio.run(ask()))
    assert json.loads(last)["error"]["code"] == "deadline" and len(chunks) >= 1


def test_who_drains_takes_nobody_and_finishes_whom_it_took() -> None:
    async def ask() -> list[Any]:
        async with held_back() as (there, engine):
            sent = asyncio.create_task(there.client.post("/generate", json=ASK))
            await until(lambda: there.service.gate.in_flight == 1)
            there.service.gate.draining = True
            refused, ready = await there.client.post("/generate", json=ASK), await there.client.get("/health")
            live = await there.client.get("/health/live")
            engine.let.release(1000)
            codes = [refused.status_code, ready.status_code, live.status_code, (await sent).status_code]
            return [*codes, refused.headers["Retry-After"], ready.json()["status"]]

    assert asyncio.run(ask()) == [503, 503, 200, 200, "1", "draining"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["prompt", "messages", "model", *Body.model_fields])
PATHS = ("/generate", "/v1/completions", "/v1/chat/completions")


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with standing() as asking:
        yield asking


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(FIELDS, JSON_VALUES, max_size=4) | JSON_VALUES, path=st.sampled_from(PATHS))
def test_no_body_whatever_is_an_error_of_ours(ask: Ask, body: Any, path: str) -> None:
    body = {"prompt": "a", "max_tokens": 2, **body} if isinstance(body, dict) else body
    content = json.dumps(body)
    answer = ask(lambda there: there.client.post(path, content=content, headers=JSON_HEADER))
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.status_code != 200:
        check_shape(answer)


def test_schemathesis_finds_no_500_and_no_status_that_is_not_documented(ask: Ask) -> None:
    """Every operation of the OpenAPI document, by data that fits it and data that does not.

    The examples are the same every time, so that a gate never fails by luck.
    """
    document = ask(lambda there: there.client.get("/openapi.json")).json()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        documented = {*document["paths"][operation.path][operation.method]["responses"], "405"}
        _probe(operation, lambda request: ask(lambda there: there.client.request(**request)), documented)


def _probe(operation: Any, send: Callable[[dict[str, Any]], httpx.Response], documented: set[str]) -> None:
    modes = list(schemathesis.GenerationMode)

    @settings(
        max_examples=12 if operation.body else 3,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
    def probe(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url="http://localhost")
        request = {
            name: sent[name] for name in ("method", "url", "params", "json", "headers") if name in sent
        }
        if isinstance(sent.get("data"), str | bytes):
            request["content"] = sent["data"]
        answer = send(request)
        assert str(answer.status_code) in documented, (answer.status_code, answer.text)

    probe()
