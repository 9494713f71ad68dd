"""One short training for each learning rate, by optimizer, clipping and number format: which ends in NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, whole
from labs.contract.drawing import Figure, Role, power_ticks
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number
from minimind_core.model.config import PRESETS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
ARMS: dict[str, tuple[Role, str]] = {
    "adamw": ("measured", "circle"),
    "adamw_fp16": ("said", "x"),
    "sgd": ("removed", "square"),
    "sgd_clipped": ("peer", "diamond"),
}
ROWS, LENGTH = 8, 32
LAST = 5
"""Steps at the end over which a loss is averaged."""


@dataclass(frozen=True)
class RatesParams(Params):
    """Steps of each training, from the same fresh toy model on the same text."""

    steps: int = whole(40, 10, 200, primary=True)
    seed: int = seed()


class RatesResult(TypedDict):
    """By training and rate: the loss at the end (NaN where it is) and the first step that was not finite.

    `largest_finite_rate` is the largest rate up to which every training stayed finite.
    """

    steps: int
    final_loss: dict[str, NDArray[np.float32]]
    first_bad_step: dict[str, NDArray[np.int32]]
    """-1 where there is none."""
    largest_finite_rate: dict[str, float]
    best_rate: dict[str, float]
    parameters: int


class Rates(Experiment[RatesParams, RatesResult]):
    """A sweep of the learning rate from 1e-4 to 10,000."""

    def seconds(self, params: RatesParams, device: DeviceClass) -> float:
        return PerDevice(cpu=3 + params.steps * 0.3, cuda=3 + params.steps * 0.35).on(device)

    def measure(self, params: RatesParams, ctx: Context) -> RatesResult:
        from labs.tools import heldout
        from labs.tools.models import untrained

        ctx.progress(0.0, "reading")
        loaded = ctx.model("nano-rope")
        texts = heldout.training()[:12]
        rows = heldout.windows(loaded.tokenizer, texts, ROWS * params.steps, LENGTH, params.seed)
        start = untrained(PRESETS["toy"], ctx.device, params.seed)
        pieces, runs = [], [(arm, rate) for arm in ARMS for rate in RATES]
        for index, (arm, rate) in enumerate(runs):
            losses = []
            for step, loss in enumerate(_train(start, rows.to(ctx.device), arm, rate, params.steps)):
                ctx.progress((index + step / params.steps) / len(runs), "rate", rate=rate, arm=arm)
                losses.append(loss)
            bad = next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), -1)
            final = math.nan if bad >= 0 else float(np.mean(losses[-LAST:]))
            pieces.append({"arm": arm, "final": final, "bad": bad})
            ctx.emit(pieces[-1])
        parameters = sum(parameter.numel() for parameter in start.parameters())
        return {**self.so_far(params, pieces), "parameters": parameters}

    def so_far(self, params: RatesParams, partials: Partials) -> RatesResult:
        final = {arm: np.full(len(RATES), np.nan, np.float32) for arm in ARMS}
        bad = {arm: np.full(len(RATES), -1, np.int32) for arm in ARMS}
        for index, piece in enumerate(partials):
            final[piece["arm"]][index % len(RATES)] = piece["final"]
            bad[piece["arm"]][index % len(RATES)] = piece["bad"]
        done = list(ARMS)[: len(partials) // len(RATES)]
        return {
            "steps": params.steps,
            "final_loss": final,
            "first_bad_step": bad,
            "largest_finite_rate": {arm: _largest_finite(bad[arm]) for arm in done},
            "best_rate": {arm: RATES[int(np.nanargmin(final[arm]))] for arm in done},
            "parameters": 0,
        }

    def show(self, result: RatesResult, text: Words) -> Shown:
        figures = {"loss": _losses(result, text)}
        largest, best = result["largest_finite_rate"], result["best_rate"]
        if len(largest) < len(ARMS):
            return Shown(figures)
        rows: list[Row] = [
            {
                text("way"): text(f"arm.{arm}"),
                text("largest_finite"): _rate(largest[arm]),
                text("best"): _rate(best[arm]),
                text("first_bad"): _first_bad(result["first_bad_step"][arm]),
            }
            for arm in ARMS
        ]
        note = text(
            "note.rates",
            steps=result["steps"],
            tokens=ROWS * LENGTH,
            parameters=result["parameters"],
            adamw=_rate(largest["adamw"]),
            fp16=_rate(largest["adamw_fp16"]),
            sgd=_rate(largest["sgd"]),
            best=_rate(best["adamw"]),
        )
        numbers = {f"{text(f'arm.{arm}')}, {text('best')}": best[arm] for arm in ARMS}
        return Shown(figures, rows, [note], numbers)


def _train(start: MiniMind, rows: Tensor, arm: str, rate: float, steps: int) -> Iterator[float]:
    """The loss before each step; the last one is that after which it is not finite."""
    import torch

    from labs.tools.gradients import mean_loss
    from labs.tools.models import copied
    from minimind_core.training.optimizer import clip_gradients

    model = copied(start)
    optimizer = _optimizer(arm, rate, list(model.parameters()))
    for step in range(steps):
        places = torch.arange(step * ROWS, (step + 1) * ROWS) % len(rows)
        loss = mean_loss(model, rows[places.to(rows.device)], torch.float16 if arm == "adamw_fp16" else None)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if arm != "sgd":
            clip_gradients([p.grad for p in model.parameters() if p.grad is not None], 1.0)
        optimizer.step()
        yield float(loss.detach())
        if not loss.isfinite():
            return


def _optimizer(arm: str, rate: float, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    import torch

    if arm.startswith("sgd"):
        return torch.optim.SGD(parameters, lr=rate)
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)


def _largest_finite(bad: NDArray[np.int32]) -> float:
    """0 where already the smallest rate ends in NaN."""
    first = next((index for index, step in enumerate(bad) if step >= 0), len(bad))
    return RATES[first - 1] if first else 0.0


def _rate(rate: float) -> str:
    return small_number(rate, digits=1)


def _first_bad(bad: NDArray[np.int32]) -> str:
    """The first rate that ended in NaN or Inf, and its step."""
    return next((f"{_rate(RATES[index])}: {step}" for index, step in enumerate(bad) if step >= 0), "-")


def _losses(result: RatesResult, text: Words) -> Figure:
    """The loss at the end by rate; a line ends where the next rate gave NaN."""
    figure = Figure()
    for arm, (role, symbol) in ARMS.items():
        losses = result["final_loss"][arm]
        figure.line(RATES, losses, role, text(f"arm.{arm}"), hover="%{x}: %{y:.2f}", symbol=symbol, size=8)
    known = np.concatenate([np.asarray(losses) for losses in result["final_loss"].values()])
    top = float(np.nanmax(known)) if np.isfinite(known).any() else 10.0
    figure.x_axis(text("axis.rate"), log=True, ticks=power_ticks(1e-4, 1e4, 2))
    figure.y_axis(text("axis.loss"), log=True, ticks=power_ticks(1, max(top, 100)))
    return figure
