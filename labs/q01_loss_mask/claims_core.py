"""The claims of Question 1 about losses and attention, run on the real core. Imports torch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.claims.checks import Check, Finding
from labs.contract import DEFAULT_MODEL
from labs.q01_loss_mask.claims import given
from labs.tools.models import TINY
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind

ROW = 12


def prefix_predicts() -> dict[str, bool]:
    """Edit the first id and then the last: do all later logits move, and any earlier ones?"""
    model = _tiny()
    ids = torch.arange(20, 20 + ROW)[None]
    plain = _logits(model, ids)
    first = (_logits(model, _edited(ids, 0)) - plain).abs().amax(-1)[0]
    last = (_logits(model, _edited(ids, ROW - 1)) - plain).abs().amax(-1)[0]
    return {"later_changed": bool((first > 1e-6).all()), "earlier_changed": bool((last[:-1] > 1e-6).any())}


def ignore_index() -> Finding:
    """Masked mean against cross_entropy with ignore_index on the same random logits."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(24, 50, generator=random)
    labels = torch.randint(50, (24,), generator=random)
    mask = torch.rand(24, generator=random) > 0.4
    losses = F.cross_entropy(logits, labels, reduction="none")
    masked = float((losses * mask).sum() / mask.sum())
    ignored = float(F.cross_entropy(logits, labels.masked_fill(~mask, -100)))
    return Finding(math.isclose(masked, ignored, rel_tol=1e-6), {"masked": masked, "ignore_index": ignored})


def padding_and_attention() -> dict[str, str]:
    """Do the logits of real tokens depend on the filler, with padding on the right and on the left?"""
    model = load_model(DEFAULT_MODEL).model
    text = torch.arange(100, 100 + ROW)
    seen = {}
    for side in ("right", "left"):
        fillers = [torch.full((5,), filler) for filler in (0, 77)]
        rows = [torch.cat([text, pad] if side == "right" else [pad, text])[None] for pad in fillers]
        real = slice(0, ROW) if side == "right" else slice(5, None)
        one, other = (_logits(model, row)[0, real] for row in rows)
        seen[side] = "changed" if (one - other).abs().max() > 1e-4 else "unchanged"
    return seen


def before_training() -> Finding:
    """Loss of a fresh model on a short text in a long row of padding, with and without the mask."""
    torch.manual_seed(0)
    model = MiniMind(ModelConfig()).eval()
    ids = torch.zeros(1, 256, dtype=torch.int64)
    ids[0, : given("text_tokens")] = torch.randint(3, model.config.vocab_size, (given("text_tokens"),))
    losses = F.cross_entropy(_logits(model, ids)[0, :-1], ids[0, 1:], reduction="none")
    masked, everything = float(losses[: given("text_tokens") - 1].mean()), float(losses.mean())
    uniform = math.log(model.config.vocab_size)
    return Finding(
        abs(masked - uniform) < 0.5 and everything < masked - 0.2,
        {"masked": masked, "unmasked": everything, "uniform": uniform},
    )


def _tiny() -> MiniMind:
    torch.manual_seed(0)
    return MiniMind(TINY).eval()


def _edited(ids: Tensor, place: int) -> Tensor:
    ids = ids.clone()
    ids[0, place] += 100
    return ids


@torch.no_grad()
def _logits(model: MiniMind, ids: Tensor) -> Tensor:
    return model(ids, torch.arange(ids.shape[1])[None])


CHECKS: dict[str, Check] = {
    "Q1-C5": prefix_predicts,
    "Q1-C8": ignore_index,
    "Q1-C12": padding_and_attention,
    "Q1-C14": before_training,
}
