"""The endpoints that generate: the model's own tokens, whole and streamed, in OpenAI's shapes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from minimind_core.decoding.engine import Engine
from minimind_core.files.checkpoint import load_model
from serving.backends.embedded import EmbeddedBackend
from serving.settings import Settings
from tests.serving.served import PROMPT, SMALL, alone, events, held_back, served, tiny, until

ENDPOINTS = ("/generate", "/v1/completions", "/v1/chat/completions")


def body(endpoint: str, **more: Any) -> dict[str, Any]:
    chat = endpoint == "/v1/chat/completions"
    asked = {"messages": [{"role": "user", "content": PROMPT}]} if chat else {"prompt": PROMPT}
    return {**asked, "seed": 1, "max_tokens": 12, "ignore_eos": True, **more}


def text_of(data: dict[str, Any]) -> str:
    """What an answer or a chunk says, in any of the shapes."""
    if "choices" not in data:
        return str(data.get("text", ""))
    choice: dict[str, Any] = data["choices"][0] if data["choices"] else {"text": ""}
    return str(choice.get("text", choice.get("message", choice.get("delta", {})).get("content", "")))


def assert_equal_answers(direct: httpx.Response, through: httpx.Response, stream: bool) -> None:
    """What an engine said and what came through something before it are the same text and the same usage."""
    if stream:
        said = [
            "".join(text_of(json.loads(each)) for each in events(answer.text)[:-1])
            for answer in (direct, through)
        ]
        assert said[0] == said[1] != ""
    else:
        assert text_of(direct.json()) == text_of(through.json()) != ""
        assert direct.json()["usage"] == through.json()["usage"] and through.json()["model"] == "tiny"


def test_many_at_once_have_the_tokens_that_each_would_have_alone() -> None:
    async def ask() -> list[list[int]]:
        async with served() as there:
            bodies = [body("/generate", seed=seed, max_tokens=9 + seed) for seed in range(7)]
            answers = await asyncio.gather(*(there.client.post("/generate", json=each) for each in bodies))
            return [answer.json()["token_ids"] for answer in answers]

    assert asyncio.run(ask()) == [alone(seed, 9 + seed) for seed in range(7)]


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"top_k": 5}, {"temperature": 0.7, "top_p": 0.8, "min_p": 0.01}]
)
def test_every_sampling_setting_reaches_the_engine(settings: dict[str, Any]) -> None:
    async def ask() -> list[int]:
        async with served(paged=True) as there:
            answer = await there.client.post("/generate", json=body("/generate", **settings))
            return answer.json()["token_ids"]

    assert asyncio.run(ask()) == alone(1, 12, **settings)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_stream_says_what_the_whole_answer_says(endpoint: str) -> None:
    async def ask() -> tuple[dict[str, Any], str]:
        async with served() as there:
            whole = await there.client.post(endpoint, json=body(endpoint))
            stream = await there.client.post(endpoint, json=body(endpoint, stream=True))
            assert stream.headers["content-type"].startswith("text/event-stream")
            return whole.json(), stream.text

    whole, stream = asyncio.run(ask())
    *chunks, done = events(stream)
    assert done == "[DONE]"
    assert "".join(text_of(json.loads(chunk)) for chunk in chunks) == text_of(whole) != ""
    assert whole["usage"]["completion_tokens"] == 12
    assert whole["usage"]["total_tokens"] == 12 + whole["usage"]["prompt_tokens"]


def test_no_half_character_is_streamed() -> None:
    """A vocabulary of bytes and few merges, a text of Chinese: most characters come in several tokens."""

    async def ask() -> tuple[list[str], str]:
        settings = Settings(**SMALL)
        async with served(EmbeddedBackend(load_model("nano-rope", "cpu"), settings)) as there:
            asked = {"prompt": "今天天气", "max_tokens": 30, "temperature": 0}
            whole = (await there.client.post("/generate", json=asked)).json()["text"]
            stream = (await there.client.post("/generate", json={**asked, "stream": True})).text
            return [text_of(json.loads(chunk)) for chunk in events(stream)[:-1]], whole

    pieces, whole = asyncio.run(ask())
    assert "".join(pieces) == whole and "\ufffd" not in whole
    assert any(ord(character) > 255 for character in whole) and len(pieces) < 30


def test_a_stream_tells_its_usage_where_it_is_asked_to() -> None:
    async def ask(**more: Any) -> list[dict[str, Any]]:
        async with served() as there:
            asked = body("/v1/completions", stream=True, **more)
            answer = await there.client.post("/v1/completions", json=asked)
            return [json.loads(chunk) for chunk in events(answer.text)[:-1]]

    assert not any("usage" in chunk for chunk in asyncio.run(ask()))
    *others, last = asyncio.run(ask(stream_options={"include_usage": True}))
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 12
    assert others[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(stream: bool) -> None:
    async def ask(**more: Any) -> str:
        async with served() as there:
            answer = await there.client.post(
                "/v1/completions", json=body("/v1/completions", max_tokens=40, **more)
            )
            if not stream:
                return text_of(answer.json())
            return "".join(text_of(json.loads(chunk)) for chunk in events(answer.text)[:-1])

    whole = asyncio.run(ask(stream=stream))
    stop = whole[10:13]
    assert asyncio.run(ask(stream=stream, stop=stop)) == whole[: whole.index(stop)]
    assert asyncio.run(ask(stream=stream, stop=["never said"])) == whole


def test_an_end_of_text_token_stops_unless_it_is_ignored() -> None:
    """The engine is told that the sixth token of this answer ends texts."""
    ids = alone(1, 12)
    end = ids.index(ids[5]) + 1

    def engine() -> Engine:
        return Engine(tiny().model, num_slots=2, max_length=96, stop_ids=[ids[5]])

    async def ask(**more: Any) -> tuple[list[int], str]:
        async with served(EmbeddedBackend(tiny(), Settings(**SMALL), engine)) as there:
            answer = (await there.client.post("/generate", json=body("/generate", **more))).json()
            return answer["token_ids"], answer["finish_reason"]

    assert asyncio.run(ask(ignore_eos=False)) == (ids[:end], "stop")
    assert asyncio.run(ask()) == (ids, "length")


def test_a_conversation_that_may_be_as_long_as_fits_ends_at_the_service_s_bound() -> None:
    async def ask(length: int) -> int:
        async with served(max_length=length) as there:
            asked = body("/v1/chat/completions")
            del asked["max_tokens"]
            answer = (await there.client.post("/v1/chat/completions", json=asked)).json()
            assert answer["choices"][0]["finish_reason"] == "length"
            return answer["usage"]["completion_tokens"] if length > 60 else answer["usage"]["total_tokens"]

    assert asyncio.run(ask(96)) == SMALL["max_new_tokens"]
    assert asyncio.run(ask(40)) == 40


def test_the_models_are_listed_by_name() -> None:
    async def ask() -> Any:
        async with served() as there:
            return (await there.client.get("/v1/models")).json()

    assert [model["id"] for model in asyncio.run(ask())["data"]] == ["tiny"]


def test_a_priority_is_a_head_start_in_the_engine_s_queue() -> None:
    async def ask() -> list[int]:
        async with held_back(num_slots=1) as (there, engine):

            def send(priority: int) -> asyncio.Task[Any]:
                asked = body("/generate", priority=priority)
                return asyncio.create_task(there.client.post("/generate", json=asked))

            sent = [send(0)]
            await until(lambda: len(engine.scheduler.waiting) == 1)
            engine.let.release()  # it has the slot now
            await until(lambda: engine.steps == 1)
            sent += [send(0), send(2), send(9)]
            await until(lambda: there.service.gate.in_flight == 4)
            engine.let.release()
            await until(lambda: len(engine.scheduler.waiting) == 3)
            order = [request.priority for request in engine.scheduler.waiting]
            engine.let.release(1000)
            assert {(await each).status_code for each in sent} == {200}
            return order

    assert asyncio.run(ask()) == [9, 2, 0]
