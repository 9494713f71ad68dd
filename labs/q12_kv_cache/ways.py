"""One text through the model in different shapes, which are equal in exact arithmetic. Imports torch.

Shapes: B rows, T tokens, L layers, K KV heads, D head_dim, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from labs.tools.models import hooked
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind, RMSNorm

PIECE = 7
"""Tokens of a piece where a text is read in pieces."""
PADDING = 5


def new_cache(model: MiniMind, batch: int, capacity: int) -> StaticCache:
    """An empty one of the model's own dtype."""
    return StaticCache(model.config, batch, capacity, model.device, model.dtype)


def cached_keys(model: MiniMind, ids: Tensor) -> Tensor:
    """Keys in the cache after ids [1, T] were read, [L, K, T, D]."""
    cache = new_cache(model, 1, ids.shape[1])
    model.model(ids, cache=cache)
    return torch.stack(cache.keys)[:, 0]


def in_pieces(model: MiniMind, ids: Tensor, piece: int) -> Tensor:
    """Logits of ids [1, T] read `piece` tokens at a time, [T, V]."""
    length = ids.shape[1]
    cache = new_cache(model, 1, length)
    read = []
    for start in range(0, length, piece):
        positions = torch.arange(start, min(start + piece, length), device=ids.device)
        read.append(model(ids[:, positions], positions, cache=cache.first(int(positions[-1]) + 1))[0])
    return torch.cat(read)


def left_padded(model: MiniMind, ids: Tensor) -> Tensor:
    """Logits of ids [1, T] after some tokens of padding, which nobody looks at, [T, V]."""
    length = ids.shape[1]
    padding = ids.new_zeros(1, PADDING)
    positions = torch.arange(-PADDING, length, device=ids.device).clamp(min=-1)
    slots = torch.arange(PADDING + length, device=ids.device)
    cache = new_cache(model, 1, PADDING + length)
    return model(torch.cat((padding, ids), 1), positions, slots, cache=cache)[0, PADDING:]


WAYS: dict[str, Callable[[MiniMind, Tensor], Tensor]] = {
    "cached": lambda model, rows: in_pieces(model, rows[:1], 1),
    "pieces": lambda model, rows: in_pieces(model, rows[:1], PIECE),
    "batch": lambda model, rows: model(rows)[0],
    "padded": lambda model, rows: left_padded(model, rows[:1]),
}
"""Logits [T, V] of the first of rows [B, T]."""


def agreement(model: MiniMind, rows: Tensor) -> Iterator[tuple[str, float, float, float]]:
    """Each way against the first row alone in one pass without a cache.

    Yields its name, the largest difference of a logit, the share of logits whose bits are the same, and the
    share of tokens with the same choice.
    """
    alone = model(rows[:1])[0]  # [T, V]
    for name, way in WAYS.items():
        logits = way(model, rows)
        same_choice = logits.argmax(-1) == alone.argmax(-1)  # [T]
        yield (
            name,
            float((logits - alone).abs().max()),
            float((logits == alone).double().mean()),
            float(same_choice.double().mean()),
        )


def same_among_others(model: MiniMind, rows: Tensor) -> bool:
    """Whether the first row's logits keep every bit when its neighbours are exchanged for each other."""
    exchanged = torch.cat((rows[:1], rows[1:].flip(0)))
    return torch.equal(model(rows)[0], model(exchanged)[0])


def by_part(model: MiniMind, ids: Tensor) -> dict[str, float]:
    """How far the last token's numbers are apart after each part: a pass over ids [1, T], a cached step."""
    length = ids.shape[1]
    whole = outputs(model, lambda: model(ids))
    cache = new_cache(model, 1, length)
    model.model(ids[:, :-1], cache=cache.first(length - 1))
    last = torch.tensor([length - 1], device=ids.device)
    step = outputs(model, lambda: model(ids[:, -1:], last, cache=cache))
    return {name: float((whole[name] - step[name]).abs().max()) for name in whole}


def outputs(model: MiniMind, run: Callable[[], object]) -> dict[str, Tensor]:
    """What every embedding, norm and matrix gives for the last token, in the order in which they run."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            found[name] = output[0, -1].clone()

        return hook

    with hooked(
        part.register_forward_hook(keep(name.removeprefix("model.")))
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | RMSNorm | nn.Embedding)
    ):
        run()
    return found
