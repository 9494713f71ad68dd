"""The engine: tokens as alone whoever else is there, cancels, deadlines, and nothing left behind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from minimind_core.decoding import slot_batch, step
from minimind_core.decoding.blocks import Occupancy
from minimind_core.decoding.engine import Engine, QueueFull, TokenEvent
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.errors import ConfigError
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_model

GREEDY = SamplingParams(temperature=0)
MAX_LENGTH = 48
MODES: dict[str, dict[str, Any]] = {
    "slots": {},
    "slots, a step ahead": {"ahead": 1},
    "paged": {"paged": True, "block_size": 4},
    "paged, a step ahead": {"paged": True, "block_size": 4, "ahead": 1},
}


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return random_model()


def engine(model: MiniMind, **options: Any) -> Engine:
    sizes = {"num_slots": 3, "max_length": MAX_LENGTH, "prefill_chunk": 5, "stop_ids": ()}
    return Engine(model, **{**sizes, **options})


def requests(count: int, seed: int = 0) -> list[tuple[list[int], SamplingParams, int]]:
    """Prompts, some with a common beginning, settings and lengths of every kind."""
    rng = random.Random(seed)
    start = [rng.randrange(3, 259) for _ in range(12)]
    made = []
    for index in range(count):
        own = [rng.randrange(3, 259) for _ in range(rng.randint(1, 18))]
        prompt = [*start[: rng.choice([0, 7, 12])], *own]
        sampling = rng.choice(
            [
                GREEDY,
                SamplingParams(1.0, seed=index),
                SamplingParams(0.9, top_k=30, top_p=0.9, seed=index),
                SamplingParams(1.2, min_p=0.02, repetition_penalty=1.3, seed=index),
                SamplingParams(temperature=0, repetition_penalty=1.5),
            ]
        )
        made.append((prompt, sampling, rng.randint(1, MAX_LENGTH - len(prompt))))
    return made


def texts(events: Sequence[TokenEvent]) -> dict[int, list[int]]:
    tokens: dict[int, list[int]] = {}
    for event in events:
        tokens.setdefault(event.request_id, []).extend([] if event.token is None else [event.token])
    return tokens


@pytest.fixture(scope="module")
def alone(model: MiniMind) -> list[list[int]]:
    """Each request's tokens when nobody else is there."""
    return [generate(model, [prompt], sampling, new).new_ids[0] for prompt, sampling, new in requests(14)]


@pytest.mark.parametrize("mode", MODES)
def test_a_request_has_the_tokens_that_it_has_alone(
    model: MiniMind, alone: list[list[int]], mode: str
) -> None:
    ours = engine(model, **MODES[mode])
    made, events, ids = requests(14), [], []
    for index, (prompt, sampling, new) in enumerate(made):  # they come while others run
        ids.append(ours.submit(prompt, sampling, max_new_tokens=new, priority=index % 3))
        events += ours.step()
    events += ours.run_until_idle()
    told = texts(events)
    assert [told[id] for id in ids] == alone
    assert [event.finish for event in events if event.finish] == ["length"] * 14
    stats = ours.stats()
    assert stats.new_tokens == sum(map(len, alone)) and stats.finished == {"length": 14}
    assert stats.prompt_tokens + stats.found_tokens == sum(len(prompt) - 1 for prompt, _, _ in made)
    assert (stats.found_tokens > 0) == ("paged" in mode)


@pytest.mark.parametrize("position", ["learned", "alibi"])
@pytest.mark.parametrize("paged", [False, True])
def test_every_kind_of_position(position: str, paged: bool) -> None:
    """The longest request fills the last place that the model has."""
    model = random_model(TINY.replace(position=position, max_length=20))
    made = [([5, 6, 7], GREEDY, 17), (list(range(3, 22)), GREEDY, 1), ([9] * 8, GREEDY, 9)]
    ours = engine(model, num_slots=2, max_length=20, paged=paged, block_size=8, ahead=1)
    ids = [ours.submit(prompt, sampling, max_new_tokens=new) for prompt, sampling, new in made]
    told = texts(ours.run_until_idle())
    expected = [generate(model, [prompt], sampling, new).new_ids[0] for prompt, sampling, new in made]
    assert [told[id] for id in ids] == expected


