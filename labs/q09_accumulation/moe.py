"""The load-balancing loss of a mixture of experts, per micro-batch and for the whole batch.

N sum_i f_i P_i (Fedus et al. 2021): f_i is the share of tokens that are routed to expert i, P_i the mean
probability of it. A product of two means is not the mean of the products; the difference is N times the sum
of their covariances over the micro-batches. f taken from the whole batch (Qiu et al. 2025, arXiv 2501.11873)
makes the micro-batches' mean exact, since P enters linearly and f has no gradient.

The tokens are hidden states of the real model, the router is drawn at random; everything else is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number

if TYPE_CHECKING:
    from labs.q09_accumulation.router import Balance

KINDS = ("code", "english", "chinese")
"""Where micro-batches are sorted, each holds text of one kind, in turn."""
WAYS = ("micro", "global_shares")
"""Every micro-batch with its own shares, or with those of the whole batch."""


@dataclass(frozen=True)
class MoeParams(Params):
    """A router that chooses `top` experts."""

    order: str = choice("sorted", ("sorted", "mixed"), primary=True)
    experts: int = choice(8, (4, 8, 16, 32), primary=True)
    steps: int = whole(8, 1, 16, primary=True, low_sentence="Accumulation steps must be at least 1.")
    length: int = whole(64, 8, 256, step=8, unit="tokens")
    top: int = choice(1, (1, 2, 4))
    seed: int = seed()


class AgainstWhole(TypedDict):
    """A way's loss over that of the whole batch, and the router's gradient beside the whole batch's."""

    loss: float
    ratio: float
    relative_error: float
    cosine: float


class MoeResult(TypedDict):
    """`shares` [A, N] are the f of each micro-batch, `share` [N] those of the whole.

    `covariance` is N times the sum of the covariances, by which the micro-batches' mean is too large.
    """

    whole: float
    covariance: float
    ways: dict[str, AgainstWhole]
    losses: list[float]
    shares: NDArray[np.float32]
    share: NDArray[np.float32]
    kinds: list[str]
    top: int


class Moe(Experiment[MoeParams, MoeResult]):
    """One router, one batch: the auxiliary loss and its gradient as one batch and as micro-batches."""

    def seconds(self, params: MoeParams, device: DeviceClass) -> float:
        return PerDevice(cpu=1.0, cuda=1.0).on(device) + params.steps * params.length * 1.5e-3

    def measure(self, params: MoeParams, ctx: Context) -> MoeResult:
        import torch

        from labs.q09_accumulation import router
        from labs.tools import heldout

        ctx.progress(0.0, "reading")
        loaded = ctx.model()
        kinds = [KINDS[place % len(KINDS)] for place in range(params.steps)]
        rows = torch.cat(
            [
                heldout.windows(
                    loaded.tokenizer, heldout.held_out(kind), 1, params.length, params.seed + place
                )
                for place, kind in enumerate(kinds)
            ]
        )
        hidden = []
        for place, row in enumerate(rows):
            ctx.progress(0.2 + 0.6 * place / len(rows), "hidden", index=place + 1)
            with torch.inference_mode():
                hidden.append(loaded.model.model(row[None, :-1].to(ctx.device))[0].double().cpu())
        states = torch.stack(hidden)  # [A, T, C]
        if params.order == "mixed":  # every micro-batch has a share of every text
            kinds = ["mixed"] * params.steps
            order = torch.randperm(
                states.shape[:2].numel(), generator=torch.Generator().manual_seed(params.seed)
            )
            states = states.flatten(0, 1)[order].view(states.shape)  # [A, T, C] -> [A * T, C] -> [A, T, C]
        ctx.progress(0.8, "routing")
        weights = router.fresh_router(states, params.experts, params.seed)
        batch = router.balance(states.flatten(0, 1)[None], weights, params.top)
        own = router.balance(states, weights, params.top)
        shared = router.balance(states, weights, params.top, shares=batch.shares.expand_as(own.shares))
        centred = (own.shares - own.shares.mean(0)) * (own.means - own.means.mean(0))  # [A, N]
        return {
            "whole": batch.loss,
            "covariance": params.experts * float(centred.mean(0).sum()),
            "ways": {name: _against(found, batch) for name, found in zip(WAYS, (own, shared), strict=True)},
            "losses": own.losses.tolist(),
            "shares": own.shares.float().numpy(),
            "share": batch.shares[0].float().numpy(),
            "kinds": kinds,
            "top": params.top,
        }

    def show(self, result: MoeResult, text: Words) -> Shown:
        """`losses`: of every micro-batch, beside the whole batch's; `shares`: who gets which tokens."""
        micro, shared = (result["ways"][name] for name in WAYS)
        rows: list[Row] = [
            {
                text("loss_of"): text("whole_batch"),
                text("axis.balance"): round(result["whole"], 6),
                text("axis.router_error"): "0",
                text("cosine"): "1",
            }
        ]
        for name, way in result["ways"].items():
            rows.append(
                {
                    text("loss_of"): text(f"loss_of.{name}"),
                    text("axis.balance"): round(way["loss"], 6),
                    text("axis.router_error"): small_number(way["relative_error"]),
                    text("cosine"): f"{way['cosine']:.4f}",
                }
            )
        alone = len(result["losses"]) == 1
        notes = [
            text("moe.sentence"),
            text("note.alone") if alone else text("note.router", error=100 * micro["relative_error"]),
            text("note.shared", error=small_number(shared["relative_error"])),
            text("moe.change"),
        ]
        return Shown(
            {"losses": _losses(result, text), "shares": _shares(result, text)},
            rows,
            notes,
            {text("axis.balance"): micro["loss"], text("whole_batch"): result["whole"]},
            {
                "said": result["whole"],
                "formula": result["whole"] + result["covariance"],
                "measured": micro["loss"],
                "unit": "",
            },
        )


