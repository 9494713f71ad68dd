"""Handwritten digits with one big batch (A), with divided (B) and with undivided accumulation (C).

All arms train at ten learning rates at once, a factor of two apart, so that the rate is a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.fields import choice, whole
from labs.q09_accumulation import digit_figures
from labs.tools.sampler import seed
from labs.tools.written import small_number

BATCH, MICRO_BATCHES = 64, 8
RATES = 10
LOWEST_RATE = {"sgd": 0.0125, "momentum": 0.00125, "adamw": 1.25e-4}
SHIFT = 3
"""Steps of the rate that are a factor of MICRO_BATCHES: 2^3."""
ARMS = {"big": (1, True), "divided": (MICRO_BATCHES, True), "undivided": (MICRO_BATCHES, False)}
"""Micro-batches of an arm, and whether the loss is divided by their number."""
SAID_ACCURACY = 10.0
"""Percent, for the run without division: chance."""
EVERY = 5
"""Updates between two pieces of the live plot."""


@dataclass(frozen=True)
class DigitsParams(Params):
    """The learning rate is the lowest one times 2^k."""

    optimizer: str = choice("sgd", tuple(LOWEST_RATE), primary=True)
    rate_step: int = whole(2, 0, RATES - 1 - SHIFT, primary=True, view=True)
    epochs: int = whole(10, 1, 40)
    seed: int = seed()


class Curves(TypedDict):
    """Training loss by arm, float32 [updates, rates]."""

    rates: list[float]
    updates: int
    losses: dict[str, NDArray[np.float32]]


class AtRate(TypedDict):
    """What the arms came to at the chosen rate; `formula` is what the big batch says of the undivided arm,
    `last_loss` that arm's mean loss over the last updates, `alive` the percent of its ReLUs above zero."""

    step: int
    rate: float
    accuracy: dict[str, float]
    formula: float
    last_loss: float | None
    alive: float | None
    diverged: dict[str, int | None]


class DigitsResult(Curves, total=False):
    """Validation accuracy in percent by arm and rate; the largest difference of a weight, big to divided; the
    first update at which the loss was not finite."""

    optimizer: str
    accuracy: dict[str, list[float]]
    weight_difference: list[float | None]
    diverged: dict[str, list[int | None]]
    alive_percent: list[float]
    view: NotRequired[AtRate]


