"""Trainings of a language model side by side: a big batch, accumulation with the division and without it.

A fourth one has the division and A times the learning rate, which is what the missing division is said to
amount to. All start from the same weights and read the same text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, ThreeNumbers, Words
from labs.contract.drawing import Figure
from labs.contract.fields import choice, whole
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number
from minimind_core.model.config import PRESETS

ARMS: dict[str, dict[str, Any]] = {
    "big": {"role": "peer", "width": 6},
    "scaled": {"role": "said", "symbol": "x", "size": 7},
    "divided": {"role": "measured", "width": 2},
    "undivided": {"role": "measured", "symbol": "square", "size": 7},
}
"""How each is drawn: the divided one lies on the broad grey of the big batch."""
CLIPS: dict[str, float | None] = {"off": None, "1.0": 1.0, "0.1": 0.1}
LAST_UPDATES = 5
"""Updates at the end that the losses are averaged over."""
DOCUMENTS = PerDevice[int | None](cpu=4, cuda=None)
"""Of the training text; None for all."""


class Size(NamedTuple):
    """Rows of a micro-batch and their tokens, and seconds of an update of one arm for each micro-batch."""

    rows: int
    length: int
    seconds: float


SIZES = {
    "nano-rope": PerDevice(cpu=Size(1, 64, 0.016), cuda=Size(4, 256, 0.02)),
    "minimind-26m": PerDevice(cpu=Size(1, 32, 0.14), cuda=Size(4, 512, 0.03)),
}


@dataclass(frozen=True)
class DuelParams(Params):
    """What all have in common."""

    optimizer: str = choice("adamw", ("sgd", "adamw"), primary=True)
    clip: str = choice("off", tuple(CLIPS), primary=True)
    updates: int = whole(30, 5, 200, primary=True)
    learning_rate: float = choice(3e-3, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0))
    steps: int = whole(8, 1, 16, low_sentence="Accumulation steps must be at least 1.")
    size: str = choice("nano-rope", tuple(SIZES))
    seed: int = whole(0, 0, 2**31 - 1)


class Curves(TypedDict):
    """Losses and norms of the gradient before the clip, by arm; an arm that has diverged is shorter."""

    updates: int
    steps: int
    optimizer: str
    clip: str
    losses: dict[str, NDArray[np.float32]]
    norms: dict[str, NDArray[np.float32]]


class DuelResult(Curves, total=False):
    """At the end also by arm the mean of the last losses, None where it diverged, and at which update.

    `norm_ratio` is the first gradient's norm without the division over that with it; `weights_apart` the
    largest difference of a weight, big batch to divided.
    """

    final_loss: dict[str, float | None]
    diverged: dict[str, int | None]
    norm_ratio: float
    weights_apart: float | None
    tokens: int
    parameters: int


class Duel(Experiment[DuelParams, DuelResult]):
    """Four trainings, update by update together."""

    id = "q09/duel"
    keep = False

    def seconds(self, params: DuelParams, device: DeviceClass) -> float:
        one = SIZES[params.size].on(device).seconds * params.steps
        return 3.0 + params.updates * len(ARMS) * one

    def measure(self, params: DuelParams, ctx: Context) -> DuelResult:
        import torch

        from labs.q09_accumulation.arms import Arm, apart
        from labs.tools import heldout
        from labs.tools.models import untrained

        ctx.progress(0.0, "reading")
        size, loaded = SIZES[params.size].on(ctx.device), ctx.model(params.size)
        a_window, texts = params.steps * size.rows, heldout.training()[: DOCUMENTS.on(ctx.device)]
        rows = heldout.windows(
            loaded.tokenizer, texts, a_window * params.updates, size.length, params.seed, ctx.check_cancelled
        )
        start = untrained(PRESETS[params.size], ctx.device, params.seed)
        arms = {
            name: Arm(
                start,
                params.optimizer,
                params.learning_rate * (params.steps if name == "scaled" else 1),
                micro_batches=name in ("divided", "undivided"),
                divide=name != "undivided",
                clip=CLIPS[params.clip],
            )
            for name in ARMS
        }
        pieces = []
        for update in range(params.updates):
            places = torch.arange(update * a_window, (update + 1) * a_window) % len(rows)
            window = (
                rows[places].view(params.steps, size.rows, -1).to(ctx.device)
            )  # [A * b, T + 1] -> [A, b, T + 1]
            piece: dict[str, tuple[float, float] | None] = {}
            for index, (name, arm) in enumerate(arms.items()):
                ctx.progress((update + index / len(arms)) / params.updates, "arms", update=update + 1)
                piece[name] = arm.update(window, ctx.check_cancelled)
            pieces.append(piece)
            ctx.emit(piece)
        curves = self.so_far(params, pieces)
        return {
            **curves,
            "final_loss": {
                name: None if arm.diverged else float(curves["losses"][name][-LAST_UPDATES:].mean())
                for name, arm in arms.items()
            },
            "diverged": {name: arm.diverged for name, arm in arms.items()},
            "norm_ratio": float(curves["norms"]["undivided"][0] / curves["norms"]["divided"][0]),
            "weights_apart": apart(arms["big"], arms["divided"]),
            "tokens": a_window * size.length,
            "parameters": sum(parameter.numel() for parameter in start.parameters()),
        }

    def so_far(self, params: DuelParams, partials: Partials) -> DuelResult:
        def column(name: str, place: int) -> NDArray[np.float32]:
            known = [piece[name][place] for piece in partials if piece[name] is not None]
            return np.array(known, np.float32)

        return {
            "updates": params.updates,
            "steps": params.steps,
            "optimizer": params.optimizer,
            "clip": params.clip,
            "losses": {name: column(name, 0) for name in ARMS},
            "norms": {name: column(name, 1) for name in ARMS},
        }

    def show(self, result: DuelResult, text: Words) -> Shown:
        """`loss` and `norm`: every arm's, by update."""
        figures = {"loss": _losses(result, text), "norm": _norms(result, text)}
        if "final_loss" not in result:
            return Shown(figures)
        final, diverged = result["final_loss"], result["diverged"]
        names = {name: text(f"duel_arm.{name}", steps=result["steps"]) for name in ARMS}
        rows: list[Row] = [
            {
                text("training"): names[name],
                text("axis.last_loss"): "–" if loss is None else round(loss, 4),
                text("diverged_at"): diverged[name] or "–",
                text("axis.first_norm"): round(float(result["norms"][name][0]), 4),
            }
            for name, loss in final.items()
        ]
        notes = [text("duel.size", tokens=result["tokens"], parameters=result["parameters"])]
        sentence = _sentence(final, result["optimizer"], result["clip"])
        if sentence is not None:
            notes.insert(0, text("duel.sentence", optimizer=text(f"optimizer.{result['optimizer']}")))
        notes.append(text("note.norms", ratio=result["norm_ratio"]))
        notes += [
            text("note.diverged", arm=names[name], update=update)
            for name, update in diverged.items()
            if update is not None
        ]
        if result["weights_apart"] is not None:
            notes.append(text("note.same_run", difference=small_number(result["weights_apart"])))
        numbers = {
            f"{names[name]}, {text('axis.last_loss')}": loss
            for name, loss in final.items()
            if loss is not None
        }
        return Shown(figures, rows, [*notes, text("duel.change")], numbers, sentence)


