"""The lines of the length bench: models, and how they read long texts in chunks. Imports torch.

The same tokens are scored at every length: D documents of R tokens are read as D * R / L chunks of L, and
each token's loss lands in the same place. Only what stands before it in its chunk differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labs.contract import Context
from labs.q07_rope.length_summary import Losses, TableEnd
from labs.tools.models import assembled
from labs.tools.token_losses import token_losses
from minimind_core.model.minimind import INIT_STD, MiniMind

SPECIMENS = {
    "rope": "nano-rope",
    "rope_1e4": "nano-rope-1e4",
    "learned": "nano-learned",
    "sinusoidal": "nano-sinusoidal",
    "alibi": "nano-alibi",
    "none": "nano-none",
}
"""One recipe and one tokenizer, alike but for their positions."""
POSITION_TABLE = "model.embed_positions.weight"


@dataclass(frozen=True)
class Line:
    """One line of the bench: weights, how they treat positions, and the lengths at which it is read."""

    name: str
    model: Callable[[int], MiniMind]
    """The model for chunks of a length; factors may depend on it."""
    lengths: tuple[int, ...]
    window: int | None = None
    """A token sees itself and so many before it, less one."""
    offset: int = 0
    """Added to every position."""

    def cost(self, length: int) -> float:
        """Relative time of a token in chunks of a length; attention with a mask is dearer."""
        written_out = self.window or self.offset or self.name == "alibi"
        return 1 + length / (800 if written_out else 5000)

    def read(self, length: int, documents: Tensor, check: Callable[[], None]) -> Losses:
        """Nats of every token in chunks of `length`: documents int64 [D, R + 1] -> float32 [D, R]."""
        model, inputs = self.model(length), {}
        positions = torch.arange(length, device=model.device)
        if self.offset:
            inputs["positions"] = positions + self.offset
        if self.window is not None and self.window < length:
            inputs["mask"] = positions[:, None] - positions < self.window  # [L, L]; the model adds causality
        return _chunk_losses(model, documents, length, check, **inputs)


def mean_losses(
    model: MiniMind, lengths: Sequence[int], documents: Tensor, check: Callable[[], None]
) -> dict[int, float]:
    """Mean nats a token of one model by length of the chunks; the same tokens for all lengths."""
    losses = {length: _chunk_losses(model, documents, length, check) for length in lengths}
    return {length: float(nats.mean(dtype=np.float64)) for length, nats in losses.items()}


def always(model: MiniMind) -> Callable[[int], MiniMind]:
    """The same model for chunks of any length."""
    return lambda _length: model


def base_name(model: str) -> str:
    """The line that treatments are measured against: "rope" for every RoPE model but one."""
    return "rope_1e4" if model == SPECIMENS["rope_1e4"] else "rope"


def relatives(base: str, lengths: tuple[int, ...], seed: int, ctx: Context) -> Iterator[Line]:
    """The specimens with other positions; a learned table ends, and is read on with new rows."""
    for name, specimen in SPECIMENS.items():
        if name == base:
            continue
        model: MiniMind = ctx.model(specimen).model
        if name != "learned":
            yield Line(name, always(model), lengths)
            continue
        yield Line(name, always(model), lengths[:1])
        if lengths[1:]:
            yield Line("learned_longer", always(with_longer_table(model, lengths[-1], seed)), lengths[1:])


def with_longer_table(model: MiniMind, length: int, seed: int) -> MiniMind:
    """Learned positions with more rows, the new ones as they were before any training."""
    table = model.model.embed_positions.weight
    random = torch.Generator().manual_seed(seed)
    new = torch.randn((length - len(table), table.shape[1]), generator=random) * INIT_STD
    longer = torch.cat((table.detach(), new.to(table)))  # [length, C]
    return assembled(model.config.replace(max_length=length), {**model.state_dict(), POSITION_TABLE: longer})


def past_the_table(model: MiniMind) -> TableEnd:
    """What reading one token more than the table of learned positions has rows for really does.

    On the CPU: on a GPU the same read is a device-side assert that ends the process.
    """
    rows = model.config.max_length
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    end: TableEnd = {"error": "", "message": "", "rows": rows, "position": rows}
    try:
        with torch.inference_mode():
            assembled(model.config, weights)(torch.full((1, rows + 1), model.config.bos_id))
    except IndexError as error:
        end["error"], end["message"] = type(error).__name__, str(error)
    return end


def _chunk_losses(
    model: MiniMind, documents: Tensor, length: int, check: Callable[[], None], **inputs: Tensor
) -> Losses:
    chunks = documents.unfold(1, length + 1, length).flatten(0, 1)  # [D, R + 1] -> [D * R / L, L + 1]
    return token_losses(model, chunks, check, **inputs).reshape(len(documents), -1)
