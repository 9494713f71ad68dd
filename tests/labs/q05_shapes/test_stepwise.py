"""The written-out attention is the core's, its faults are what they are called, and nothing stays behind."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from labs.q05_shapes.stepwise import Stepwise, attention_replaced, blocks_replaced
from labs.tools.models import TINY, untrained
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import forward_flops
from minimind_core.model.minimind import Attention, MiniMind
from tests.minimind_core.llama_twins import twin

IDS = torch.tensor([[5, 9, 31, 7, 9, 60, 2, 11], [8, 4, 4, 44, 12, 3, 70, 1]])


def logits(model: MiniMind, fault: str = "") -> Tensor:
    with torch.inference_mode(), attention_replaced(model, partial(Stepwise, fault=fault)):
        return model(IDS)


def tensors(model: MiniMind, fault: str = "") -> list[dict[str, Tensor]]:
    """What is noted in each layer."""
    layers: list[dict[str, Tensor]] = []

    def make(own: Attention) -> Stepwise:
        layers.append({})
        return Stepwise(own, fault, layers[-1].__setitem__)

    with torch.inference_mode(), attention_replaced(model, make):
        model(IDS)
    return layers


@pytest.mark.parametrize("position", ["rope", "alibi", "none", "learned", "sinusoidal"])
def test_it_computes_what_the_core_computes(position: str) -> None:
    model = untrained(TINY.replace(position=position, max_length=16), "cpu")
    with torch.inference_mode():
        torch.testing.assert_close(logits(model), model(IDS), rtol=1e-4, atol=1e-5)


def test_and_what_transformers_computes() -> None:
    model = untrained(TINY, "cpu")
    with torch.inference_mode():
        torch.testing.assert_close(logits(model), twin(model)(IDS).logits, rtol=1e-4, atol=1e-5)


def test_weights_have_nothing_above_the_diagonal_and_rows_of_one(tiny: MiniMind) -> None:
    for layer in tensors(tiny):
        assert layer["weights"].triu(1).count_nonzero() == 0
        torch.testing.assert_close(layer["weights"].sum(-1), torch.ones(2, 6, 8), rtol=0, atol=1e-6)


def test_rotation_keeps_every_norm_and_leaves_position_zero_alone(tiny: MiniMind) -> None:
    for layer in tensors(tiny):
        torch.testing.assert_close(
            layer["q_rotated"].norm(dim=-1), layer["q"].norm(dim=-1), rtol=1e-5, atol=0
        )
        assert torch.equal(layer["q_rotated"][:, :, 0], layer["q"][:, :, 0])
        assert not torch.allclose(layer["q_rotated"][:, :, 1:], layer["q"][:, :, 1:])


def test_each_fault_is_what_it_is_called(tiny: MiniMind) -> None:
    right = tensors(tiny)[0]
    future = torch.ones(8, 8, dtype=torch.bool).triu(1)
    open_weights, late = tensors(tiny, "no_mask")[0]["weights"], tensors(tiny, "mask_after")[0]["weights"]
    torch.testing.assert_close(open_weights, right["scores"].softmax(-1))
    torch.testing.assert_close(late, open_weights.masked_fill(future, 0))
    assert (late[:, :, :-1].sum(-1) < 1).all()
    torch.testing.assert_close(tensors(tiny, "no_scale")[0]["scores"], right["scores"] * 10**0.5)
    assert torch.equal(tensors(tiny, "no_rope")[0]["q_rotated"], right["q"])
    mixed = tensors(tiny, "no_transpose")[0]["q"]
    assert mixed.shape == right["q"].shape and torch.equal(mixed.flatten(), right["q_linear"].flatten())
    assert not torch.equal(mixed, right["q"])


def test_without_the_output_projection_the_joined_heads_are_the_output() -> None:
    model = untrained(TINY, "cpu")
    layer = tensors(model, "no_o_proj")[0]
    assert torch.equal(layer["output"], layer["context"].transpose(1, 2).flatten(2))


def test_torch_counts_what_the_formula_says(tiny: MiniMind) -> None:
    with FlopCounterMode(display=False) as counter:
        logits(tiny)
    assert counter.get_total_flops() == forward_flops(tiny.config, *IDS.shape)


def test_a_block_without_its_additions_is_its_two_parts_alone(tiny: MiniMind) -> None:
    with torch.inference_mode():
        right = tiny(IDS)
        with blocks_replaced(tiny, 3, frozenset()):
            assert torch.equal(tiny(IDS), right)
        with blocks_replaced(tiny, 3, frozenset({"attention", "feed_forward"})):
            alone = tiny.head(tiny.model.norm(tiny.model.embed_tokens(IDS)))
            assert torch.equal(tiny(IDS), alone)
        passed: list[Tensor] = []
        handle = tiny.model.layers[0].mlp.register_forward_hook(lambda _m, _i, output: passed.append(output))
        with blocks_replaced(tiny, 1, frozenset({"attention_residual", "feed_forward_residual"})):
            after = tiny.model.layers[1].register_forward_pre_hook(
                lambda _m, inputs: passed.append(inputs[0])
            )
            tiny(IDS)
        assert torch.equal(*passed)
        handle.remove()
        after.remove()


def test_a_model_is_itself_again_even_after_a_cancel(tiny: MiniMind) -> None:
    before = [(layer, layer.self_attn) for layer in tiny.model.layers]

    def stop(_name: str, _tensor: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), attention_replaced(tiny, partial(Stepwise, note=stop)):
        tiny(IDS)
    with pytest.raises(ZeroDivisionError), blocks_replaced(tiny, 2, frozenset({"norms"})):
        raise ZeroDivisionError
    assert [(layer, layer.self_attn) for layer in tiny.model.layers] == before


def test_presets_of_every_kind_of_position_can_be_read() -> None:
    for name in ("nano-alibi", "nano-learned"):
        model = untrained(PRESETS[name], "cpu")
        with torch.inference_mode():
            torch.testing.assert_close(logits(model), model(IDS), rtol=1e-4, atol=1e-4)
