"""oneDNN in place of torch's own products: the same numbers, chosen by measurement, only where it serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from minimind_core.decoding import cpu_products, step_model
from minimind_core.decoding.cpu_products import PackedLinear, onednn_is_faster, prompt_products
from minimind_core.decoding.engine import Engine
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step
from minimind_core.decoding.step_model import make_step_model
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.decoding.test_step_model import CONFIG, assert_same_steps, model_from_int8

pytestmark = pytest.mark.skipif(not cpu_products.HAS_ONEDNN, reason="needs oneDNN")
PROMPTS = [[1, *range(5, 100)], [1, *range(20, 115)], [1, *range(7, 102)]]
GREEDY = SamplingParams(temperature=0)
NEW = 12


@pytest.fixture(autouse=True)
def no_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cpu_step.py` would stand in for what is tested here."""
    monkeypatch.setenv("MINIMIND_CPU_STEP", "off")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """oneDNN is always found faster; the rows of the plain products that it was given."""
    rows: list[int] = []
    product = cpu_products._product

    def counted(x: torch.Tensor, weight: torch.Tensor, out_features: int) -> torch.Tensor:
        rows.append(x.numel() // x.shape[-1])
        return product(x, weight, out_features)

    for module in (cpu_products, step_model):
        monkeypatch.setattr(module, "onednn_is_faster", lambda rows, weight, packed: True)
    monkeypatch.setattr(cpu_products, "_product", counted)
    return rows


def timed(monkeypatch: pytest.MonkeyPatch, seconds: list[list[float]]) -> Callable[[], bool]:
    """The choice after rounds that took so long; nothing is remembered from before."""
    rounds = iter(seconds)
    monkeypatch.setattr(cpu_products, "_round", lambda ways: next(rounds))
    cpu_products._measured.cache_clear()
    return lambda: onednn_is_faster(8, torch.ones(4, 16), packed=True)


@pytest.mark.parametrize("rows", [1, 2, 33])
def test_a_packed_layer_equals_the_matrix_product(rows: int) -> None:
    x, weight = torch.randn(rows, 1, 192), torch.randn(130, 192)
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(weight)(x), F.linear(x, weight), atol=1e-4)


def test_the_fastest_round_of_each_decides_and_a_small_gain_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [[1.0, 9.0]] * (cpu_products.ROUNDS - 1)
    assert timed(monkeypatch, [*busy, [1.0, 0.5]])()
    assert not timed(monkeypatch, [*busy, [1.0, 0.99]])()


def test_a_choice_is_made_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = timed(monkeypatch, [[1.0, 0.5]] * cpu_products.ROUNDS)
    assert choose() and choose(), "a second measurement would find no more rounds"
    cpu_products._measured.cache_clear()


def test_prompts_are_read_by_it_with_the_same_choice(taken: list[int]) -> None:
    model = model_from_int8()
    found = Step(model, 3, 128).prefill(PROMPTS)
    assert taken and set(taken) == {3 * 96}
    with torch.inference_mode():
        expected = model(torch.tensor(PROMPTS))[:, -1]
    assert torch.allclose(found, expected, atol=1e-4)


def test_short_prompts_and_other_weights_stay_with_torch(taken: list[int]) -> None:
    model = model_from_int8()
    Step(model, 1, 128).prefill([[1, 5, 7]])
    Step(model_from_int8().double(), 3, 128).prefill(PROMPTS)
    with prompt_products(torch.device("cpu")):
        model(torch.tensor(PROMPTS)).sum().backward()  # training needs a gradient
    assert not taken


def test_it_can_be_switched_off(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIND_ONEDNN", "off")
    model = model_from_int8()
    Step(model, 3, 128).prefill(PROMPTS)
    assert not taken and not packed(make_step_model(model, 3))


def test_a_step_of_several_rows_is_packed(taken: list[int]) -> None:
    model = model_from_int8(CONFIG)
    twin = make_step_model(model, batch_size=3)
    assert packed(twin) == 4 * CONFIG.num_layers + 1, "the head as well"
    assert_same_steps(model, twin, rows=3)
    assert not packed(make_step_model(model, batch_size=1))


def test_the_engine_gives_the_tokens_of_plain_products(taken: list[int]) -> None:
    model = model_from_int8()
    expected = [Generator(model, 1, 128, "naive").generate([ids], GREEDY, NEW).new_ids[0] for ids in PROMPTS]
    engine = Engine(model, num_slots=3, max_length=128, stop_ids=())
    requests = [engine.submit(ids, GREEDY, max_new_tokens=NEW) for ids in PROMPTS]
    events = engine.run_until_idle()
    tokens = [[event.token for event in events if event.request_id == request] for request in requests]
    assert tokens == expected
    assert 3 in taken and max(taken) > 3, "steps and prompts"


@pytest.mark.slow
def test_compiled_batches_give_the_tokens_of_plain_products(taken: list[int]) -> None:
    model = model_from_int8()
    expected = Generator(model, 3, 128, "cached").generate(PROMPTS, GREEDY, NEW).new_ids
    assert Generator(model, 3, 128, "compiled").generate(PROMPTS, GREEDY, NEW).new_ids == expected


def packed(model: MiniMind | object) -> int:
    assert isinstance(model, MiniMind)
    return sum(isinstance(module, PackedLinear) for module in model.modules())
