"""A prompt read in chunks is the prompt read at once, and between chunks somebody may end it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.decoding import prefill
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step
from minimind_core.decoding.stream import stream
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

KINDS = ("rope", "alibi", "learned", "sinusoidal")
GREEDY = SamplingParams(temperature=0)


@pytest.fixture(scope="module")
def models() -> dict[str, MiniMind]:
    torch.manual_seed(0)
    shape = PRESETS["toy"].replace(max_length=128)
    return {kind: MiniMind(shape.replace(position=kind)).eval() for kind in KINDS}


def read(model: MiniMind, prompts: list[list[int]], most: int) -> tuple[torch.Tensor, Step, list[int]]:
    """The logits, the step, and what was heard, with at most `most` tokens in a chunk."""
    step, heard = Step(model, len(prompts), 128), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(prefill.CHUNK_TOKENS, "cpu", most)
        logits = step.prefill(prompts, on_progress=lambda done, _total: heard.append(done))
    return logits, step, heard


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    lengths=st.lists(st.integers(1, 100), min_size=1, max_size=3),
    most=st.integers(1, 120),
)
def test_chunks_give_what_one_pass_gives(
    models: dict[str, MiniMind], kind: str, lengths: list[int], most: int
) -> None:
    prompts = [[(7 * row + 13 * index) % 1000 + 3 for index in range(n)] for row, n in enumerate(lengths)]
    whole, step, heard = read(models[kind], prompts, 10**6)
    assert heard == [0]
    parts, chunked, heard = read(models[kind], prompts, most)
    torch.testing.assert_close(parts, whole, atol=2e-5, rtol=1e-4)
    assert heard == sorted(set(heard)) and (len(heard) > 1) == (max(lengths) > max(1, most // len(lengths)))
    token = torch.full((len(prompts), 1), 5)
    after = (after_step(token, after_step.positions + 1) for after_step in (chunked, step))
    torch.testing.assert_close(*after, atol=2e-5, rtol=1e-4)


def test_rows_read_later_in_chunks_leave_the_others_as_they_are(
    models: dict[str, MiniMind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prefill.CHUNK_TOKENS, "cpu", 8)
    step = Step(models["rope"], 3, 64)
    step.prefill([[9, 8, 7], [5] * 40, [4, 4]])
    step.prefill([[6] * 30], first_row=1)
    alone = Step(models["rope"], 3, 64)
    alone.prefill([[9, 8, 7], [6] * 30, [4, 4]])
    token = torch.tensor([[3], [3], [3]])
    torch.testing.assert_close(
        step(token, step.positions + 1), alone(token, alone.positions + 1), atol=2e-5, rtol=1e-4
    )


def test_a_prompt_of_ordinary_length_is_one_chunk(models: dict[str, MiniMind]) -> None:
    for device, most in prefill.CHUNK_TOKENS.items():
        assert most >= 1024
        assert list(prefill._chunks(1, 1024, 8, device)) == [(0, 1024)]
    rows = list(prefill._chunks(1, 32_000, 8, "cpu"))
    assert len(rows) > 100 and max(end - start for start, end in rows) * 32_000 * 8 <= 2**24


class Enough(Exception):
    """Nobody waits any more."""


@pytest.mark.parametrize("way", ["step", "stream", "generator"])
def test_a_long_prompt_is_left_between_chunks(
    models: dict[str, MiniMind], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prefill.CHUNK_TOKENS, "cpu", 10)
    model, prompt = models["rope"], [5] * 100

    def stop(done: int, total: int) -> None:
        assert total == 100
        if done >= 30:
            raise Enough

    with pytest.raises(Enough):
        if way == "step":
            Step(model, 1, 128).prefill([prompt], on_progress=stop)
        elif way == "stream":
            next(stream(model, prompt, GREEDY, 5, on_prefill=stop))
        else:
            Generator(model, 1, 128).generate([prompt], GREEDY, 5, on_prefill=stop)
