"""One token of a text is changed: which losses move, and why one more than the prefixes that hold it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, text, whole
from labs.contract.drawing import Figure, Role
from labs.q01_loss_mask.pieces import drawn, piece
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number
from minimind_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind
    from minimind_core.tokenizer import Tokenizer

MOST_TOKENS = 24
"""BOS and EOS included: every one of them is changed once."""
SENTENCES = {"zh": "我今天没有时间，明天再去看你。", "en": "It is very good to go to the park with you."}
REPLACEMENTS = {"zh": "有", "en": "not"}
"""Put at place 3 it turns the meaning around."""
LARGEST_CHANGE = 4.0
"""Nats at which a cell is darkest, the same in every run."""


@dataclass(frozen=True)
class EditParams(Params):
    """`place` counts from BOS, which is 0; every place is measured, so that choosing one is instant."""

    sentence: str = text(SENTENCES["zh"], openings=SENTENCES, max_length=400, primary=True)
    instead: str = text(REPLACEMENTS["zh"], openings=REPLACEMENTS, max_length=40, primary=True)
    place: int = whole(3, 0, MOST_TOKENS - 1, view=True, primary=True)


class EditView(TypedDict):
    """The edit at one place: losses [T - 1] after it, and how many of them are not what they were.

    `bigram` is how many would not be if `X[i]` alone predicted `Y[i]`.
    """

    place: int
    instead: str
    losses: list[float]
    moved: int
    formula: int
    bigram: int


class EditResult(TypedDict):
    """A row of T ids between BOS and EOS, T - 1 pairs; losses in nats.

    `edited` [T, T - 1] has a row for each place that was changed, `instead` what stood there.
    """

    pieces: list[str]
    instead: list[str]
    losses: NDArray[np.float32]
    edited: NDArray[np.float32]
    logit_change_before: float
    """The largest of a logit at a place before the changed one, over all edits."""
    view: NotRequired[EditView]


class Edit(Experiment[EditParams, EditResult]):
    """The losses of a text before and after one of its tokens is another, for each of its tokens."""

    def seconds(self, params: EditParams, device: DeviceClass) -> float:
        """A forward for each place, of a row as short as the text."""
        tokens = min(2 + len(params.sentence), MOST_TOKENS)
        return 0.5 + tokens * PerDevice(cpu=0.04, cuda=0.01).on(device)

    def measure(self, params: EditParams, ctx: Context) -> EditResult:
        """Rows are read one by one: equal inputs then give bit for bit equal losses."""
        import torch

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = _ids(params.sentence, loaded)
        losses, logits = _read(loaded.model, ids, ctx.device)
        on_progress = ctx.part(0.1, 1.0, "editing")
        edited, instead, before = [], [], 0.0
        for place in range(len(ids)):
            on_progress(place / len(ids))
            other = _replacement(loaded.tokenizer, params.instead, ids[place])
            row, row_logits = _read(loaded.model, [*ids[:place], other, *ids[place + 1 :]], ctx.device)
            edited.append(row)
            instead.append(piece(loaded.tokenizer, other))
            if place:
                before = max(before, float((row_logits[:place] - logits[:place]).abs().max()))
        return {
            "pieces": [piece(loaded.tokenizer, token) for token in ids],
            "instead": instead,
            "losses": losses.numpy(),
            "edited": torch.stack(edited).numpy(),
            "logit_change_before": before,
        }

    def view(self, params: EditParams, result: EditResult) -> EditView:
        """The chosen place; one past the end is the last."""
        pairs = len(result["losses"])
        place = min(params.place, pairs)
        after = result["edited"][place]
        return {
            "place": place,
            "instead": result["instead"][place],
            "losses": after.tolist(),
            "moved": int((after != result["losses"]).sum()),
            "formula": count_moved(place, pairs + 1),
            "bigram": count_moved_pairs(place, pairs + 1),
        }

    def show(self, result: EditResult, text: Words) -> Shown:
        """`losses`: before and after the chosen edit; `all`: what every edit changes, a row an edit."""
        view = result["view"]
        rows: list[Row] = [
            {
                "t": pair,
                "X": result["pieces"][pair],
                "Y": result["pieces"][pair + 1],
                text("edit.before"): float(before),
                text("edit.after"): float(after),
            }
            for pair, (before, after) in enumerate(zip(result["losses"], view["losses"], strict=True))
        ]
        return Shown(
            {"losses": _losses(result, view, text), "all": _all(result, text)},
            rows=rows,
            notes=_notes(result, text),
            numbers={text("edit.moved"): view["moved"]},
            sentence={
                "said": view["bigram"],
                "formula": view["formula"],
                "measured": view["moved"],
                "unit": text("unit.losses"),
            },
        )


def count_moved(place: int, length: int) -> int:
    """Losses of a row of so many ids that move when the one at `place` changes.

    Its own as a target, and that of every pair whose prefix holds it; BOS is nobody's target.

    >>> [count_moved(place, 5) for place in range(5)]
    [4, 4, 3, 2, 1]
    """
    return min(length - 1, length - place)


def count_moved_pairs(place: int, length: int) -> int:
    """The same if `X[i]` alone predicted `Y[i]`: the pair whose Y it is, and the one whose X it is.

    >>> [count_moved_pairs(place, 5) for place in range(5)]
    [1, 2, 2, 2, 1]
    """
    return int(place > 0) + int(place < length - 1)


def _notes(result: EditResult, text: Words) -> list[str]:
    """BOS is nobody's target and EOS stands in no prefix, so other words hold for them."""
    view, pairs = result["view"], len(result["losses"])
    place = view["place"]
    change = "earlier" if view["formula"] < pairs else "later"
    end = "first" if place == 0 else "last" if place == pairs else "shift"
    return [
        text(
            "edit.sentence",
            start=max(place - 1, 0),
            token=result["pieces"][place],
            instead=view["instead"],
            change=text(f"edit.{change}"),
        ),
        text(f"edit.{end}", change=small_number(result["logit_change_before"])),
    ]