def _against(found: Balance, batch: Balance) -> AgainstWhole:
    own, true = found.gradient, batch.gradient
    cosine = float((own * true).sum() / (own.norm() * true.norm()))
    return {
        "loss": found.loss,
        "ratio": found.loss / batch.loss,
        "relative_error": float((own - true).norm() / true.norm()),
        "cosine": cosine,
    }


def _names(kinds: Sequence[str], text: Words) -> list[str]:
    return [f"{index} · {text(f'kind.{kind}')}" for index, kind in enumerate(kinds, 1)]


def _losses(result: MoeResult, text: Words) -> Figure:
    """Bars by micro-batch; lines for their mean, for the whole batch and for the formula."""
    figure, names = Figure(height=320), _names(result["kinds"], text)
    figure.bars(names, result["losses"], "measured", text("micro_batch"), hover="%{x}: %{y:.3f}")
    ends = [names[0], names[-1]]
    mean, whole = result["ways"]["micro"]["loss"], result["whole"]
    hover = "%{y:.4f}"
    figure.line(ends, [mean] * 2, "measured", text("mean_of_micro"), hover=hover, width=2)
    figure.marks(
        ends,
        [whole + result["covariance"]] * 2,
        "formula",
        text("whole_and_covariance"),
        hover=hover,
        symbol="line-ew-open",
        size=22,
    )
    figure.line(ends, [whole] * 2, "said", text("whole_batch"), hover=hover, width=2)
    figure.x_axis(category=True)
    figure.y_axis(text("axis.balance"), span=(0, 1.2 * max(result["losses"])))
    return figure


def _shares(result: MoeResult, text: Words) -> Figure:
    """A cell for a micro-batch and an expert; the last row is the whole batch."""
    names = [*_names(result["kinds"], text), text("whole_batch")]
    z = 100 * np.vstack([result["shares"], result["share"]])
    figure = Figure(height=120 + 26 * len(names))
    experts = [str(number) for number in range(1, z.shape[1] + 1)]
    figure.heat(z, experts, names, "measured", hover="%{y}, %{x}: %{z:.1f}%", zmin=0)
    figure.x_axis(text("axis.expert"), category=True, showgrid=False)
    figure.y_axis(category=True, reverse=True, showgrid=False)
    return figure
