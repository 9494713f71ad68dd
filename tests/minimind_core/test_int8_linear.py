"""Reading int8 gives the numbers that fp32 gives, and is refused where it would not."""

import pytest
import torch
from minimind_core.config import ModelConfig
from minimind_core.int8_linear import Int8Linear, with_int8_linears
from minimind_core.kv_cache import StaticCache
from minimind_core.model import MiniMind
from minimind_core.quantize import dequantize_int8, quantize_int8

CONFIG = ModelConfig(vocab_size=128, hidden_size=64, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=32,
                     intermediate_size=128)


def model_from_int8() -> MiniMind:
    """Weights as a shipped checkpoint gives them: int8 widened to fp32."""
    torch.manual_seed(0)
    model = MiniMind(CONFIG).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = dequantize_int8(*quantize_int8(parameter.data * 4))
    return model


@pytest.mark.parametrize("rows", [1, 3])
def test_a_layer_equals_the_matrix_product(rows: int) -> None:
    weight = torch.randn(32, 128)
    q, scale = quantize_int8(weight)
    x = torch.randn(1, rows, 128)
    expected = x.double() @ dequantize_int8(q, scale).double().T
    assert torch.allclose(Int8Linear(q, scale)(x).double(), expected, atol=1e-4)


def test_the_twin_gives_the_same_logits_step_by_step() -> None:
    model = model_from_int8()
    twin = with_int8_linears(model)
    assert twin is not None
    caches = [StaticCache(CONFIG, 1, 8), StaticCache(CONFIG, 1, 8)]
    with torch.inference_mode():
        for step, token in enumerate([1, 5, 77, 3]):
            ids, position = torch.tensor([[token]]), torch.tensor([[step]])
            ours, theirs = (m(ids, position, cache=c) for m, c in zip((twin, model), caches, strict=True))
            assert torch.allclose(ours, theirs, atol=1e-4)
    assert model.config.tie_word_embeddings and not twin.config.tie_word_embeddings


def test_weights_that_would_change_are_left_alone() -> None:
    model = model_from_int8()
    model.model.layers[1].mlp.down_proj.weight.data[0, 0] += 1e-3
    assert with_int8_linears(model) is None