def _ids(text: str, loaded: LoadedModel) -> list[int]:
    """The text between BOS and EOS. Raises ConfigError for none and for too many tokens."""
    own = loaded.tokenizer.encode(text)
    if not own:
        raise ConfigError("Write a text of at least one token.", key="q01.edit_empty")
    if len(own) + 2 > MOST_TOKENS:
        sentence = f"The text has {len(own)} tokens; the most here is {MOST_TOKENS - 2}."
        raise ConfigError(sentence, key="q01.edit_long", given=len(own), most=MOST_TOKENS - 2)
    return [loaded.config.bos_id, *own, loaded.config.eos_id]


def _replacement(tokenizer: Tokenizer, written: str, old: int) -> int:
    """The first token of what was typed, with a space before it where the old one has one.

    The id after it where that is the old token itself. Raises ConfigError where nothing was typed.
    """
    space = " " if tokenizer.token_text(old).startswith(" ") else ""
    found = tokenizer.encode(space + written.strip())
    if not written.strip() or not found:
        raise ConfigError("Write what stands in place of the token.", key="q01.edit_instead")
    return found[0] if found[0] != old else found[0] + 1


def _read(model: MiniMind, row: Sequence[int], device: str) -> tuple[Tensor, Tensor]:
    """Losses [T - 1] and logits [T - 1, V] of one row of T ids."""
    import torch
    import torch.nn.functional as F

    ids = torch.tensor([row], device=device)  # [1, T]
    with torch.inference_mode():
        logits = model(ids[:, :-1])[0].float()  # [T - 1, V]
        return F.cross_entropy(logits, ids[0, 1:], reduction="none").cpu(), logits.cpu()


def _pairs(result: EditResult) -> list[str]:
    """Each pair as a tick, with its place, since pieces repeat."""
    pieces = [drawn(one) for one in result["pieces"]]
    return [f"{place}: {x} → {y}" for place, (x, y) in enumerate(itertools.pairwise(pieces))]


def _losses(result: EditResult, view: EditView, text: Words) -> Figure:
    """A bar a pair before the edit and after it; what did not move has equal bars."""
    names, place = _pairs(result), view["place"]
    figure = Figure(height=130 + 26 * len(names), barmode="group")
    marked = [f"<b>{name}</b>" if place - 1 <= pair <= place else name for pair, name in enumerate(names)]
    both: tuple[tuple[list[float], Role, str], ...] = (
        (result["losses"].tolist(), "peer", text("edit.before")),
        (view["losses"], "measured", text("edit.after")),
    )
    for losses, role, label in both:
        figure.bars(losses, marked, role, label, horizontal=True, hover="%{y}: %{x:.3f}")
    highest = float(max(result["losses"].max(), result["edited"].max()))
    figure.x_axis(text("axis.loss"), span=(0, 1.05 * highest))
    figure.y_axis(category=True, reverse=True)
    return figure


def _all(result: EditResult, text: Words) -> Figure:
    """How far each edit moves each loss; a hole where it is bit for bit what it was."""
    changes = np.abs(result["edited"] - result["losses"])  # [T, T - 1]
    cells = [[float(change) if change else None for change in row] for row in changes]
    labels = [f"{place}: {drawn(one)}" for place, one in enumerate(result["pieces"])]
    figure = Figure(height=150 + 24 * len(labels))
    ticks = [str(pair) for pair in range(changes.shape[1])]
    figure.heat(
        cells, ticks, labels, "measured", hover="%{y}, t = %{x}: %{z:.3g}", zmin=0, zmax=LARGEST_CHANGE
    )
    figure.x_axis(text("axis.place"), category=True, showgrid=False, side="top")
    figure.y_axis(category=True, reverse=True, showgrid=False)
    return figure
