"""The list of names and shapes is the model's own state dict, and adds up to the counted parameters."""

import math

import pytest
import torch

from minimind_core.model.config import PRESETS, ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind
from minimind_core.model.parameter_shapes import parameter_shapes

UNTIED = ModelConfig(tie_word_embeddings=False, qk_norm=True, head_dim=96)


@pytest.mark.parametrize("config", [*PRESETS.values(), UNTIED], ids=[*PRESETS, "untied-qk-norm"])
def test_shapes_are_those_of_the_model(config: ModelConfig) -> None:
    with torch.device("meta"):
        state_dict = MiniMind(config).state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    shapes = parameter_shapes(config)
    assert shapes == expected and list(shapes) == list(expected)
    assert sum(math.prod(shape) for shape in shapes.values()) == num_parameters(config)
