"""Trainings of a language model side by side: a big batch, accumulation with the division and without it.

A fourth one has the division and A times the learning rate, which is what the missing division is said to
amount to. All start from the same weights and read the same text. Before the first update the gradients that
they are about to use are compared whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, ThreeNumbers, Words
from labs.contract.fields import choice, whole
from labs.q09_accumulation import duel_figures
from labs.q09_accumulation.against import AgainstBigBatch, against
from labs.q09_accumulation.duel_figures import ARMS, Curves, names_of
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q09_accumulation.arms import Arm
    from minimind_core.model.minimind import MiniMind

CLIPS: dict[str, float | None] = {"off": None, "1.0": 1.0, "0.1": 0.1}
STARTS = ("fresh", "shipped")
ACCUMULATED = ("divided", "undivided")
ROUNDING = 1e-3
"""A larger difference of a weight is rounding that training has amplified."""
LAST_UPDATES = 5
"""Updates at the end that the losses are averaged over."""
DOCUMENTS = PerDevice[int | None](cpu=4, cuda=None)
"""Of the training text; None for all."""


class Size(NamedTuple):
    """Rows of a micro-batch and their tokens, seconds of an update of one arm for each micro-batch, and
    the updates that suit the device."""

    rows: int
    length: int
    seconds: float
    updates: int


SIZES = {
    "nano-rope": PerDevice(cpu=Size(1, 64, 0.016, 30), cuda=Size(4, 256, 0.02, 30)),
    "minimind-26m": PerDevice(cpu=Size(1, 32, 0.14, 6), cuda=Size(4, 512, 0.03, 50)),
}


@dataclass(frozen=True)
class DuelParams(Params):
    """What all have in common."""

    optimizer: str = choice("adamw", ("sgd", "momentum", "adamw"), primary=True)
    clip: str = choice("off", tuple(CLIPS), primary=True)
    size: str = choice("nano-rope", tuple(SIZES), primary=True)
    start: str = choice("fresh", STARTS)
    updates: int = whole(0, 0, 200, label="duel_updates")
    learning_rate: float = choice(3e-3, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0))
    steps: int = whole(8, 1, 16, low_sentence="Accumulation steps must be at least 1.")
    rows: int = whole(0, 0, 16)
    length: int = whole(0, 0, 512)
    seed: int = seed()

    def planned(self, device: str) -> Size:
        """What a run there is made of; a pass takes longer in proportion to its tokens."""
        usual = SIZES[self.size].on(device)
        rows, length = self.rows or usual.rows, self.length or usual.length
        seconds = usual.seconds * max(1.0, rows * length / (usual.rows * usual.length))
        return Size(rows, length, seconds, self.updates or usual.updates)


class DuelResult(Curves, total=False):
    """At the end also by arm the mean of the last losses, None where it diverged, and at which update.

    `first` has the first gradients beside the big batch's; `weights_apart` is the largest difference of a
    weight, big batch to divided.
    """

    final_loss: dict[str, float | None]
    diverged: dict[str, int | None]
    first: dict[str, AgainstBigBatch]
    weights_apart: float | None
    tokens: int
    parameters: int


class Duel(Experiment[DuelParams, DuelResult]):
    """Four trainings, update by update together."""

    version = 2
    keep = False

    def seconds(self, params: DuelParams, device: DeviceClass) -> float:
        planned = params.planned(device)
        return 3.0 + planned.updates * len(ARMS) * planned.seconds * params.steps

    def measure(self, params: DuelParams, ctx: Context) -> DuelResult:
        from labs.q09_accumulation.arms import apart
        from labs.tools import heldout
        from labs.tools.gradients import gradients
        from labs.tools.models import untrained

        ctx.progress(0.0, "reading")
        size, loaded = params.planned(ctx.device), ctx.model(params.size)
        updates, a_window = size.updates, params.steps * size.rows
        texts = heldout.training()[: DOCUMENTS.on(ctx.device)]
        rows = heldout.windows(
            loaded.tokenizer, texts, a_window * updates, size.length, params.seed, ctx.check_cancelled
        )
        fresh = params.start == "fresh"
        start = untrained(loaded.config, ctx.device, params.seed) if fresh else loaded.model
        arms = _arms(start, params)
        pieces, first = [], dict[str, AgainstBigBatch]()
        for update in range(updates):
            window = _window(rows, update, params.steps, size.rows).to(ctx.device)  # [A, b, T + 1]
            losses = {}
            for index, (name, arm) in enumerate(arms.items()):
                ctx.progress((update + index / len(arms)) / updates, "arms", update=update + 1)
                losses[name] = arm.accumulate(window, ctx.check_cancelled)
            if not update:
                big = gradients(arms["big"].model)
                first = {name: against(gradients(arms[name].model), big) for name in ACCUMULATED}
            stepped = {name: arm.step(losses[name]) for name, arm in arms.items()}
            pieces.append({"updates": updates, "arms": stepped})
            ctx.emit(pieces[-1])
        curves = self.so_far(params, pieces)
        return {
            **curves,
            "final_loss": {
                name: None if arm.diverged else float(curves["losses"][name][-LAST_UPDATES:].mean())
                for name, arm in arms.items()
            },
            "diverged": {name: arm.diverged for name, arm in arms.items()},
            "first": first,
            "weights_apart": apart(arms["big"], arms["divided"]),
            "tokens": a_window * size.length,
            "parameters": sum(parameter.numel() for parameter in start.parameters()),
        }

    def so_far(self, params: DuelParams, partials: Partials) -> DuelResult:
        def column(name: str, place: int) -> NDArray[np.float32]:
            known = [piece["arms"][name][place] for piece in partials if piece["arms"][name] is not None]
            return np.array(known, np.float32)

        return {
            "updates": partials[0]["updates"] if partials else params.planned("cpu").updates,
            "steps": params.steps,
            "optimizer": params.optimizer,
            "clip": params.clip,
            "losses": {name: column(name, 0) for name in ARMS},
            "norms": {name: column(name, 1) for name in ARMS},
        }

    def show(self, result: DuelResult, text: Words) -> Shown:
        """`loss` and `norm`: every arm's, by update."""
        limit = CLIPS[result["clip"]]
        figures = {"loss": duel_figures.losses(result, text), "norm": duel_figures.norms(result, limit, text)}
        if "final_loss" not in result:
            return Shown(figures)
        final, names = result["final_loss"], names_of(result, text)
        sentence = _sentence(final, result["optimizer"], result["clip"])
        numbers = {
            f"{names[name]}, {text('axis.last_loss')}": loss
            for name, loss in final.items()
            if loss is not None
        }
        return Shown(figures, _rows(result, text), _notes(result, text), numbers, sentence)


