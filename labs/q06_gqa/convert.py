"""From a trained MHA model to fewer KV heads: mean-pooled projections (Ainslie et al. 2023), then training.

The specimen itself stays as it is: copies are trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Floats, Numbers, OnProgress, Params, Shown, Words
from labs.contract.drawing import Figure, Role
from labs.contract.fields import choice, whole
from labs.q06_gqa.quality import SPECIMENS, WINDOW
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

HEADS = (8, 4, 2, 1)
SCORED_WINDOWS = 16
TRAINING_ROWS = 800
BATCH_SIZE, LENGTH = 4, 128
"""One update: 512 tokens."""
WARMUP_STEPS = 5


@dataclass(frozen=True)
class ConvertParams(Params):
    """`seed` draws the text."""

    steps: int = whole(30, 0, 100, primary=True)
    learning_rate: float = choice(3e-4, (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2))
    seed: int = seed()


class ConvertResult(TypedDict):
    """By KV heads as text: perplexity on held-out text "before" and "after", training losses [steps]."""

    perplexity: dict[str, Numbers]
    curves: dict[str, Floats]


class Convert(Experiment[ConvertParams, ConvertResult]):
    """Mean-pools the MHA specimen's heads to 4, 2 and 1 and trains each on, and the unpooled one as well."""

    def seconds(self, params: ConvertParams, device: DeviceClass) -> float:
        start, step = PerDevice(cpu=6.0, cuda=1.0), PerDevice(cpu=0.7, cuda=0.05)
        return start.on(device) + params.steps * step.on(device)

    def measure(self, params: ConvertParams, ctx: Context) -> ConvertResult:
        """The same text for all numbers of heads."""
        from labs.tools import heldout

        ctx.progress(0.0, "loading_model", model=SPECIMENS["mha"])
        loaded = ctx.model(SPECIMENS["mha"])
        scored = heldout.held_out_windows(
            loaded.tokenizer, "both", SCORED_WINDOWS, WINDOW, ctx, seed=params.seed
        )
        rows = heldout.windows(loaded.tokenizer, heldout.training(), TRAINING_ROWS, LENGTH, params.seed)
        perplexity, curves = {}, {}
        for index, heads in enumerate(HEADS):
            start, part = index / len(HEADS), partial(ctx.part, doing="converting", kv_heads=heads)
            model = pooled(loaded.model, heads)
            before = after = heldout.window_losses(model, scored, part(start, start + 0.02))
            curve = train_on(model, rows, params, part(start + 0.02, start + 0.23))
            if curve:
                after = heldout.window_losses(model, scored, part(start + 0.23, start + 0.25))
            perplexity[str(heads)] = {"before": math.exp(before.mean()), "after": math.exp(after.mean())}
            curves[str(heads)] = np.array(curve, np.float32)
        return {"perplexity": perplexity, "curves": curves}

    def show(self, result: ConvertResult, text: Words) -> Shown:
        """`perplexity`: held-out text before and after; `curves`: training loss after pooling."""
        figures = {
            "perplexity": _perplexity(result["perplexity"], text),
            "curves": _curves(result["curves"], text),
        }
        return Shown(
            figures,
            rows=[
                {text("axis.kv_heads"): heads, **{text(when): value for when, value in each.items()}}
                for heads, each in result["perplexity"].items()
            ],
            numbers={
                f"{text('axis.kv_heads')} {heads}: {text('after')}": each["after"]
                for heads, each in result["perplexity"].items()
            },
        )


def pooled(model: MiniMind, kv_heads: int) -> MiniMind:
    """A copy whose KV heads are the means of neighbouring groups. The same heads: the same function."""
    from labs.tools.models import assembled, copied

    tensors = {
        name: pool_heads(tensor, model.config.num_kv_heads, kv_heads)
        if name.endswith(("k_proj.weight", "v_proj.weight"))
        else tensor
        for name, tensor in model.state_dict().items()
    }
    return copied(assembled(model.config.replace(num_kv_heads=kv_heads), tensors)).eval()


def pool_heads(weight: Tensor, heads: int, kept: int) -> Tensor:
    """[heads * D, C] -> [kept * D, C], each the mean of heads / kept neighbours."""
    assert heads % kept == 0, (heads, kept)
    width = weight.shape[0] // heads
    return weight.view(kept, heads // kept, width, -1).mean(1).flatten(0, 1)


def train_on(model: MiniMind, rows: Tensor, params: ConvertParams, on_progress: OnProgress) -> list[float]:
    """Train `model` in place on rows int64 [N, LENGTH + 1]; the loss of every update."""
    from labs.tools.heldout import Stretches
    from minimind_core.training.trainer import Trainer
    from minimind_core.training.training_config import TrainingConfig

    losses: list[float] = []
    if params.steps == 0:
        return losses
    settings = TrainingConfig(
        steps=params.steps,
        batch_size=BATCH_SIZE,
        seq_len=LENGTH,
        learning_rate=params.learning_rate,
        warmup_steps=min(WARMUP_STEPS, params.steps),
        schedule="constant",
    )
    for record in Trainer(model, Stretches(rows, BATCH_SIZE), settings).steps():
        losses.append(record.loss)
        on_progress(len(losses) / params.steps)
    model.eval()
    return losses


def _perplexity(perplexity: Mapping[str, Mapping[str, float]], text: Words) -> Figure:
    figure, names = Figure(), list(perplexity)
    styles: dict[str, tuple[Role, str, str]] = {
        "before": ("removed", "circle-open", "left"),
        "after": ("measured", "circle", "right"),
    }
    for when, (role, symbol, side) in styles.items():
        values = [perplexity[name][when] for name in names]
        figure.marks(
            names,
            values,
            role,
            text(when),
            hover="%{x}: %{y:.4g}",
            symbol=symbol,
            size=11,
            text=[f" {value:.3g} " for value in values],
            textposition=f"middle {side}",
        )
    figure.x_axis(text("axis.kv_heads"), category=True, span=(-0.5, len(names) - 0.4))
    figure.y_axis(text("axis.perplexity"), log=True)
    return figure


def _curves(curves: Mapping[str, Floats], text: Words) -> Figure:
    """Each curve has its KV heads at its end; without training on there are no curves."""
    figure = Figure()
    for losses in curves.values():
        steps = range(1, len(losses) + 1)
        figure.line(steps, losses, "measured", showlegend=False, hover="%{x}: %{y:.2f}")
    if all(map(len, curves.values())):
        ends = [(len(losses), float(losses[-1]), name) for name, losses in curves.items()]
        low, high = (edge(map(edge, curves.values())) for edge in (min, max))
        figure.name_ends(ends, float(low), float(high), log=False)
    figure.x_axis(text("axis.step"))
    figure.y_axis(text("axis.loss"))
    return figure
