"""The layout for the one-token step gives the model's logits, in fp32 and read from int8."""

import pytest
import torch
from torch import nn

from minimind_core.decoding import int8_linear
from minimind_core.decoding.int8_linear import Int8Linear, exact_int8
from minimind_core.decoding.step_model import make_step_model
from minimind_core.files.quantize import dequantize_int8, quantize_int8
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY

CONFIG = TINY.replace(vocab_size=128, intermediate_size=128)


@pytest.fixture(autouse=True)
def no_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cpu_step.py` would stand in for what is tested here."""
    monkeypatch.setenv("MINIMIND_CPU_STEP", "off")


def model_from_int8(config: ModelConfig = CONFIG) -> MiniMind:
    """Weights as a shipped checkpoint gives them: int8 widened to fp32."""
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = dequantize_int8(*quantize_int8(parameter.data * 4))
    return model


def assert_same_steps(model: MiniMind, twin: MiniMind, rows: int) -> None:
    caches = [StaticCache(model.config, rows, 8), StaticCache(model.config, rows, 8)]
    with torch.inference_mode():
        for step, token in enumerate([1, 5, 77, 3]):
            ids, position = torch.full((rows, 1), token), torch.tensor([[step]] * rows)
            ours, theirs = (m(ids, position, cache=c) for m, c in zip((twin, model), caches, strict=True))
            assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    "changes", [{}, {"tie_word_embeddings": False}, {"qk_norm": True}, {"num_kv_heads": 4}]
)
def test_joined_projections_give_the_same_logits(changes: dict[str, bool]) -> None:
    model = model_from_int8(CONFIG.replace(**changes))
    twin = make_step_model(model, batch_size=3)
    assert not any(isinstance(m, Int8Linear) for m in twin.modules())
    assert_same_steps(model, twin, rows=3)


def test_one_row_on_a_cpu_is_read_from_int8() -> None:
    if not int8_linear.is_available():
        pytest.skip("no C++ compiler here")
    model = model_from_int8()
    twin = make_step_model(model, batch_size=1)
    assert not any(isinstance(m, nn.Linear) for m in twin.modules())
    assert_same_steps(model, twin, rows=1)
    assert model.config.tie_word_embeddings, "the model itself must stay as it was"


@pytest.mark.parametrize("rows", [1, 3])
def test_an_int8_layer_equals_the_matrix_product(rows: int) -> None:
    if not int8_linear.is_available():
        pytest.skip("no C++ compiler here")
    q, scale = quantize_int8(torch.randn(130, 192))
    x = torch.randn(1, rows, 192)
    expected = x.double() @ dequantize_int8(q, scale).double().T
    assert torch.allclose(Int8Linear(q, scale)(x).double(), expected, atol=1e-4)


def test_weights_that_would_change_are_left_alone() -> None:
    model = model_from_int8()
    weight = model.model.layers[1].mlp.down_proj.weight
    assert exact_int8(weight) is not None
    weight.data[0, 0] += 1e-3
    assert exact_int8(weight) is None
    twin = make_step_model(model, batch_size=1)
    assert not any(isinstance(m, Int8Linear) for m in twin.modules())
    assert_same_steps(model, twin, rows=1)


def test_without_a_compiler_the_step_stays_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_linear, "is_available", lambda: False)
    model = model_from_int8()
    assert_same_steps(model, make_step_model(model, batch_size=1), rows=1)
