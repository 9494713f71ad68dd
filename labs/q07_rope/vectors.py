"""The vectors of the microscope: random ones, or real queries and keys of the model. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.contract.columns import Context
from labs.q07_rope.analytic import BASE, HEAD_DIM
from labs.q07_rope.limits import rope_model
from labs.q07_rope.params import InvarianceParams
from labs.tools import heldout
from minimind_core.errors import ConfigError
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.model.rope import plain_inv_freq

PAIRS = 256


def pairs_of_vectors(params: InvarianceParams, ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys float64 [PAIRS, D] on the CPU, and the frequencies [D/2] that they are turned by."""
    random = torch.Generator().manual_seed(params.seed)
    if params.vectors == "random":
        queries, keys = torch.randn((2, PAIRS, HEAD_DIM), generator=random, dtype=torch.float64)
        return queries, keys, plain_inv_freq(HEAD_DIM, BASE)
    loaded = rope_model(ctx)
    _check_place(params, loaded)
    ids = heldout.windows(loaded.tokenizer, heldout.held_out("english"), 1, PAIRS, params.seed)[:, :-1]
    ctx.progress(0.05, "Reading a text for its queries and keys")
    queries, keys = unrotated(loaded, ids, params.layer, params.head)
    order = torch.randperm(PAIRS, generator=random)
    return queries, keys[order], plain_inv_freq(loaded.config.head_dim, loaded.config.rope_theta)


@torch.inference_mode()
def unrotated(loaded: LoadedModel, ids: Tensor, layer: int, head: int) -> tuple[Tensor, Tensor]:
    """One head's queries and the keys that it reads before rotation: ids [1, T] -> float64 [T, D] each."""
    config, model = loaded.config, loaded.model
    attention = model.model.layers[layer].self_attn
    kept: list[Tensor] = []

    def keep(_module: object, inputs: tuple[Tensor, ...]) -> None:
        kept.append(inputs[0])

    hook = attention.register_forward_pre_hook(keep)
    try:
        model.model(ids.to(model.model.embed_tokens.weight.device))
    finally:
        hook.remove()
    queries, keys, _ = attention.project(kept[0])  # [1, T, H * D], [1, T, K * D]
    split = (ids.shape[1], -1, config.head_dim)
    queries, keys = attention.q_norm(queries.view(split)), attention.k_norm(keys.view(split))  # [T, heads, D]
    return queries[:, head].cpu().double(), keys[:, head // config.group_size].cpu().double()


def _check_place(params: InvarianceParams, loaded: LoadedModel) -> None:
    layers, heads = loaded.config.num_layers, loaded.config.num_heads
    if params.layer >= layers:
        raise ConfigError(
            f"{loaded.name} has {layers} layers, numbered from 0; there is no {params.layer}.",
            key="q07.no_layer",
            model=loaded.name,
            count=layers,
            given=params.layer,
        )
    if params.head >= heads:
        raise ConfigError(
            f"{loaded.name} has {heads} query heads, numbered from 0; there is no {params.head}.",
            key="q07.no_head",
            model=loaded.name,
            count=heads,
            given=params.head,
        )
