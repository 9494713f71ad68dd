"""What padding costs and packing gives back: useful targets, and what packed texts see of each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from labs.q01_loss_mask.rows import count_targets
from labs.q01_loss_mask.sentences import SENTENCES
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

LENGTHS = (32, 64, 128, 256, 512, 1024)
WAYS: dict[str, tuple[Role, str]] = {
    "padding": ("said", "circle"),
    "dynamic": ("peer", "square"),
    "packing": ("measured", "diamond"),
}
"""Padding to the row's length, to the longest text of each batch, or several texts a row."""
TEXTS_IN_A_ROW = 8
MASK_REMOVES_ALL = 100.0
"""What the sentence "the mask takes care of padding" would make of the useful share."""


@dataclass(frozen=True)
class PackingParams(Params):
    """All lengths are counted; `max_length` is the one that the sentence speaks of."""

    max_length: int = choice(512, LENGTHS, view=True, primary=True)
    batch_size: int = whole(16, 2, 128, primary=True)
    texts: int = whole(600, 50, 2000)
    seed: int = seed()


class PackingView(TypedDict):
    """At the chosen length, in percent of all targets."""

    max_length: int
    formula: float
    padding: float
    dynamic: float
    packing: float


class PackingResult(TypedDict):
    """Useful targets in percent by way and length; mean losses in nats by place of a text in its row."""

    useful: dict[str, dict[str, float]]
    lengths: NDArray[np.int32]
    apart: list[float]
    kept_apart: list[float]
    """Packed, with positions that restart and a mask inside each text."""
    joined: list[float]
    """Packed without either."""
    difference: float
    """The largest of a token's loss between `apart` and `kept_apart`."""
    mask_alone: float
    """The same where only the mask is there and positions run on."""
    view: NotRequired[PackingView]


class Packing(Experiment[PackingParams, PackingResult]):
    """Useful targets by the length of a row, and the model's losses on texts that share a row."""

    def seconds(self, params: PackingParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.0, cuda=1.0).on(device) + 1e-3 * params.texts

    def measure(self, params: PackingParams, ctx: Context) -> PackingResult:
        """Counts on paragraphs of real text; then reads sentences apart, packed, and packed carelessly."""
        ctx.progress(0.0, "reading")
        loaded = ctx.model()
        encoded = loaded.tokenizer.encode_batch(paragraphs(params.texts, params.seed))
        lengths = [len(ids) + 2 for ids in encoded]  # with BOS and EOS
        useful: dict[str, dict[str, float]] = {way: {} for way in WAYS}
        for index, length in enumerate(LENGTHS):
            ctx.progress(0.1 + 0.4 * index / len(LENGTHS), "packing", length=length)
            for way, percent in useful_percent(lengths, length, params.batch_size).items():
                useful[way][str(length)] = percent
        ctx.progress(0.6, "reading_packed")
        losses = _losses(loaded, ctx)
        return {
            "useful": useful,
            "lengths": np.array(lengths, np.int32),
            "apart": _by_place(losses["apart"]),
            "kept_apart": _by_place(losses["kept_apart"]),
            "joined": _by_place(losses["joined"]),
            "difference": _difference(losses["apart"], losses["kept_apart"]),
            "mask_alone": _difference(losses["apart"], losses["mask_alone"]),
        }

    def view(self, params: PackingParams, result: PackingResult) -> PackingView:
        """The shares at one length, and the formula's: (mean n − 1) over (T − 1)."""
        length = params.max_length
        mean = float(np.minimum(result["lengths"], length).mean())
        shares = {way: result["useful"][way][str(length)] for way in WAYS}
        return {
            "max_length": length,
            "formula": 100 * (mean - 1) / (length - 1),
            "padding": shares["padding"],
            "dynamic": shares["dynamic"],
            "packing": shares["packing"],
        }

    def show(self, result: PackingResult, text: Words) -> Shown:
        """`useful` against the row's length, and `losses` by the place of a text in its row."""
        view = result["view"]
        rows: list[Row] = [
            {
                text("max_length"): length,
                **{f"{text(f'way.{way}')} (%)": result["useful"][way][str(length)] for way in WAYS},
            }
            for length in LENGTHS
        ]
        worse = float(np.mean(result["joined"][1:]) - np.mean(result["apart"][1:]))
        return Shown(
            {"useful": _useful(result, text), "losses": _places(result, text)},
            rows=rows,
            notes=[
                text("packing.sentence", length=view["max_length"]),
                text("packing.gain", times=view["packing"] / view["padding"], length=view["max_length"]),
                text("packing.apart", difference=small_number(result["difference"]), worse=worse),
                text("packing.mask_alone", difference=small_number(result["mask_alone"])),
            ],
            numbers={f"{text(f'way.{way}')} (%)": view[way] for way in ("padding", "dynamic", "packing")},
            sentence={
                "said": MASK_REMOVES_ALL,
                "formula": view["formula"],
                "measured": view["padding"],
                "unit": "%",
            },
        )


def useful_percent(lengths: Sequence[int], length: int, batch_size: int) -> dict[str, float]:
    """Targets that bear loss in percent of those computed, by way; texts are cut at `length` ids in each."""
    cut = [min(one, length) for one in lengths]
    targets = count_targets(cut)
    batches = [cut[start : start + batch_size] for start in range(0, len(cut), batch_size)]
    computed = {
        "padding": len(cut) * (length - 1),
        "dynamic": sum(len(batch) * (max(batch) - 1) for batch in batches),
        "packing": len(first_fit(cut, length)) * (length - 1),
    }
    return {way: 100 * targets / positions for way, positions in computed.items()}


