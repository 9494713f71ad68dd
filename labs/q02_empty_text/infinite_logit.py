"""A broken logit at a masked place: five ways to leave the place out, and what each of them saves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words, choice, switch
from labs.contract.drawing import Figure, Role
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q02_empty_text.training_steps import MicroBatch

BROKEN = ("plus_inf", "minus_inf", "all_minus_inf", "nan", "none")
"""One logit of the place is +inf, one is -inf, all are -inf, one is NaN, or nothing is wrong."""
HARMLESS = ("minus_inf", "none")
"""One -inf is a token of probability 0, whose gradient is 0."""
WAYS = ("multiplied", "where", "ignore_index", "filled", "indexed")
ROWS, LENGTH = 2, 16


@dataclass(frozen=True)
class InfiniteLogitParams(Params):
    """The broken place is the last target of the first row."""

    broken: str = choice("plus_inf", BROKEN, primary=True)
    masked: bool = switch(True, primary=True)


class Saved(TypedDict):
    """One way to leave a place out: its loss (None is not finite) and the NaN gradients of all weights."""

    loss: float | None
    nan_gradients: int
    logit_gradient: str
    """At the broken place: "zero", "numbers" or "nan"."""


class InfiniteLogitResult(TypedDict):
    """By way. `spoilt` is the count of NaN gradients under `ignore_index`, `counted` the formula's."""

    broken: str
    masked: bool
    parameters: int
    ways: dict[str, Saved]
    spoilt: int
    counted: int


class InfiniteLogit(Experiment[InfiniteLogitParams, InfiniteLogitResult]):
    """Forward and backward of the model on a batch with one broken place, once for each way."""

    takes = PerDevice(cpu=3.0, cuda=0.8)

    def formula(self, params: InfiniteLogitParams) -> Data:
        """Every gradient of a tied model passes through the hidden state of the place, or none is NaN."""
        return {"spoilt": _counted(params, num_parameters(ModelConfig()))}

    def measure(self, params: InfiniteLogitParams, ctx: Context) -> InfiniteLogitResult:
        """The logits are those of the model, plus what breaks one place of them."""
        from labs.q02_empty_text.training_steps import training_copy
        from labs.tools.gradients import gradients
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ctx.progress(0.1, "building")
        model = training_copy(loaded.model, loaded.config.tie_word_embeddings)
        batch = _batch(loaded, ctx.device, params.masked)
        on_progress = ctx.part(0.2, 1.0, "ways")
        ways: dict[str, Saved] = {}
        with before_each_layer(model, ctx.check_cancelled):
            for index, name in enumerate(WAYS):
                on_progress(index / len(WAYS))
                model.zero_grad()
                logits = model(batch.ids[:, :-1]) + 0  # [B, T, V]; a leaf's gradient is what is looked at
                logits.retain_grad()
                broken = _break(logits, params.broken)
                loss = _losses()[name](broken, batch.ids[:, 1:], batch.mask)
                loss.backward()
                assert logits.grad is not None
                value = float(loss.detach())
                ways[name] = {
                    "loss": value if math.isfinite(value) else None,
                    "nan_gradients": sum(int((~each.isfinite()).sum()) for each in gradients(model)),
                    "logit_gradient": _kind(logits.grad[0, -1]),
                }
        parameters = sum(weight.numel() for weight in model.parameters())
        return {
            "broken": params.broken,
            "masked": params.masked,
            "parameters": parameters,
            "ways": ways,
            "spoilt": ways["ignore_index"]["nan_gradients"],
            "counted": _counted(params, parameters),
        }

    def show(self, result: InfiniteLogitResult, text: Words) -> Shown:
        """The NaN gradients that each way lets through; its loss stands at the bar."""
        figure = Figure(height=300)
        rows: list[Row] = []
        for name, saved in result["ways"].items():
            label, loss = text(f"leaves.{name}"), _number(saved["loss"], text)
            percent = 100 * saved["nan_gradients"] / result["parameters"]
            role: Role = "measured" if percent == 0 else "said"
            figure.bars(
                [percent],
                [label],
                role,
                labels=[f" {loss}"],
                horizontal=True,
                hover="%{y}: %{x:.0f}%",
                showlegend=False,
            )
            rows.append(
                {
                    text("leaves"): label,
                    text("loss"): loss,
                    text("gradients_nan"): f"{saved['nan_gradients']:,}",
                    text("infinite_logit.gradient"): text(f"outcome.{saved['logit_gradient']}"),
                }
            )
        ticks = {tick: f"{tick:.0f}%" for tick in (0.0, 50.0, 100.0)}
        figure.x_axis(text("axis.spoilt"), span=(0, 160), ticks=ticks, tickangle=0)
        figure.y_axis(category=True, reverse=True, showgrid=False)
        return Shown(
            {"ways": figure},
            rows,
            [
                text("infinite_logit.sentence", parameters=result["parameters"]),
                text(f"infinite_logit.{result['broken']}"),
                text("infinite_logit.change"),
            ],
            numbers={text("gradients_nan"): result["spoilt"]},
            sentence={
                "said": 0,
                "formula": result["counted"],
                "measured": result["spoilt"],
                "unit": text("infinite_logit.unit"),
            },
        )


def _losses() -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The ways by name: three that leave the place out of the losses, and two out of the logits."""
    import torch
    import torch.nn.functional as F

    from labs.q02_empty_text.losses import ignore_index, masked_mean

    def where(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        return torch.where(mask > 0, losses, 0.0).sum() / mask.sum()

    def filled(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return masked_mean(logits.masked_fill(mask[..., None] == 0, 0.0), targets, mask)

    def indexed(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return F.cross_entropy(logits[mask > 0], targets[mask > 0])

    ways = (masked_mean, where, ignore_index, filled, indexed)
    return dict(zip(WAYS, ways, strict=True))


def _break(logits: Tensor, how: str) -> Tensor:
    """Logits [B, T, V] whose last place of the first row is broken; a token that is no target is chosen."""
    import torch

    amount = torch.zeros_like(logits)
    if how == "all_minus_inf":
        amount[0, -1] = -math.inf
    elif how != "none":
        amount[0, -1, 0] = {"plus_inf": math.inf, "minus_inf": -math.inf, "nan": math.nan}[how]
    return logits + amount


def _batch(loaded: object, device: str, masked: bool) -> MicroBatch:
    """Two ordinary rows; the last target of the first is masked, or counts like all others."""
    from labs.q02_empty_text.row_kinds import LoadedRow
    from labs.q02_empty_text.training_steps import MicroBatch
    from labs.tools import heldout

    ids = heldout.windows(loaded.tokenizer, heldout.training("code")[:1], ROWS, LENGTH, 0).tolist()  # type: ignore[attr-defined]
    rows = [LoadedRow(row, [True] * len(row)) for row in ids]
    rows[0].counts[-1] = not masked
    return MicroBatch.of(rows, loaded.config.pad_id, LENGTH, device)  # type: ignore[attr-defined]


def _counted(params: InfiniteLogitParams, parameters: int) -> int:
    return 0 if params.broken in HARMLESS else parameters


def _kind(gradient: Tensor) -> str:
    if not bool(gradient.isfinite().all()):
        return "nan"
    return "numbers" if bool(gradient.any()) else "zero"


def _number(value: float | None, text: Words) -> str:
    return text("infinite_logit.not_finite") if value is None else f"{value:.3f}"
