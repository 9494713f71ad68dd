"""What is lost where a target is predicted from less than its whole prefix, down to `X[i]` alone.

Also the same targets in one pass over the whole rows: the causal mask gives each its own prefix, so that one
forward trains them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, OnProgress, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure, error_bars
from labs.contract.fields import choice, whole
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

CONTEXTS = (1, 2, 4, 8, 16, 32, 64)
"""Tokens that the model is given before each target; the last is the whole row."""
MIDDLE = 16
"""The place in a row at which one pass over the whole of it is compared with its prefix alone."""
ROWS_AT_ONCE = PerDevice(cpu=8, cuda=512)
SECONDS_A_TOKEN = PerDevice(cpu=1e-3, cuda=1e-5)


@dataclass(frozen=True)
class PrefixParams(Params):
    """One target from each of so many stretches of text that the model never saw."""

    text: str = choice("both", ("both", "english", "code", "chinese"), primary=True)
    targets: int = whole(48, 8, 512, label="prefix.targets", primary=True)
    seed: int = seed()


class PrefixResult(TypedDict, total=False):
    """By the number of tokens before the target; losses in nats, `spread` their standard errors."""

    loss: dict[str, float]
    spread: dict[str, float]
    uniform: float
    difference: float
    """The largest between a loss in the middle of a row, in one pass over it, and after that prefix alone."""
    targets: int


class Prefix(Experiment[PrefixParams, PrefixResult]):
    """The loss of the same targets after their last 1, 2, 4 … tokens, and in one pass over whole rows."""

    def seconds(self, params: PrefixParams, device: DeviceClass) -> float:
        tokens = params.targets * (sum(CONTEXTS) + CONTEXTS[-1] + MIDDLE)
        return 0.5 + tokens * SECONDS_A_TOKEN.on(device)

    def measure(self, params: PrefixParams, ctx: Context) -> PrefixResult:
        """A forward for each length of the prefix, then one for all."""
        from labs.tools import heldout
        from labs.tools.token_losses import token_losses

        ctx.progress(0.0, "reading")
        loaded = ctx.model()
        rows = heldout.held_out_windows(
            loaded.tokenizer, params.text, params.targets, CONTEXTS[-1], ctx, seed=params.seed
        ).to(ctx.device)  # [N, 65]
        uniform, pieces = math.log(loaded.config.vocab_size), []
        work = sum(CONTEXTS) + CONTEXTS[-1] + MIDDLE
        for index, context in enumerate(CONTEXTS):
            start, end = sum(CONTEXTS[:index]) / work, sum(CONTEXTS[: index + 1]) / work
            on_progress = ctx.part(start, end, "prefix", context=context)
            each = _last_losses(loaded.model, rows[:, -1 - context :], on_progress)
            error = float(each.std(ddof=1)) / math.sqrt(len(each))
            pieces.append({"context": context, "loss": float(each.mean()), "spread": error})
            ctx.emit({**pieces[-1], "uniform": uniform})
        alone = _last_losses(
            loaded.model, rows[:, : MIDDLE + 1], ctx.part(1 - (CONTEXTS[-1] + MIDDLE) / work, 1.0, "one_pass")
        )
        in_one = token_losses(loaded.model, rows, ctx.check_cancelled)[:, MIDDLE - 1]  # [N]
        return {
            **self.so_far(params, [{**piece, "uniform": uniform} for piece in pieces]),
            "difference": float(np.abs(in_one - alone).max()),
            "targets": len(rows),
        }

    def so_far(self, params: PrefixParams, partials: Partials) -> PrefixResult:
        """The prefixes that were read."""
        return {
            "loss": {str(part["context"]): part["loss"] for part in partials},
            "spread": {str(part["context"]): part["spread"] for part in partials},
            "uniform": partials[0]["uniform"],
        }

    def show(self, result: PrefixResult, text: Words) -> Shown:
        """The loss against the length of the prefix, beside an even guess."""
        figures = {"loss": _losses(result, text)}
        if "difference" not in result:
            return Shown(figures)
        rows: list[Row] = [
            {
                text("axis.context"): int(context),
                text("axis.loss"): loss,
                text("standard_error"): result["spread"][context],
            }
            for context, loss in result["loss"].items()
        ]
        bigram, whole_prefix = (result["loss"][str(context)] for context in (CONTEXTS[0], CONTEXTS[-1]))
        return Shown(
            figures,
            rows=rows,
            notes=[
                text("prefix.lost", lost=bigram - whole_prefix, targets=result["targets"]),
                text("prefix.one_pass", difference=small_number(result["difference"])),
            ],
            numbers={text("prefix.alone"): bigram, text("prefix.whole"): whole_prefix},
        )


def _last_losses(model: MiniMind, rows: Tensor, on_progress: OnProgress) -> NDArray[np.float32]:
    """Nats of each row's last token after all before it: rows int64 [N, T + 1] -> [N]."""
    import torch
    import torch.nn.functional as F

    losses: list[Tensor] = []
    for batch in rows.split(ROWS_AT_ONCE.on(rows.device.type)):
        on_progress(sum(len(one) for one in losses) / len(rows))
        with torch.inference_mode():
            hidden = model.model(batch[:, :-1])  # [B, T, C]
            logits = model.head(hidden[:, -1]).float()  # [B, V]
        losses.append(F.cross_entropy(logits, batch[:, -1], reduction="none").cpu())
    return torch.cat(losses).numpy()


def _losses(result: PrefixResult, text: Words) -> Figure:
    figure = Figure()
    contexts, losses = [int(context) for context in result["loss"]], list(result["loss"].values())
    spans = [
        {"low": loss - error, "high": loss + error}
        for loss, error in zip(losses, result["spread"].values(), strict=True)
    ]
    figure.line(
        contexts,
        losses,
        "measured",
        text("after_prefix"),
        hover="%{x}: %{y:.3f}",
        symbol="circle",
        size=9,
        error_y=error_bars(losses, spans),
    )
    ends = [CONTEXTS[0], CONTEXTS[-1]]
    figure.line(ends, [result["uniform"]] * 2, "peer", text("even_guess"), hover="%{y:.3f}")
    figure.x_axis(
        text("axis.context"), log=True, ticks={n: str(n) for n in CONTEXTS}, span=(-0.1, math.log10(90))
    )
    figure.y_axis(text("axis.mean_loss"), span=(0, 1.1 * result["uniform"]))
    return figure