def _sentence(final: Mapping[str, float | None], optimizer: str, clip: str) -> ThreeNumbers | None:
    """The last loss without the division: that of A times the rate, it is said. SGD's is, AdamW's is that of
    the divided arm. What a clip makes of it no formula knows."""
    said, measured = final["scaled"], final["undivided"]
    formula = final["scaled" if optimizer == "sgd" else "divided"]
    if clip != "off" or said is None or formula is None or measured is None:
        return None
    return {"said": said, "formula": formula, "measured": measured, "unit": "nats"}


def _losses(result: DuelResult, text: Words) -> Figure:
    figure, ends = Figure(height=400), []
    values = [float(loss) for losses in result["losses"].values() for loss in losses if math.isfinite(loss)]
    low, high = (min(values) - 0.2, min(max(values), 12.0) + 0.2) if values else (0.0, 10.0)
    for name, look in ARMS.items():
        losses = np.clip(result["losses"][name], None, high)
        label = text(f"duel_arm.{name}", steps=result["steps"])
        figure.line(_places(losses), losses, name=label, hover="%{x}: %{y:.3f}", **look)
        if len(losses):
            ends.append(
                (float(len(losses)), float(losses[-1]), text(f"short_arm.{name}", steps=result["steps"]))
            )
    figure.x_axis(text("axis.update_number"), span=(0, result["updates"] * 1.22))
    figure.y_axis(text("axis.nats"), span=(low, high))
    figure.name_ends(ends, low, high, log=False)
    return figure


def _norms(result: DuelResult, text: Words) -> Figure:
    figure = Figure(height=280)
    for name, look in ARMS.items():
        label = text(f"duel_arm.{name}", steps=result["steps"])
        norms = result["norms"][name]
        figure.line(_places(norms), norms, name=label, hover="%{x}: %{y:.3g}", **look, showlegend=False)
    figure.x_axis(text("axis.update_number"), span=(0, result["updates"] * 1.22))
    figure.y_axis(text("axis.norm"), log=True)
    return figure


def _places(values: Sequence[float] | NDArray[np.float32]) -> NDArray[np.int64]:
    return np.arange(1, len(values) + 1)
