"""Hooks for a while: whatever happens inside, and while they are registered, none stays on the model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.utils.hooks import RemovableHandle

from labs.tools.models import TINY, before_each_layer, hooked, untrained

IDS = torch.ones(1, 3, dtype=torch.int64)


def test_hooks_are_called_inside_and_gone_after_an_error() -> None:
    model, called = untrained(TINY, "cpu"), []
    layers = model.model.layers
    with (
        pytest.raises(ValueError, match="inside"),
        hooked(layer.register_forward_hook(lambda *_: called.append(1)) for layer in layers),
    ):
        model(IDS)
        raise ValueError("inside")
    assert len(called) == len(layers)
    model(IDS)
    assert len(called) == len(layers)


def test_a_registration_that_fails_takes_the_earlier_ones_along() -> None:
    model = untrained(TINY, "cpu")

    def half() -> Iterator[RemovableHandle]:
        yield model.model.layers[0].register_forward_hook(lambda *_: None)
        raise ValueError("registering")

    with pytest.raises(ValueError, match="registering"), hooked(half()):
        pass
    assert not any(layer._forward_hooks for layer in model.model.layers)


def test_a_cancel_is_heard_between_layers() -> None:
    model, heard = untrained(TINY, "cpu"), []
    with before_each_layer(model, lambda: heard.append(1)):
        model(IDS)
    assert len(heard) == TINY.num_layers


def test_a_model_says_where_it_is_and_what_it_computes_in() -> None:
    model = untrained(TINY, "cpu")
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)
    assert model.to(torch.bfloat16).dtype == torch.bfloat16
    assert model.to("meta").device == torch.device("meta")
