"""How far information travels through layers of window attention: the bound, and what really arrives.

Gradients are taken in float64: products of eight small attention weights would vanish in float32, and a
position that counts for little would count as out of reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import given_whole
from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from questions import load_question

BEYOND = 64
"""Tokens that are read beyond the bound: a mask that is too wide would show there."""
TEXTS = PerDevice(cpu=1, cuda=8)
POINTS = 48
"""Of a drawn curve, at most."""
SHARE = given_whole(load_question("q04_long_text"), "influence_percent")
SYMBOLS = {"even": "square", "with_residual": "diamond", "measured": "circle"}
Curve = NDArray[np.float32]


@dataclass(frozen=True)
class ReachParams(Params):
    """`texts` 0 reads as many as suit the device."""

    layers: int = whole(8, 1, 8, primary=True)
    window: int = whole(256, 1, 2048, primary=True, unit="tokens")
    length: int = whole(
        8192,
        16,
        32_768,
        step=256,
        primary=True,
        unit="tokens",
        sentence="Length must be 16 to 32,768 tokens.",
    )
    texts: int = choice(0, (0, 1, 2, 4, 8))

    def bound(self) -> int:
        """Positions that information can come from at most."""
        return min(self.length, self.layers * (self.window - 1) + 1)

    def tokens(self) -> int:
        """Tokens that are really read: the last of the text."""
        return min(self.length, self.bound() + BEYOND)


class ReachResult(TypedDict, total=False):
    """`reach` counts positions; `influence` is the summed share by distance, at the distances `back`.

    `within` is the number of newest positions from which `SHARE` percent of the influence comes, by curve.
    """

    reach: Required[int]
    length: Required[int]
    window: Required[int]
    layers: Required[int]
    back: Required[NDArray[np.int32]]
    influence: Required[dict[str, Curve]]
    within: Required[dict[str, int]]
    texts: int
    tokens: int
    model: str


class Reach(Experiment[ReachParams, ReachResult]):
    """From how many positions a gradient comes back through window attention, and how much from where."""

    drawn_by_formula = True

    def seconds(self, params: ReachParams, device: DeviceClass) -> float:
        texts = params.texts or TEXTS.on(device)
        return 1 + texts * params.tokens() * params.layers * PerDevice(cpu=7e-4, cuda=1e-5).on(device)

    def formula(self, params: ReachParams) -> ReachResult:
        """The bound, and two simple models of what arrives: even attention, without and with residual."""
        back, shares = _places(params.bound()), _modelled(params)
        return {
            "reach": params.bound(),
            "length": params.length,
            "window": params.window,
            "layers": params.layers,
            "back": back,
            "influence": {name: _at(share, back) for name, share in shares.items()},
            "within": {name: within(share) for name, share in shares.items()},
        }

    def measure(self, params: ReachParams, ctx: Context) -> ReachResult:
        import torch

        from labs.q04_long_text.local_layers import influences
        from labs.tools import heldout
        from labs.tools.models import assembled

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        config, layers = loaded.config, params.layers
        if layers > config.num_layers or config.position != "rope":
            raise ConfigError(
                f"{loaded.name} has {config.num_layers} layers and {config.position} positions; "
                f"this needs RoPE and {layers} layers.",
                key="q04.layers",
                model=loaded.name,
                layers=config.num_layers,
                position=config.position,
                asked=layers,
            )
        device = "cpu" if ctx.device == "mps" else ctx.device  # Apple's GPU has no float64
        weights = {
            name: tensor.to(device, torch.float64) for name, tensor in loaded.model.state_dict().items()
        }
        model = assembled(config, weights).requires_grad_(False)
        count, tokens = params.texts or TEXTS.on(ctx.device), params.tokens()
        rows = heldout.held_out_windows(loaded.tokenizer, "english", count, tokens, ctx).to(
            device
        )  # [count, tokens + 1]
        reached, summed = np.zeros(tokens, bool), np.zeros(tokens)
        for index, row in enumerate(rows):
            ctx.progress(0.05 + 0.95 * index / len(rows), "gradient", number=index + 1)
            settings = int(row[-1]), layers, params.window, ctx.check_cancelled
            norms = influences(model, row[:-1], *settings).cpu().numpy()[::-1]  # [tokens], newest first
            reached |= norms > 0
            summed += norms / norms.sum() / len(rows)
        formula = self.formula(params)
        return {
            **formula,
            "reach": int(reached.sum()),
            "influence": {**formula["influence"], "measured": _at(summed, formula["back"])},
            "within": {**formula["within"], "measured": within(summed)},
            "texts": len(rows),
            "tokens": tokens,
            "model": loaded.name,
        }

    def show(self, result: ReachResult, text: Words) -> Shown:
        """How much comes from the newest so many positions: by two formulas, and measured."""
        within_name = text("reach.within", share=SHARE)
        shown = Shown({"influence": _influence(result, text)})
        if "model" not in result:
            return shown
        rows: list[Row] = [
            {text("column.curve"): text(f"curve.{name}"), within_name: count}
            for name, count in result["within"].items()
        ]
        bound = min(result["length"], result["layers"] * (result["window"] - 1) + 1)
        return Shown(
            shown.figures,
            rows=[*rows, {text("column.curve"): text("curve.bound"), within_name: bound}],
            notes=[
                text("reach.sentence", layers=result["layers"], window=result["window"]),
                text("reach.effective", **result["within"], share=SHARE, bound=bound),
                text("reach.read", model=result["model"], texts=result["texts"], tokens=result["tokens"]),
                text("reach.change"),
            ],
            numbers={text("reach.positions"): result["reach"], within_name: result["within"]["measured"]},
            sentence={
                "said": float(result["length"]),
                "formula": float(bound),
                "measured": float(result["reach"]),
                "unit": text("positions_unit"),
            },
        )


def within(shares: NDArray[np.float64]) -> int:
    """How many of the newest positions give `SHARE` percent of all influence: shares [distance] -> count."""
    return int(np.searchsorted(shares.cumsum(), SHARE / 100 * shares.sum())) + 1


def _modelled(params: ReachParams) -> dict[str, NDArray[np.float64]]:
    """Shares by distance if every layer attends evenly, and if half of each layer is its own residual."""
    even = np.full(params.window, 1 / params.window)
    residual = even / 2
    residual[0] += 1 / 2
    steps = {"even": even, "with_residual": residual}
    return {name: arriving(params.layers, step)[: params.length] for name, step in steps.items()}


def _places(bound: int) -> NDArray[np.int32]:
    """Distances counted from 1, evenly spread on a logarithmic axis up to the bound."""
    return np.unique(np.geomspace(1, bound, min(POINTS, bound)).round()).astype(np.int32)


def _at(shares: NDArray[np.float64], back: NDArray[np.int32]) -> Curve:
    """The summed share of the newest `back` positions."""
    summed = np.append(shares.cumsum() / shares.sum(), 1.0)
    return summed[np.minimum(back, len(summed)) - 1].astype(np.float32)


def _influence(result: ReachResult, text: Words) -> Figure:
    figure, back = Figure(), result["back"]
    for name, curve in result["influence"].items():
        role: Role = "measured" if name == "measured" else "formula"
        label = text(f"curve.{name}")
        hover = f"{label}<br>%{{x:,}}: %{{y:.1%}}"
        named = f"{label}: {result['within'][name]:,}"
        figure.line(back, curve, role, named, hover=hover, symbol=SYMBOLS[name], size=7)
    bound = int(back[-1])
    figure.line(
        [bound] * 2,
        [0, 1],
        "peer",
        text("curve.bound"),
        text=["", f" {bound:,}"],
        textposition="top left",
        hover=f"{bound:,}",
    )
    figure.line([1, bound], [SHARE / 100] * 2, "peer", f"{SHARE}%", showlegend=False)
    figure.x_axis(
        text("axis.back"), log=True, ticks={tick: f"{tick:,}" for tick in (1, 10, 100, 1000) if tick <= bound}
    )
    figure.y_axis(text("axis.influence"), span=(0, 1.05), tickformat=".0%")
    return figure


def reached(layers: int, window: int, length: int, dilation: int = 1) -> NDArray[np.bool_]:
    """Which positions' information arrives at the last one, followed back layer by layer: bool [length]."""
    seen = np.zeros(length, dtype=bool)
    seen[-1] = True
    for _ in range(layers):
        earlier = [seen[back:] for back in range(0, window * dilation, dilation) if back < length]
        seen = np.any([np.pad(part, (0, length - len(part))) for part in earlier], axis=0)
    return seen


def arriving(layers: int, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much arrives from each distance if each layer gives `step[d]` to distance d."""
    shares = np.ones(1)
    for _ in range(layers):
        shares = np.convolve(shares, step)
    return shares