@pytest.mark.parametrize("mode", MODES)
def test_an_end_of_text_ends_a_request_at_once(model: MiniMind, alone: list[list[int]], mode: str) -> None:
    made = requests(14)
    ours = engine(model, **MODES[mode])
    expected = []
    for (prompt, sampling, new), text in zip(made, alone, strict=True):
        stop = text[len(text) // 2]
        ours.submit(prompt, sampling, max_new_tokens=new, stop_ids=[stop])
        expected.append(text[: text.index(stop) + 1])
    events = ours.run_until_idle()
    assert list(dict(sorted(texts(events).items())).values()) == expected
    assert {event.finish for event in events if event.finish} == {"stop"}


def test_the_end_of_text_is_the_model_s_own_unless_told(model: MiniMind) -> None:
    assert Engine(model).stop_ids == {TINY.eos_id}


@pytest.mark.parametrize(
    ("mode", "count"), [(mode, 250 if "ahead" in mode else 1000) for mode in MODES], ids=MODES.keys()
)
def test_many_requests_and_cancels_leave_nothing_behind(model: MiniMind, mode: str, count: int) -> None:
    rng = random.Random(mode)
    ours = engine(model, num_slots=8, queue_limit=20, **MODES[mode])
    made, live, events = requests(count, seed=1), [], []
    cancelled = refused = 0
    for prompt, sampling, new in made:
        try:
            id = ours.submit(prompt, sampling, max_new_tokens=min(new, 6), priority=rng.randrange(10))
            live.append(id)
        except QueueFull:
            refused += 1
        if live and rng.random() < 0.3:
            cancelled += ours.cancel(live.pop(rng.randrange(len(live))))
        if rng.random() < 0.5:
            events += ours.step()
    events += ours.run_until_idle()
    stats = ours.stats()
    assert (stats.slots_used, stats.waiting, stats.blocks_used, stats.blocks_shared) == (0, 0, 0, 0)
    assert stats.submitted == count - refused == sum(stats.finished.values())
    assert stats.finished["cancelled"] == cancelled > 20 and stats.occupancy == (0, 0)
    ends = [event.request_id for event in events if event.finish]
    assert len(ends) == len(set(ends)) == stats.submitted
    assert stats.new_tokens == sum(event.token is not None for event in events)
    assert not ours._live and not ours._flights


def test_a_cancelled_request_is_told_of_once_and_says_nothing_more(model: MiniMind) -> None:
    ours = engine(model, ahead=1)
    first, second = (ours.submit([5, 6], GREEDY, max_new_tokens=9) for _ in range(2))
    ours.step()
    ours.step()
    assert ours.cancel(first) and not ours.cancel(first) and not ours.cancel(77)
    events = ours.run_until_idle()
    assert [event for event in events if event.request_id == first] == [(first, None, "cancelled")]
    assert len(texts(events)[second]) in (8, 9) and events[-1].finish == "length"


def test_a_deadline_ends_those_that_wait_and_those_that_run(model: MiniMind) -> None:
    now = [0.0]
    ours = engine(model, num_slots=1, clock=lambda: now[0])
    running = ours.submit([5, 6], GREEDY, max_new_tokens=20, deadline=5.0)
    waiting = ours.submit([7, 8], GREEDY, max_new_tokens=2, deadline=4.0)
    ours.step()
    now[0] = 4.0
    assert (waiting, None, "deadline") in ours.step()
    now[0] = 5.0
    assert ours.step() == [(running, None, "deadline")]
    assert ours.idle and ours.stats().slots_used == 0


def test_a_full_queue_refuses_with_a_sentence(model: MiniMind) -> None:
    ours = engine(model, num_slots=1, queue_limit=2)
    for _ in range(2):
        ours.submit([5], GREEDY, max_new_tokens=2)
    with pytest.raises(QueueFull, match="2 requests wait already"):
        ours.submit([5], GREEDY, max_new_tokens=2)
    ours.step()  # one got the slot
    ours.submit([5], GREEDY, max_new_tokens=2)


@pytest.mark.parametrize(
    "prompt, new, words",
    [
        ([], 3, "at least one token"),
        ([259], 3, "out of range"),
        ([5], 0, "at least one"),
        ([5] * 40, 9, "49; this cache holds 48"),
    ],
)
def test_what_cannot_run_is_refused_before_it_waits(
    model: MiniMind, prompt: list[int], new: int, words: str
) -> None:
    ours = engine(model)
    with pytest.raises(ConfigError, match=words):
        ours.submit(prompt, GREEDY, max_new_tokens=new)
    assert ours.idle and ours.stats().submitted == 0


@pytest.mark.parametrize("wanted", [1, 9])
@pytest.mark.parametrize("mode", MODES)
def test_a_request_that_meets_nan_ends_and_leaves_the_engine_up(mode: str, wanted: int) -> None:
    """The next request takes the same places, in which NaN still lies; with one token wanted, the row had
    left the batch before anybody looked."""
    broken = random_model(TINY.replace(tie_word_embeddings=False))
    with torch.no_grad():
        broken.model.embed_tokens.weight[6] = float("nan")
    ours = engine(broken, num_slots=1, **MODES[mode])
    id = ours.submit([5, 6, 6, 6, 6, 6, 6, 6, 6], SamplingParams(seed=1), max_new_tokens=wanted)
    assert ours.run_until_idle() == [(id, None, "error")]
    ours.submit([5, 7], GREEDY, max_new_tokens=2)
    assert [event.finish for event in ours.run_until_idle()] == [None, "length"]


def test_what_a_cache_takes_is_told(model: MiniMind) -> None:
    """Four requests with a common beginning: blocks take what is used, slots take all."""
    start = list(range(3, 19))
    stats = {}
    for paged in (False, True):
        ours = engine(model, num_slots=4, step_tokens=99, prefill_chunk=30, paged=paged, block_size=4)
        ours.submit([*start, 50], GREEDY, max_new_tokens=9)
        ours.step()
        for index in range(3):
            ours.submit([*start, 51 + index], GREEDY, max_new_tokens=9)
        ours.step()
        stats[paged] = ours.stats()
    assert stats[False].occupancy == Occupancy(18 + 3 * 17, 4 * MAX_LENGTH)
    assert stats[True].occupancy == Occupancy(16 + 2 + 3 * 1, (4 + 4) * 4)
    assert (stats[True].blocks_used, stats[True].blocks_shared, stats[True].blocks_free) == (8, 4, 40)
    assert stats[True].batch_size == stats[True].slots_used == 4


@pytest.mark.usefixtures("as_on_cuda")
@pytest.mark.parametrize("mode", MODES)
def test_prompts_read_in_one_fixed_shape_as_a_gpu_does(
    model: MiniMind, alone: list[list[int]], mode: str
) -> None:
    ours = engine(model, kind="graph", **MODES[mode])
    ours.batch.on_cuda = True
    ids = [ours.submit(prompt, sampling, max_new_tokens=new) for prompt, sampling, new in requests(14)]
    told = texts(ours.run_until_idle())
    assert [told[id] for id in ids] == alone
    assert {bucket for bucket, _ in ours.batch._programs} <= {1, 2, 3}


@pytest.fixture
def as_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CUDA does in one launch is done here as it is called."""
    monkeypatch.setattr(slot_batch, "CudaGraph", lambda function, state: function)
    monkeypatch.setattr(slot_batch, "CHUNK_ROWS", 2)


def test_compiled_programs_for_every_bucket_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler reads each program but makes no code of it, which would take minutes."""
    compile, model = torch.compile, random_model(TINY.replace(num_layers=1))
    options: dict[str, Any] = {"backend": "eager", "fullgraph": True, "dynamic": False}
    monkeypatch.setattr(step.torch, "compile", lambda function, **_: compile(function, **options))
    ours = engine(model, num_slots=9, kind="compiled")
    for params in (GREEDY, SamplingParams(seed=1), SamplingParams(top_k=9, seed=2)):
        expected = generate(model, [[5, 6, 7]], params, 3).new_ids[0]
        for count in (1, 2, 9):
            ids = [ours.submit([5, 6, 7], params, max_new_tokens=3) for _ in range(count)]
            told = texts(ours.run_until_idle())
            assert [told[id] for id in ids] == [expected] * count
    assert len(ours.batch._programs) == 9  # more than the compiler's own limit for one function