class Digits(Experiment[DigitsParams, DigitsResult]):
    """Three arms on the same batches, at every rate of a sweep."""

    def seconds(self, params: DigitsParams, device: DeviceClass) -> float:
        return 2.0 + params.epochs * 0.6

    def measure(self, params: DigitsParams, ctx: Context) -> DigitsResult:
        import torch

        from labs.q09_accumulation.digit_images import TRAINING, digit_images
        from labs.q09_accumulation.digit_training import RateSweep

        ctx.progress(0.0, "digits")
        images, labels = digit_images()
        x, y = (torch.from_numpy(values).to(ctx.device) for values in (images, labels))
        rates = torch.tensor(rates_of(params.optimizer), device=ctx.device)
        arms = {
            name: RateSweep(rates, params.optimizer, micro_batches=micro, divide=divide, seed=params.seed)
            for name, (micro, divide) in ARMS.items()
        }
        order, updates = torch.Generator().manual_seed(params.seed), params.epochs * (TRAINING // BATCH)
        pieces: list[dict[str, list[list[float]]]] = []
        piece: dict[str, list[list[float]]] = {name: [] for name in ARMS}
        for update in range(updates):
            start = update * BATCH % TRAINING
            if start == 0:
                places = torch.randperm(TRAINING, generator=order).to(ctx.device)
            batch = places[start : start + BATCH]
            for name, arm in arms.items():
                ctx.progress(update / updates, "digit_update", update=update + 1)
                piece[name].append(arm.update(x[batch], y[batch]).tolist())
            if (update + 1) % EVERY == 0 or update + 1 == updates:
                pieces.append(piece)
                ctx.emit(piece)
                piece = {name: [] for name in ARMS}
        curves = self.so_far(params, pieces)
        apart = [
            (a - b).detach().abs().amax((1, 2))
            for a, b in zip(arms["big"].weights, arms["divided"].weights, strict=True)
        ]
        return {
            **curves,
            "optimizer": params.optimizer,
            "accuracy": {
                name: arm.accuracy(x[TRAINING:], y[TRAINING:]).tolist() for name, arm in arms.items()
            },
            "weight_difference": [
                float(most) if torch.isfinite(most) else None for most in torch.stack(apart).amax(0)
            ],
            "alive_percent": arms["undivided"].alive(x[TRAINING:]).tolist(),
            "diverged": {name: first_bad(losses) for name, losses in curves["losses"].items()},
        }

    def so_far(self, params: DigitsParams, partials: Partials) -> DigitsResult:
        return {
            "optimizer": params.optimizer,
            "rates": rates_of(params.optimizer),
            "updates": params.epochs * 23,
            "losses": {
                name: np.array([row for piece in partials for row in piece[name]], np.float32)
                for name in ARMS
            },
        }

    def view(self, params: DigitsParams, result: DigitsResult) -> AtRate:
        step = params.rate_step
        accuracy, diverged = result.get("accuracy", {}), result.get("diverged", {})
        shift = shift_of(params.optimizer)
        undivided = result["losses"]["undivided"][-EVERY:, step]
        last = float(undivided.mean()) if len(undivided) else np.nan
        return {
            "step": step,
            "rate": result["rates"][step],
            "accuracy": {name: percents[step] for name, percents in accuracy.items()},
            "formula": accuracy["big"][step + shift] if accuracy else 0.0,
            "last_loss": last if np.isfinite(last) else None,
            "alive": result["alive_percent"][step] if "alive_percent" in result else None,
            "diverged": {name: updates[step] for name, updates in diverged.items()},
        }

    def show(self, result: DigitsResult, text: Words) -> Shown:
        """`curves`: loss at the chosen rate; `rates`: accuracy against it, with and without division."""
        step = result["view"]["step"] if "view" in result else 0
        curves = digit_figures.curves(result["losses"], step, result["updates"], text)
        if "accuracy" not in result:
            return Shown({"curves": curves})
        view, accuracy = result["view"], result["accuracy"]
        rows: list[Row] = [
            {
                text("axis.rate"): f"{rate:.4g}",
                **{
                    f"{text(f'arm.{name}')} (%)": round(percents[index], 2)
                    for name, percents in accuracy.items()
                },
                text("weight_difference"): _written(result["weight_difference"][index]),
            }
            for index, rate in enumerate(result["rates"])
        ]
        shift = shift_of(result["optimizer"])
        return Shown(
            {
                "curves": curves,
                "rates": digit_figures.rates(result["rates"], accuracy, shift, view["rate"], text),
            },
            rows,
            digit_figures.notes(result["optimizer"], view, result["weight_difference"][step], text),
            {f"{text(f'arm.{name}')} (%)": percent for name, percent in view["accuracy"].items()},
            {
                "said": SAID_ACCURACY,
                "formula": view["formula"],
                "measured": view["accuracy"]["undivided"],
                "unit": "%",
            },
        )


def rates_of(optimizer: str) -> list[float]:
    """The learning rates of the sweep, each twice the one before.

    >>> rates_of("sgd")[:3]
    [0.0125, 0.025, 0.05]
    """
    return [LOWEST_RATE[optimizer] * 2**step for step in range(RATES)]


def shift_of(optimizer: str) -> int:
    """Rates by which the curve without division is moved: none under AdamW, which no factor moves.

    >>> shift_of("momentum"), shift_of("adamw")
    (3, 0)
    """
    return 0 if optimizer == "adamw" else SHIFT


def first_bad(losses: NDArray[np.float32]) -> list[int | None]:
    """By rate, the first update, counted from 1, whose loss [updates, rates] is not finite."""
    bad = ~np.isfinite(losses)
    return [int(column.argmax()) + 1 if column.any() else None for column in bad.T]


def _written(value: float | None) -> str:
    return "–" if value is None else small_number(value)