def _arms(start: MiniMind, params: DuelParams) -> dict[str, Arm]:
    """One of each, all from the same weights."""
    from labs.q09_accumulation.arms import Arm

    return {
        name: Arm(
            start,
            params.optimizer,
            params.learning_rate * (params.steps if name == "scaled" else 1),
            micro_batches=name in ACCUMULATED,
            divide=name != "undivided",
            clip=CLIPS[params.clip],
        )
        for name in ARMS
    }


def _window(rows: Tensor, update: int, steps: int, size: int) -> Tensor:
    """The rows of an update, from the beginning again where the text is over: [N, T + 1] -> [A, b, T + 1]."""
    first = update * steps * size
    places = [place % len(rows) for place in range(first, first + steps * size)]
    return rows[places].view(steps, size, -1)


def _rows(result: DuelResult, text: Words) -> list[Row]:
    names = names_of(result, text)
    return [
        {
            text("training"): names[name],
            text("axis.last_loss"): "–" if loss is None else round(loss, 4),
            text("diverged_at"): result["diverged"][name] or "–",
            text("axis.first_norm"): round(float(result["norms"][name][0]), 4),
        }
        for name, loss in result["final_loss"].items()
    ]


def _notes(result: DuelResult, text: Words) -> list[str]:
    names, first = names_of(result, text), result["first"]
    notes = [text("duel.size", tokens=result["tokens"], parameters=result["parameters"])]
    if _sentence(result["final_loss"], result["optimizer"], result["clip"]) is not None:
        notes.insert(0, text("duel.sentence", optimizer=text(f"optimizer.{result['optimizer']}")))
    if (error := first["divided"]["relative_error"]) is not None:
        notes.append(text("note.first_divided", error=small_number(error)))
    if (ratio := first["undivided"]["norm_ratio"]) is not None:
        values = {"ratio": ratio, "cosine": first["undivided"]["cosine"]}
        key = "note.log" if result["steps"] > 1 else "note.one_window"
        notes.append(text("note.first_undivided", **values, log=text(key)))
    notes += [
        text("note.diverged", arm=names[name], update=update)
        for name, update in result["diverged"].items()
        if update is not None
    ]
    if result["weights_apart"] is not None:
        apart = result["weights_apart"]
        grown = text("note.grown") if apart > ROUNDING else ""
        notes.append(text("note.same_run", difference=small_number(apart), grown=grown))
    return [*notes, text("duel.change")]


def _sentence(final: Mapping[str, float | None], optimizer: str, clip: str) -> ThreeNumbers | None:
    """The last loss without the division: that of A times the rate, it is said. SGD's is, with momentum too;
    AdamW's is that of the divided arm. What a clip makes of it no formula knows."""
    said, measured = final["scaled"], final["undivided"]
    formula = final["divided" if optimizer == "adamw" else "scaled"]
    if clip != "off" or said is None or formula is None or measured is None:
        return None
    return {"said": said, "formula": formula, "measured": measured, "unit": "nats"}
