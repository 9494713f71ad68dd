"""What autograd saves during a forward pass, by the part of the model that saves it. Imports torch."""

from __future__ import annotations

import contextlib
from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.model.minimind import MiniMind


def saved_bytes(model: MiniMind, ids: Tensor, targets: Tensor) -> dict[str, int]:
    """Bytes that the backward pass of a loss would read, besides weights and ids: ids, targets [B, T].

    By "norms", "attention", "feed_forward", and "head" for all outside of the layers. A tensor that several
    operations save, or views of it, counts once, for the first of them.
    """
    found: Counter[str] = Counter()
    seen = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), ids, targets)}
    part = ["head"]

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            found[part[-1]] += storage.nbytes()
        return tensor

    with contextlib.ExitStack() as hooks:
        for layer in model.model.layers:
            watched: dict[str, tuple[nn.Module, ...]] = {
                "norms": (layer.input_layernorm, layer.post_attention_layernorm),
                "attention": (layer.self_attn,),
                "feed_forward": (layer.mlp,),
            }
            for name, modules in watched.items():
                for module in modules:
                    before = module.register_forward_pre_hook(lambda *_, name=name: part.append(name))
                    after = module.register_forward_hook(lambda *_: part.pop() and None)
                    hooks.callback(before.remove)
                    hooks.callback(after.remove)
        hooks.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor))
        loss = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
    assert loss.requires_grad  # it holds all that was saved until here, so that no address was given twice
    return {name: found[name] for name in ("norms", "attention", "feed_forward", "head")}
