"""Four trainings from the same weights on the same text, which differ in their precision alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np

from labs.contract import (
    Context,
    Counts,
    DeviceClass,
    Experiment,
    Floats,
    Numbers,
    Params,
    Partials,
    Shown,
    Words,
    table,
)
from labs.contract.drawing import Figure, Role
from labs.contract.fields import choice, whole
from labs.q10_grad_scaler.scaler import ScalerParams
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import binary_ticks
from minimind_core.model.config import PRESETS

ARMS: dict[str, tuple[Role, str]] = {
    "fp32": ("peer", "circle"),
    "fp16_scaler": ("measured", "square"),
    "bf16": ("measured", "diamond"),
    "fp16": ("said", "x"),
}
"""Role and mark of a training; the one without scaler is what has to be noticed."""
LAST_STEPS = 5
"""Steps at the end that the losses are averaged over."""


class Size(NamedTuple):
    """What is trained on a device: a preset with a checkpoint's tokenizer (None: the chosen one), on `rows`
    of `length` tokens a step, out of the first `documents`."""

    checkpoint: str | None
    preset: str | None
    rows: int
    length: int
    documents: int | None


SIZES = PerDevice(cpu=Size("nano-rope", "toy", 4, 32, 12), cuda=Size(None, None, 16, 512, None))


@dataclass(frozen=True)
class DuelParams(Params):
    """What all four have in common."""

    steps: int = whole(60, 20, 200, primary=True)
    tokens_exponent: int = whole(20, 0, 20, primary=True)
    learning_rate: float = choice(2e-3, (1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2))
    seed: int = seed()


class Curves(TypedDict):
    """Losses by step and training, and the scaler's scale after each step."""

    steps: int
    curves: dict[str, Floats]
    scale: Floats


class DuelResult(Curves, total=False):
    """At the end also losses and zeros by training.

    `final_loss` is the mean over the last steps, `harm_without_scaler` plain FP16's less that of FP32;
    `zero_percent` counts the zeros of the last gradient.
    """

    final_loss: Numbers
    harm_without_scaler: float
    zero_percent: Numbers
    skipped: Counts
    tokens: int
    tokens_a_step: int
    parameters: int


class Duel(Experiment[DuelParams, DuelResult]):
    """FP32, FP16 without and with scaler, and BF16, all advancing step by step together."""

    keep = False

    def seconds(self, params: DuelParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2 + params.steps * 0.11, cuda=3 + params.steps * 0.12).on(device)

    def measure(self, params: DuelParams, ctx: Context) -> DuelResult:
        import torch

        from labs.q10_grad_scaler.training_steps import Training
        from labs.tools import heldout
        from labs.tools.models import untrained

        ctx.progress(0.0, "reading")
        size, tokens = SIZES.on(ctx.device), 2**params.tokens_exponent
        loaded, texts = ctx.model(size.checkpoint), heldout.training()[: size.documents]
        rows = heldout.windows(loaded.tokenizer, texts, size.rows * params.steps, size.length, params.seed)
        start = untrained(PRESETS[size.preset] if size.preset else loaded.config, ctx.device, params.seed)
        arms = {name: Training(name, start, params.learning_rate, tokens) for name in ARMS}
        pieces = []
        for step in range(params.steps):
            batch = rows[torch.arange(step * size.rows, (step + 1) * size.rows) % len(rows)].to(ctx.device)
            losses = {}
            for index, (name, arm) in enumerate(arms.items()):
                ctx.progress((step + index / len(arms)) / params.steps, "step", step=step + 1)
                losses[name] = arm.step(batch)
            pieces.append({"losses": losses, "scale": arms["fp16_scaler"].scales[-1]})
            ctx.emit(pieces[-1])
        run = self.so_far(params, pieces)
        final = {name: float(np.mean(curve[-LAST_STEPS:])) for name, curve in run["curves"].items()}
        return {
            **run,
            "final_loss": final,
            "harm_without_scaler": final["fp16"] - final["fp32"],
            "zero_percent": {name: arm.zero_percent() for name, arm in arms.items()},
            "skipped": {name: arm.skipped for name, arm in arms.items()},
            "tokens": tokens,
            "tokens_a_step": size.rows * size.length,
            "parameters": sum(parameter.numel() for parameter in start.parameters()),
        }

    def so_far(self, params: DuelParams, partials: Partials) -> DuelResult:
        curves = {name: np.array([piece["losses"][name] for piece in partials], np.float32) for name in ARMS}
        scale = np.array([piece["scale"] for piece in partials], np.float32)
        return {"steps": params.steps, "curves": curves, "scale": scale}

    def show(self, result: DuelResult, text: Words) -> Shown:
        figures = {"loss": _losses(result, text), "scale": _scale(result, text)}
        if "zero_percent" not in result:
            return Shown(figures)
        loss, zeros = result["final_loss"], result["zero_percent"]
        figures["zeros"] = _zeros(zeros, text)
        rows = table(
            {
                text("way"): [text(f"arm.{name}") for name in ARMS],
                text("axis.loss"): [loss[name] for name in ARMS],
                text("axis.zero_gradients"): [zeros[name] for name in ARMS],
                text("skipped"): [result["skipped"][name] for name in ARMS],
            }
        )
        note = text("note.harm", **result, harm=result["harm_without_scaler"], zeros=zeros["fp16"])
        numbers = {f"{text(f'arm.{name}')}, {text('axis.loss')}": value for name, value in loss.items()}
        return Shown(figures, rows, [note], numbers)


def _losses(result: DuelResult, text: Words) -> Figure:
    figure, hover = Figure(), "%{x}: %{y:.3f}"
    for name, (role, symbol) in ARMS.items():
        losses, label = result["curves"][name], text(f"arm.{name}")
        steps = np.arange(1, len(losses) + 1)
        figure.line(steps, losses, role, label, hover=hover, symbol=symbol, size=6)
    figure.x_axis(text("axis.step"), span=(0, result["steps"] + 1))
    figure.y_axis(text("axis.loss"))
    return figure


def _scale(result: DuelResult, text: Words) -> Figure:
    """The scaler's scale. Where it fell, the step was skipped."""
    scales = np.array([ScalerParams().init_scale, *result["scale"]])
    figure, hover = Figure(height=200), "%{x}: %{y:,.6g}"
    steps = np.arange(len(scales))
    figure.line(steps, scales, "measured", text("arm.fp16_scaler"), hover=hover, shape="hv")
    skipped = steps[1:][np.diff(scales) < 0]
    figure.marks(skipped, scales[skipped], "said", text("skipped"), hover=hover, symbol="x", size=8)
    figure.x_axis(text("axis.step"), span=(0, result["steps"] + 1))
    figure.y_axis(text("axis.scale"), log=True, ticks=binary_ticks(scales))
    return figure


def _zeros(zero_percent: Numbers, text: Words) -> Figure:
    figure, hover, labels = Figure(), "%{y}: %{x:.4g}%", " {:.3g}%"
    for name, (role, _) in ARMS.items():
        percent, arm = [zero_percent[name]], [text(f"arm.{name}")]
        figure.bars(percent, arm, role, hover=hover, labels=labels, horizontal=True, showlegend=False)
    figure.x_axis(text("axis.zero_gradients"), span=(0, 125), tickvals=[0, 25, 50, 75, 100])
    figure.y_axis(category=True, reverse=True)
    return figure
