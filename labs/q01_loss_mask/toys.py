"""The five toy models that differ in one rule of padding, and how each of them sees a sentence.

Imports torch in its functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.q01_loss_mask.rows import Framing, Rows, Rule, make_rows, mask_of
from labs.q01_loss_mask.sentences import SENTENCES

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind

LENGTH = 64
"""Ids of a row, as the toys were trained."""


@dataclass(frozen=True)
class Toy:
    """The rule that a toy model was trained by."""

    specials: bool = True
    masked: bool = True
    pad_is_eos: bool = False

    @property
    def rule(self) -> Rule:
        """Which targets it was trained on."""
        return "none" if not self.masked else "by_id" if self.pad_is_eos else "y"


TOYS = {
    "toy-masked": Toy(),
    "toy-unmasked": Toy(masked=False),
    "toy-pad-is-eos": Toy(pad_is_eos=True),
    "toy-no-eos": Toy(specials=False),
    "toy-no-eos-unmasked": Toy(specials=False, masked=False),
}
WITH_EOS = tuple(name for name, toy in TOYS.items() if toy.specials)


class Scores(TypedDict):
    """Losses are means in nats; probabilities are means over the sentences, at the end of each."""

    text_loss: float
    """Over the text's own tokens, without EOS: the same targets for all of these models."""
    reported_loss: float
    """Over the targets of the model's own rule: what its training would print."""
    text_percent: float
    """Of the targets of its own rule, those that are tokens of the text."""
    eos_after_text: float
    pad_after_text: float
    pad_after_eos: float


def framing(toy: Toy, loaded: LoadedModel) -> Framing:
    """How the toy's rows were made."""
    config = loaded.config
    return Framing(
        LENGTH,
        config.eos_id if toy.pad_is_eos else config.pad_id,
        config.bos_id if toy.specials else None,
        config.eos_id if toy.specials else None,
    )


def sentence_rows(toy: Toy, loaded: LoadedModel, sentences: Sequence[str] = SENTENCES) -> Rows:
    """The sentences as rows of LENGTH ids."""
    return make_rows(loaded.tokenizer.encode_batch(sentences), framing(toy, loaded))


def score(model: MiniMind, toy: Toy, loaded: LoadedModel) -> Scores:
    """The sentences read once by `model`, which has the tokenizer of `loaded`, in the way of `toy`."""
    import torch
    import torch.nn.functional as F

    rows = sentence_rows(toy, loaded)
    frames = framing(toy, loaded)
    device = model.device
    ids = torch.tensor(rows.ids, dtype=torch.int64, device=device)  # [N, T]
    with torch.inference_mode():
        logits = model(ids).float()  # [N, T, V]
    targets = ids[:, 1:]  # [N, T - 1]
    losses = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), reduction="none")
    losses = losses.view_as(targets).cpu()
    real = torch.tensor(rows.real)
    last = real.sum(1) - 1 - int(toy.specials)  # of the text, EOS aside: [N]
    text = torch.arange(1, LENGTH)[None] <= last[:, None]  # [N, T - 1]
    own = torch.tensor(mask_of(toy.rule, rows, frames.pad_id))
    each = torch.arange(len(ids))
    at_end = logits[each, last].softmax(-1).mean(0)  # [V]
    after = logits[each, last + 1].softmax(-1).mean(0)
    config = loaded.config
    return {
        "text_loss": float(losses[text].mean()),
        "reported_loss": float(losses[own].mean()),
        "text_percent": 100 * float((text & own).sum() / own.sum()),
        "eos_after_text": float(at_end[config.eos_id]),
        "pad_after_text": float(at_end[config.pad_id]),
        "pad_after_eos": float(after[config.pad_id]),
    }
