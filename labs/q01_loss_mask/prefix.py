"""What is lost where a target is predicted from less than its whole prefix, down to `X[i]` alone.

Also the same targets in one pass over the whole rows: the causal mask gives each its own prefix, so that one
forward trains them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, error_bars
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

CONTEXTS = (1, 2, 4, 8, 16, 32, 64)
"""Tokens that the model is given before each target; the last is the whole row."""
ROWS_AT_ONCE = PerDevice(cpu=8, cuda=512)
SECONDS_A_TOKEN = PerDevice(cpu=1e-3, cuda=1e-5)


@dataclass(frozen=True)
class PrefixParams(Params):
    """One target from each of so many stretches of text that the model never saw."""

    text: str = choice("both", ("both", "english", "code", "chinese"), primary=True)
    targets: int = whole(48, 8, 512, primary=True)
    seed: int = seed()


class PrefixResult(TypedDict, total=False):
    """By the number of tokens before the target; losses in nats, `spread` their standard errors."""

    loss: dict[str, float]
    spread: dict[str, float]
    uniform: float
    one_pass_loss: float
    """Of the same targets in one pass over the whole rows."""
    difference: float
    """The largest between a target's loss in that pass and from its prefix alone."""
    targets: int


class Prefix(Experiment[PrefixParams, PrefixResult]):
    """The loss of the same targets after their last 1, 2, 4 … tokens, and in one pass over whole rows."""

    id = "q01/prefix"

    def seconds(self, params: PrefixParams, device: DeviceClass) -> float:
        tokens = params.targets * (sum(CONTEXTS) + CONTEXTS[-1])
        return 0.5 + tokens * SECONDS_A_TOKEN.on(device)

    def measure(self, params: PrefixParams, ctx: Context) -> PrefixResult:
        """A forward for each length of the prefix, then one for all."""
        import torch
        import torch.nn.functional as F

        from labs.tools import heldout
        from labs.tools.token_losses import token_losses

        ctx.progress(0.0, "reading")
        loaded = ctx.model()
        texts = heldout.held_out(params.text)
        rows = heldout.windows(
            loaded.tokenizer, texts, params.targets, CONTEXTS[-1], params.seed, ctx.check_cancelled
        ).to(ctx.device)  # [N, 65]
        uniform, pieces, each = math.log(loaded.config.vocab_size), [], np.zeros(0, np.float32)
        done, every = 0, len(rows) * (sum(CONTEXTS) + CONTEXTS[-1])
        for context in CONTEXTS:
            ctx.progress(done / every, "prefix", context=context)
            losses = []
            for batch in rows.split(ROWS_AT_ONCE.on(ctx.device)):
                ctx.progress(done / every)
                with torch.inference_mode():
                    hidden = loaded.model.model(batch[:, -1 - context : -1])  # [B, context, C]
                    logits = loaded.model.head(hidden[:, -1]).float()  # [B, V]
                losses.append(F.cross_entropy(logits, batch[:, -1], reduction="none").cpu())
                done += batch.shape[0] * context
            each = torch.cat(losses).numpy()
            error = float(each.std(ddof=1)) / math.sqrt(len(each))
            pieces.append(
                {"context": context, "loss": float(each.mean()), "spread": error, "uniform": uniform}
            )
            ctx.emit(pieces[-1])
        ctx.progress(done / every, "one_pass")
        in_one = token_losses(loaded.model, rows, ctx.check_cancelled)[:, -1]  # [N]
        return {
            **self.so_far(params, pieces),
            "one_pass_loss": float(in_one.mean()),
            "difference": float(np.abs(in_one - each).max()),
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
                text("prefix.one_pass", difference=result["difference"]),
            ],
            numbers={
                text("prefix.alone"): bigram,
                text("prefix.whole"): whole_prefix,
                text("prefix.in_one"): result["one_pass_loss"],
            },
        )


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
    if "one_pass_loss" in result:
        figure.marks(
            [CONTEXTS[-1]],
            [result["one_pass_loss"]],
            "formula",
            text("one_pass"),
            hover="%{y:.3f}",
            symbol="diamond-open",
            size=16,
        )
    figure.x_axis(
        text("axis.context"), log=True, ticks={n: str(n) for n in CONTEXTS}, span=(-0.1, math.log10(90))
    )
    figure.y_axis(text("axis.mean_loss"), span=(0, 1.1 * result["uniform"]))
    return figure
