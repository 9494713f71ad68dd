"""What each box of the drawing is worth: the trained model reads a text with one of them left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.tools.budgets import PerDevice

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from minimind_core.model.minimind import MiniMind

OF_ATTENTION = ("no_mask", "mask_after", "no_rope", "no_scale", "no_transpose", "no_o_proj")
OF_BLOCKS = ("attention", "feed_forward", "norms", "attention_residual", "feed_forward_residual")
CASES = ("whole", *OF_ATTENTION, *OF_BLOCKS)


@dataclass(frozen=True)
class KnockoutParams(Params):
    """Windows of a held-out text, all read at once."""

    text: str = choice("english", ("english", "chinese", "code"), primary=True)
    tokens: int = choice(64, (32, 64, 128, 256), unit="tokens", primary=True)
    windows: int = whole(2, 1, 8)


class KnockoutResult(TypedDict):
    """Mean nats a token by what was left out, as far as it was read, and of a uniform guess."""

    losses: dict[str, float]
    uniform: float


class Knockout(Experiment[KnockoutParams, KnockoutResult]):
    """The same windows, read by the model and by the model without one thing, in every layer."""

    def seconds(self, params: KnockoutParams, device: DeviceClass) -> float:
        read = params.windows * params.tokens * len(CASES)
        return PerDevice(cpu=1.5, cuda=1.0).on(device) + read * PerDevice(cpu=0.002, cuda=1e-5).on(device)

    def measure(self, params: KnockoutParams, ctx: Context) -> KnockoutResult:
        """One forward for each case; its loss is emitted at once."""
        import torch

        from labs.tools import heldout
        from labs.tools.token_losses import token_losses

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        rows = heldout.held_out_windows(loaded.tokenizer, params.text, params.windows, params.tokens, ctx)
        config = loaded.config
        fits = (
            config.num_heads * config.head_dim == config.hidden_size
        )  # else nothing else can do o_proj's work
        cases = [case for case in CASES if fits or case != "no_o_proj"]
        partials = []
        for index, case in enumerate(cases):
            ctx.progress(index / len(cases), "reading")
            with torch.inference_mode(), _without(loaded.model, case):
                loss = token_losses(loaded.model, rows, ctx.check_cancelled)  # [N, T]
            partials.append(
                {"case": case, "loss": float(loss.mean()), "uniform": math.log(config.vocab_size)}
            )
            ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: KnockoutParams, partials: Partials) -> KnockoutResult:
        """The cases that were read."""
        losses = {partial["case"]: partial["loss"] for partial in partials}
        return {"losses": losses, "uniform": partials[-1]["uniform"]}

    def show(self, result: KnockoutResult, text: Words) -> Shown:
        """`losses`: a bar for each case; lines at the whole model's loss and at a uniform guess."""
        losses, uniform = result["losses"], result["uniform"]
        known = [case for case in CASES if case in losses]
        names = {case: text(f"case.{case}") for case in CASES}
        figure, whole_loss = Figure(height=420, barmode="overlay"), losses["whole"]
        figure.bars(
            [losses[case] for case in known],
            [names[case] for case in known],
            "measured",
            labels="{:.2f}",
            horizontal=True,
            hover="%{y}: %{x:.3f}",
            showlegend=False,
        )
        ends = [names[CASES[0]], names[CASES[-1]]]
        figure.line([whole_loss] * 2, ends, "peer", text("whole_loss"), hover="%{x:.3f}")
        figure.line([uniform] * 2, ends, "formula", text("uniform"), hover="%{x:.3f}")
        figure.x_axis(text("axis.loss"), span=(0, 1.5 * uniform))
        figure.y_axis(category=True, categoryorder="array", categoryarray=list(names.values())[::-1])
        rows: list[Row] = [
            {
                text("left_out"): names[case],
                text("axis.loss"): losses[case],
                text("worse"): losses[case] - whole_loss,
            }
            for case in known
        ]
        if "no_o_proj" not in losses:
            return Shown({"losses": figure}, rows, notes=[text("knockout.change")])
        notes = [text("knockout.sentence"), text("knockout.change")]
        if losses["no_mask"] < whole_loss:
            notes.insert(1, text("knockout.leak", own=whole_loss, leaked=losses["no_mask"]))
        return Shown(
            {"losses": figure},
            rows,
            notes,
            numbers={f"{names[case]} (nats)": losses[case] for case in known},
            sentence={
                "said": whole_loss,
                "formula": uniform,
                "measured": losses["no_o_proj"],
                "unit": "nats",
            },
        )


def _without(model: MiniMind, case: str) -> AbstractContextManager[None]:
    """A context in which the model does without that; "whole" is computed step by step, too."""
    from labs.q05_shapes.stepwise import Stepwise, attention_replaced, blocks_replaced

    if case in OF_BLOCKS:
        return blocks_replaced(model, len(model.model.layers), frozenset([case]))
    return attention_replaced(model, partial(Stepwise, fault="" if case == "whole" else case))
