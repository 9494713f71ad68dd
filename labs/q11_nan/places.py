"""The parts of the model as the heat map names them, in the order of execution. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

KINDS = ("finite", "inf", "nan")
_BLOCK = re.compile(r"model\.layers\.(\d+)(?:\.(\w+))?")
_PARTS = {
    "input_layernorm": "norm 1",
    "self_attn": "attention",
    "post_attention_layernorm": "norm 2",
    "mlp": "feed-forward",
    None: "output",
}


class Sight(Protocol):
    """One tensor at a module (`minimind_core.training.nonfinite.Seen`)."""

    @property
    def phase(self) -> str:
        """ "forward" or "backward"."""

    @property
    def module(self) -> str:
        """Its name in the model."""

    @property
    def place(self) -> str:
        """ "input", "output" or "weight"."""

    @property
    def kind(self) -> str:
        """ "finite", "inf" or "nan"."""


def places(num_layers: int) -> list[str]:
    """Every place of a model, as in the map's rows.

    >>> places(1)[:6]
    ['embedding', '0 norm 1', '0 attention', '0 norm 2', '0 feed-forward', '0 output']
    """
    blocks = [f"{block} {part}" for block in range(num_layers) for part in _PARTS.values()]
    return ["embedding", *blocks, "norm", "logits", "loss"]


def place_of(module: str) -> str:
    """The place that a module of the model belongs to.

    >>> place_of("model.layers.4.mlp.up_proj"), place_of("model.layers.4"), place_of("")
    ('4 feed-forward', '4 output', 'logits')
    """
    if match := _BLOCK.fullmatch(module.rpartition(".")[0] if module.count(".") > 3 else module):
        return f"{match[1]} {_PARTS[match[2]]}"
    named = {"model.embed_tokens": "embedding", "model.norm": "norm", "model": "norm", "": "logits"}
    return named.get(module, "loss" if module == "loss" else "logits")


def worst(seen: Iterable[Sight], phase: str, rows: list[str]) -> list[int]:
    """The worst seen at each row's outputs (backward: anywhere): 0, 1 Inf, 2 NaN, -1 nothing."""
    found = dict.fromkeys(rows, -1)
    for one in seen:
        if one.phase == phase and (phase == "backward" or one.place == "output"):
            place = place_of(one.module)
            found[place] = max(found[place], KINDS.index(one.kind))
    return [found[row] for row in rows]


def answer(module: str, place: str, block: int) -> str:
    """The module of the first NaN as the question's choices call it; `block` has the planted fault."""
    if module == f"model.layers.{block}.mlp.down_proj":
        return "down-projection"
    if module == f"model.layers.{block}" and place == "output":
        return "block-output"
    if module == f"model.layers.{block + 1}.input_layernorm":
        return "next-norm"
    if module.startswith(f"model.layers.{block + 1}.self_attn"):
        return "next-attention"
    return "loss" if module == "loss" else "elsewhere"
