"""Models for an experiment: with fresh weights, around tensors that exist, or as a copy. Imports torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from minimind_core.model.parameter_shapes import parameter_shapes
from minimind_core.model.rope import RotaryEmbedding

TINY = ModelConfig(
    vocab_size=300,
    hidden_size=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=128,
)
"""A shape that is run in a moment, for what holds whatever the size."""


def untrained(config: ModelConfig, device: torch.device | str, seed: int = 0) -> MiniMind:
    """A fresh FP32 model of that shape, the same for the same seed; nobody else's random numbers change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MiniMind(config).to(device)


def assembled(config: ModelConfig, tensors: Mapping[str, Tensor]) -> MiniMind:
    """A model for reading whose weights are these tensors themselves, by parameter name; none is copied.

    A tensor may have more rows than the shape needs: the first ones are looked at.
    Not for ALiBi, whose slopes are no weights.
    """
    with torch.device("meta"):
        model = MiniMind(config)
    weights = {name: tensors[name][: size[0]] for name, size in parameter_shapes(config).items()}
    model.load_state_dict(weights, assign=True)
    if config.position == "rope":
        model.model.rotary = RotaryEmbedding(config).to(model.device)
    return model.eval()


def copied(model: MiniMind) -> MiniMind:
    """An FP32 copy with weights of its own, whose gradients nobody else sees."""
    with torch.random.fork_rng(devices=[]):
        copy = MiniMind(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.to(model.device, torch.float32)


@contextlib.contextmanager
def before_each_layer(model: MiniMind, call: Callable[[], None]) -> Iterator[None]:
    """While this is open, `call` runs before each layer, so that a cancel is heard in a long forward."""
    with hooked(layer.register_forward_pre_hook(lambda *_: call()) for layer in model.model.layers):
        yield


@contextlib.contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """While this is open, the hooks of these handles are called; after it they are gone, whatever was raised.

    with hooked(layer.register_forward_hook(look) for layer in layers):
        model(ids)
    """
    with contextlib.ExitStack() as stack:
        for handle in handles:
            stack.enter_context(handle)
        yield
