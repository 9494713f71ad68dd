"""The models of Question 10: untrained, trained, and one whose forward pass no FP16 number can hold."""

from __future__ import annotations

import torch

from labs.contract.columns import Context
from labs.tools.untrained import untrained
from minimind_core.model.minimind import MiniMind

OUTLIER_EXPONENT = 20
OUTLIER_LAYER = 2


def copied(model: MiniMind) -> MiniMind:
    """An FP32 copy with weights of its own, whose gradients nobody else sees."""
    weight = model.model.embed_tokens.weight
    with torch.random.fork_rng(devices=[]):
        copy = MiniMind(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.to(weight.device, torch.float32)


@torch.no_grad()
def outlier(model: MiniMind, layer: int = OUTLIER_LAYER, exponent: int = OUTLIER_EXPONENT) -> MiniMind:
    """The same function, written so that one block leaves the range of FP16.

    One layer's up projection is 2^exponent times larger, its down projection as much smaller. Powers of
    two are exact, so FP32 and BF16 compute what they did before, bit for bit; in FP16 the product
    silu(gate) * up is Inf.
    """
    block = model.model.layers[min(layer, model.config.num_layers - 1)].mlp
    block.up_proj.weight *= 2.0**exponent
    block.down_proj.weight *= 2.0**-exponent
    return model


def specimen(name: str, ctx: Context) -> MiniMind:
    """ "random", "trained" or "outlier", in the shape of the checkpoint that the user chose."""
    loaded = ctx.model()
    if name == "random":
        return untrained(loaded.config, ctx.device)
    copy = copied(loaded.model)
    return outlier(copy) if name == "outlier" else copy
