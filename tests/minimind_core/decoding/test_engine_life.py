"""Any engine, any requests, any cancels: the tokens of each request alone, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.decoding.engine import Engine
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import random_model

MAX_LENGTH, LONGEST_PROMPT, MOST_NEW = 24, 14, 6
SAMPLING = (
    SamplingParams(temperature=0),
    SamplingParams(1.0, seed=5),
    SamplingParams(0.9, top_k=20, top_p=0.9, seed=6),
    SamplingParams(1.3, min_p=0.02, repetition_penalty=1.3, seed=7),
)


class Wish(NamedTuple):
    """A request, and when it is given up: after so many steps from its arrival, or never."""

    prompt: tuple[int, ...]
    sampling: int
    new: int
    priority: int
    patience: int | None
    steps_before: int
    """Steps of the engine between the one before and this one."""


PROMPTS = st.lists(st.integers(3, 6), min_size=1, max_size=LONGEST_PROMPT).map(tuple)
"""Of few tokens, so that beginnings are shared."""
WISHES = st.lists(
    st.builds(
        Wish,
        PROMPTS,
        st.integers(0, len(SAMPLING) - 1),
        st.integers(1, MOST_NEW),
        st.integers(0, 9),
        st.one_of(st.none(), st.none(), st.integers(0, 6)),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)
BLOCKS_OF_ONE = {size: -(-(LONGEST_PROMPT + MOST_NEW) // size) for size in range(1, 9)}


@st.composite
def engines(draw: st.DrawFn) -> dict[str, Any]:
    """Sizes of every kind, tight ones too; a paged one holds the longest request and little more."""
    slots, paged = draw(st.integers(1, 4)), draw(st.booleans())
    options: dict[str, Any] = {
        "num_slots": slots,
        "prefill_chunk": draw(st.integers(1, 7)),
        "step_tokens": slots + draw(st.integers(1, 9)),
        "read_every": draw(st.integers(1, 3)),
        "ahead": draw(st.integers(0, 2)),
    }
    if paged:
        size = draw(st.integers(1, 8))
        blocks = BLOCKS_OF_ONE[size] + draw(st.integers(0, 6))
        options |= {"paged": True, "block_size": size, "num_blocks": blocks}
    return options


@cache
def model() -> MiniMind:
    return random_model()


@cache
def alone(prompt: tuple[int, ...], sampling: int) -> list[int]:
    """The tokens of a request when nobody else is there, as many as any may ask for."""
    return generate(model(), [prompt], SAMPLING[sampling], MOST_NEW).new_ids[0]


def lived(engine: Engine, wishes: Sequence[Wish]) -> dict[int, tuple[Wish, list[int], str]]:
    """Every request with what it was told, and why it ended."""
    made: dict[int, tuple[Wish, int]] = {}
    tokens: dict[int, list[int]] = {}
    ends: dict[int, str] = {}
    clock = 0

    def step() -> None:
        nonlocal clock
        for id, (wish, came) in made.items():
            if id not in ends and wish.patience is not None and clock - came >= wish.patience:
                engine.cancel(id)
        for event in engine.step():
            assert event.request_id not in ends, "nothing is told after the end"
            if event.token is not None:
                tokens[event.request_id].append(event.token)
            if event.finish is not None:
                ends[event.request_id] = event.finish
        clock += 1

    for wish in wishes:
        for _ in range(wish.steps_before):
            step()
        id = engine.submit(
            wish.prompt, SAMPLING[wish.sampling], max_new_tokens=wish.new, priority=wish.priority
        )
        made[id], tokens[id] = (wish, clock), []
    most = sum(len(wish.prompt) + wish.new for wish in wishes) * engine.scheduler.read_every + 9
    while not engine.idle:
        step()
        assert clock < most + sum(wish.steps_before for wish in wishes), "somebody starves"
    return {id: (wish, tokens[id], ends[id]) for id, (wish, _) in made.items()}


@settings(max_examples=60, deadline=None)
@given(engines(), WISHES)
def test_whoever_is_not_cancelled_has_the_tokens_that_it_has_alone(
    options: dict[str, Any], wishes: list[Wish]
) -> None:
    engine = Engine(model(), max_length=MAX_LENGTH, stop_ids=(), **options)
    told = lived(engine, wishes)
    for wish, tokens, end in told.values():
        expected = alone(wish.prompt, wish.sampling)[: wish.new]
        assert end == "cancelled" or (end == "length" and tokens == expected)
        assert end == "length" or (wish.patience is not None and tokens == expected[: len(tokens)])
    stats = engine.stats()
    assert (stats.slots_used, stats.waiting, stats.blocks_used, stats.blocks_shared) == (0, 0, 0, 0)
    assert stats.occupancy == (0, 0) and stats.blocks_free == options.get("num_blocks", 0)
    assert stats.submitted == len(wishes) == sum(stats.finished.values())
    assert stats.new_tokens >= sum(len(tokens) for _, tokens, _ in told.values())
    whole = [wish for wish, _, end in told.values() if end == "length"]
    if len(whole) == len(wishes):
        assert stats.new_tokens == sum(wish.new for wish in wishes)
        assert stats.prompt_tokens + stats.found_tokens == sum(len(wish.prompt) - 1 for wish in wishes)


@pytest.mark.slow
@pytest.mark.parametrize("paged", [False, True])
def test_the_shipped_model_writes_in_a_batch_what_it_writes_alone(paged: bool) -> None:
    """fp32, token for token, prompts of both languages and code, greedy and drawn."""
    from minimind_core.files.checkpoint import load_model

    loaded = load_model("minimind-26m")
    assert str(loaded.model.dtype) == "torch.float32"
    texts = (
        "Once upon a time",
        "今天天气",
        "def fibonacci(n):",
        "The law of gravity says that",
        "a",
        "床前明月光",
    )
    wanted = [
        (loaded.prompt_ids(text), SAMPLING[number % len(SAMPLING)]) for number, text in enumerate(texts * 2)
    ]
    engine = Engine(loaded.model, num_slots=5, max_length=64, prefill_chunk=3, paged=paged, block_size=4)
    ids = [engine.submit(prompt, sampling, max_new_tokens=24) for prompt, sampling in wanted]
    tokens: dict[int, list[int]] = {id: [] for id in ids}
    for event in engine.run_until_idle():
        tokens[event.request_id] += [] if event.token is None else [event.token]
    for id, (prompt, sampling) in zip(ids, wanted, strict=True):
        expected = generate(loaded.model, [prompt], sampling, 24, stop_ids=tuple(engine.stop_ids))
        assert tokens[id] == expected.new_ids[0]
