"""One text read by the whole model somewhere else. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q07_rope.params import ShiftParams
from labs.q07_rope.reading import checked
from labs.tools import heldout
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import Tokenizer


def text_rows(tokenizer: Tokenizer, params: ShiftParams) -> Tensor:
    """One stretch of held-out text, int64 [1, tokens + 1]."""
    return heldout.windows(tokenizer, heldout.held_out(params.text), 1, params.tokens, params.seed)


@torch.inference_mode()
def logits_at(model: MiniMind, ids: Tensor, offset: int, check: Callable[[], None]) -> Tensor:
    """Logits of ids[:, :-1] at positions offset, offset + 1, ...: [1, T + 1] -> [1, T, V] fp32, CPU."""
    device = model.model.embed_tokens.weight.device
    inputs = ids[:, :-1].to(device)
    positions = torch.arange(offset, offset + inputs.shape[1], device=device)
    with checked(model, check):
        return model(inputs, positions).float().cpu()


def compared(logits: Tensor, unmoved: Tensor, ids: Tensor) -> tuple[float, float]:
    """The largest change of a logit, and the perplexity of the text at its new place."""
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    return float((logits - unmoved).abs().max()), math.exp(float(loss))