def first_fit(lengths: Sequence[int], length: int) -> list[list[int]]:
    """Rows of texts by index: each text, the longest first, goes into the first row that has room for it.

    >>> first_fit([5, 3, 4, 4], 8)
    [[0, 1], [2, 3]]
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        row = next((row for row, left in enumerate(room) if left >= lengths[index]), None)
        if row is None:
            rows.append([index])
            room.append(length - lengths[index])
        else:
            rows[row].append(index)
            room[row] -= lengths[index]
    return rows


def paragraphs(count: int, seed: int) -> list[str]:
    """So many paragraphs of Python's help and of our own answers, in an order that `seed` decides."""
    from labs.tools import heldout

    found = [
        part
        for kind in ("english", "chinese")
        for one in heldout.held_out(kind)
        for part in one.split("\n\n")
    ]
    found = [part for part in found if len(part) > 20]
    return random.Random(seed).sample(found, min(count, len(found)))


def _losses(loaded: LoadedModel, ctx: Context) -> dict[str, list[NDArray[np.float32]]]:
    """Losses of each text's own targets by way, in the order of the texts; TEXTS_IN_A_ROW share a row."""
    import torch

    from labs.tools.token_losses import token_losses
    from minimind_core.training.packing import document_mask

    config, in_rows = loaded.config, [*SENTENCES[::2], *SENTENCES[1::2]]  # one language a row
    texts = [[config.bos_id, *ids, config.eos_id] for ids in loaded.tokenizer.encode_batch(in_rows)]
    found: dict[str, list[NDArray[np.float32]]] = {
        way: [] for way in ("apart", "kept_apart", "mask_alone", "joined")
    }
    for start in range(0, len(texts), TEXTS_IN_A_ROW):
        ctx.check_cancelled()
        group = texts[start : start + TEXTS_IN_A_ROW]
        for ids in group:
            found["apart"].append(token_losses(loaded.model, torch.tensor([ids]), ctx.check_cancelled)[0])
        row = torch.tensor([[index for ids in group for index in ids]])  # [1, T + 1]
        owners = torch.tensor([[text for text, ids in enumerate(group) for _ in ids]], device=ctx.device)
        places = torch.tensor([[place for ids in group for place in range(len(ids))]], device=ctx.device)
        ways = {
            "kept_apart": {
                "positions": places[:, :-1],
                "slots": torch.arange(row.shape[1] - 1, device=ctx.device),
                "mask": document_mask(owners[:, :-1]),
            },
            "mask_alone": {"mask": document_mask(owners[:, :-1])},
            "joined": {},
        }
        for way, inputs in ways.items():
            losses = token_losses(loaded.model, row, ctx.check_cancelled, **inputs)[0]  # [T]
            ends = np.cumsum([len(ids) for ids in group])
            found[way] += [losses[end - len(ids) : end - 1] for end, ids in zip(ends, group, strict=True)]
    return found


def _difference(one: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> float:
    """The largest between two losses of the same token, in nats."""
    return float(np.abs(np.concatenate(one) - np.concatenate(other)).max())


def _by_place(losses: Sequence[NDArray[np.float32]]) -> list[float]:
    """Mean loss of the first texts of all rows, of the second ones, and so on."""
    return [float(np.concatenate(losses[place::TEXTS_IN_A_ROW]).mean()) for place in range(TEXTS_IN_A_ROW)]


def _useful(result: PackingResult, text: Words) -> Figure:
    figure, ends = Figure(), []
    for way, (role, symbol) in WAYS.items():
        shares = list(result["useful"][way].values())
        figure.line(LENGTHS, shares, role, text(f"way.{way}"), hover="%{x}: %{y:.1f}%", symbol=symbol, size=8)
        ends.append((float(LENGTHS[-1]), shares[-1], text(f"way.{way}")))
    chosen = result["view"]["max_length"]
    figure.line([chosen] * 2, [0, 105], "formula", showlegend=False, width=1)
    figure.x_axis(
        text("max_length"), log=True, ticks={n: str(n) for n in LENGTHS}, span=(np.log10(28), np.log10(4000))
    )
    figure.y_axis(text("axis.useful"), span=(0, 105), ticksuffix="%")
    for x, y, name in ends:
        figure.note(float(np.log10(x)), y, name, showarrow=False, xanchor="left", xshift=10)
    figure.layout["showlegend"] = False
    return figure


def _places(result: PackingResult, text: Words) -> Figure:
    figure, places = Figure(height=300), list(range(1, TEXTS_IN_A_ROW + 1))
    lines: tuple[tuple[list[float], Role, str, str], ...] = (
        (result["joined"], "said", "x", text("joined")),
        (result["apart"], "formula", "circle-open", text("apart")),
        (result["kept_apart"], "measured", "diamond", text("kept_apart")),
    )
    for losses, role, symbol, name in lines:
        size = 14 if symbol == "circle-open" else 7
        figure.line(places, losses, role, name, hover="%{x}: %{y:.3f}", symbol=symbol, size=size)
    figure.x_axis(text("axis.text_in_row"), tickvals=places)
    figure.y_axis(text("axis.mean_loss"), from_zero=True)
    return figure
