"""One call for a whole step on a CPU: logits as precise as those of fp32, whoever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from minimind_core.decoding import cpu_step
from minimind_core.decoding import step as step_module
from minimind_core.decoding.cpu_step import CpuStep, make_cpu_step
from minimind_core.decoding.engine import Engine
from minimind_core.decoding.engine_cache import PagedCache
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.native_library import load_library
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.kv_cache import EMPTY, StaticCache
from tests.minimind_core.decoding.test_step_model import CONFIG, model_from_int8

needs_kernel = pytest.mark.skipif(
    not cpu_step.is_available(), reason="needs AVX-512 with VNNI and a C++ compiler"
)
CAPACITY = 24
YARN = RopeScaling("yarn", 4.0, original_length=16)


def filled(config: ModelConfig, rows: int, dtype: torch.dtype = torch.float32) -> StaticCache:
    """Row r has read r + 3 tokens; a place is empty, and the last one holds a token that comes later."""
    cache = StaticCache(config, rows, CAPACITY, dtype=dtype)
    generator = torch.Generator().manual_seed(1)
    for tensor in (*cache.keys, *cache.values):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    for row in range(rows):
        cache.positions[row, : row + 3] = torch.arange(row + 3)
    cache.positions[:, 1] = EMPTY
    cache.positions[:, -1] = CAPACITY - 1
    return cache


def inputs(rows: int) -> tuple[Tensor, Tensor]:
    """The next token of each row of `filled`, and its position."""
    return torch.arange(rows)[:, None] * 7 % 128, torch.arange(rows)[:, None] + 3


@needs_kernel
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": False},
        {"qk_norm": True},
        {"num_kv_heads": 4},
        {"num_kv_heads": 1, "head_dim": 16, "rope_scaling": YARN},
    ],
)
def test_logits_and_cache_are_as_precise_as_those_of_fp32(changes: dict[str, object]) -> None:
    model = model_from_int8(CONFIG.replace(**changes))
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data += torch.randn_like(parameter) * 0.3
    rows, caches = 9, [filled(model.config, 9), filled(model.config, 9)]
    exact_cache = filled(model.config, rows, torch.float64)
    with torch.inference_mode():
        ours = CpuStep(model)(*inputs(rows), cache=caches[0])
        theirs = model(*inputs(rows), cache=caches[1])
        exact = model.double()(*inputs(rows), cache=exact_cache)
    assert (ours - exact).abs().max() < 3 * (theirs - exact).abs().max()
    assert torch.equal(caches[0].positions, exact_cache.positions)
    written, right = ([*cache.keys, *cache.values] for cache in (caches[0], exact_cache))
    for mine, exact in zip(written, right, strict=True):
        assert torch.allclose(mine.double(), exact, atol=1e-5)


@needs_kernel
def test_a_row_has_the_same_bits_alone_in_any_batch_and_with_any_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu_step, "WORTH_SHARING", 0)
    model = model_from_int8()
    step, (ids, positions) = CpuStep(model), inputs(9)
    together = step(ids, positions, cache=filled(model.config, 9))
    for row in range(9):
        alone = step(
            ids[row : row + 1], positions[row : row + 1], cache=filled(model.config, 9).part(row, row + 1)
        )
        assert torch.equal(alone[0], together[row])
    for count in (1, 3):
        with threads(count):
            assert torch.equal(step(ids, positions, cache=filled(model.config, 9)), together)


@needs_kernel
def test_blocks_in_any_order_give_the_bits_of_static_slots() -> None:
    model, rows = model_from_int8(), 3
    static = filled(model.config, rows)
    paged = PagedCache(model.config, rows, CAPACITY, num_blocks=20, block_size=8)
    paged.tables.copy_(torch.randperm(20)[:9].view(3, 3))
    paged.positions.copy_(static.positions)
    for source, blocks in zip(static.keys + static.values, paged.keys + paged.values, strict=True):
        blocks[paged.tables] = source.view(rows, -1, 3, 8, model.config.head_dim).transpose(1, 2)
    step = CpuStep(model)
    for _ in range(2):  # the second reads what the first wrote
        assert torch.equal(step(*inputs(rows), cache=paged), step(*inputs(rows), cache=static))


@needs_kernel
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_in_its_row_and_is_seen_there(value: float) -> None:
    model = model_from_int8()
    step, cache = CpuStep(model), filled(model.config, 3)
    expected = step(*inputs(3), cache=filled(model.config, 3))
    cache.values[0][1, :, 0] = value
    cache.values[0][2, :, 1] = value  # an empty place: nobody looks there
    logits = step(*inputs(3), cache=cache)
    assert logits[1].isnan().all()
    assert torch.equal(logits[[0, 2]], expected[[0, 2]])


@needs_kernel
@pytest.mark.parametrize(("token", "position"), [(128, 3), (-1, 3), (5, -1), (5, CAPACITY)])
def test_out_of_range_is_refused_before_anything_is_written(token: int, position: int) -> None:
    model, cache = model_from_int8(), filled(CONFIG, 2)
    with pytest.raises(IndexError, match="out of range"):
        CpuStep(model)(torch.tensor([[5], [token]]), torch.tensor([[3], [position]]), cache=cache)
    assert torch.equal(cache.positions, filled(CONFIG, 2).positions)


@needs_kernel
@pytest.mark.parametrize("paged", [False, True])
def test_the_engine_gives_each_request_the_tokens_that_it_has_alone(
    paged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_from_int8()
    prompts = [[1, *range(5, 5 + count)] for count in (2, 30, 9, 17, 5)]
    requests = [SamplingParams(0), SamplingParams(0.8, seed=3), SamplingParams(1.2, top_p=0.9, seed=4)] * 2
    called = counted(monkeypatch)
    engine = Engine(model, num_slots=3, max_length=64, stop_ids=(), paged=paged, prefill_chunk=8)
    asked = list(zip(prompts, requests, strict=False))
    numbers = [engine.submit(ids, params, max_new_tokens=12) for ids, params in asked]
    events = engine.run_until_idle()
    tokens = [[event.token for event in events if event.request_id == number] for number in numbers]
    assert 3 in called and 1 in called
    assert tokens == [Generator(model, 1, 64, "naive").generate([ids], p, 12).new_ids[0] for ids, p in asked]


@needs_kernel
def test_prompts_of_any_lengths_are_read_without_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_step, "MOST_READ", 7)  # calls begin and end within prompts
    monkeypatch.setitem(step_module.CHUNK_TOKENS, "cpu", 30)
    model, heard = model_from_int8(), []
    prompts = [[1, *range(5, 25)], [1], [1, *range(40, 46)]]
    whole, plain = Step(model, 4, 32, "compiled"), Step(model, 4, 32)
    logits = whole.prefill(prompts, first_row=1, on_progress=lambda *told: heard.append(told))
    assert torch.allclose(logits, plain.prefill(prompts, first_row=1), atol=1e-4)
    assert heard == [(0, 21), (10, 21)]
    assert torch.equal(whole.positions, plain.positions)
    assert torch.equal(whole.cache.positions[:, :21], plain.cache.positions[:, :21])


@needs_kernel
def test_compiled_batches_take_it_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    model, called = model_from_int8(), counted(monkeypatch)
    prompts, greedy = [[1, 5, 9], [1, 7, 8]], SamplingParams(0)
    expected = Generator(model, 2, 128, "cached").generate(prompts, greedy, 12).new_ids
    assert not called
    assert Generator(model, 2, 128, "compiled").generate(prompts, greedy, 12).new_ids == expected
    assert called == [2] * 12, "of the prompts the last tokens"


@needs_kernel
def test_it_is_left_out_where_it_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_cpu_step(model_from_int8()) is not None
    others = [CONFIG.replace(position="alibi"), CONFIG.replace(num_experts=2), CONFIG.replace(vocab_size=100)]
    assert all(make_cpu_step(model_from_int8(config)) is None for config in others)
    assert make_cpu_step(model_from_int8().double()) is None
    for value in (1e-3, float("nan")):  # added to a weight, which is then none of int8
        model = model_from_int8()
        model.model.layers[1].mlp.down_proj.weight.data[0, 0] += value
        assert make_cpu_step(model) is None
    monkeypatch.setenv("MINIMIND_CPU_STEP", "off")
    assert make_cpu_step(model_from_int8()) is None


def test_a_library_is_built_once_and_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "two.cpp"
    source.write_text("not C++")
    try:
        load_library(source, [], [])
    except OSError as error:
        if "no C++ compiler" in str(error):
            pytest.skip("no C++ compiler here")
        assert "refused two" in str(error) and not list((tmp_path / "minimind").iterdir())
    else:
        pytest.fail("the compiler took what is no C++")
    source.write_text('extern "C" int two() { return 2; }')
    assert load_library(source, [], []).two() == 2
    monkeypatch.setattr("subprocess.Popen", None)
    assert load_library(source, [], []).two() == 2


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each step that is taken from here on."""
    rows: list[int] = []
    call = CpuStep.__call__

    def step(self: CpuStep, ids: Tensor, positions: Tensor, *, cache: StaticCache) -> Tensor:
        rows.append(len(ids))
        return call(self, ids, positions, cache=cache)

    monkeypatch.setattr(CpuStep, "__call__", step)
    return rows


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
