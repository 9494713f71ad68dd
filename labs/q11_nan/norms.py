"""Gradient norms of a training as percentiles: where a fixed threshold stands, before unscaling and after.

One batch may be no text at all. A fixed threshold, and the core's rule of median and MAD, hear every norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure
from labs.contract.fields import choice, switch, whole
from labs.q11_nan.claims import given
from labs.q11_nan.first_bad import number
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

if TYPE_CHECKING:
    from torch import Tensor

THRESHOLDS = (0.5, 1.0, 2.0, 5.0, 10.0, 100.0, 1000.0)
SAID = 100.0
"""The norm that is commonly called an explosion."""
PERCENTILES = (1, 10, 50, 90, 99)
ROWS, LENGTH = 8, 64
RATE, WARMUP = 2e-3, 20
ODD_AT = 2 / 3
"""Share of the run after which the odd batch comes."""
WINDOW = 50
"""Norms that the running median is taken over, and that the rule of median and MAD compares with."""


@dataclass(frozen=True)
class NormsParams(Params):
    """The threshold, whether norms are read before `unscale_`, the run, and its odd batch."""

    threshold: float = choice(SAID, THRESHOLDS, primary=True, view=True, label="norm_threshold")
    scaled: bool = switch(False, primary=True, view=True)
    steps: int = whole(150, 60, 300, primary=True)
    odd: str = choice("random", ("none", "random", "repeated"))
    seed: int = seed()


class AtThreshold(TypedDict):
    """What the chosen threshold says of norms that are `scale` times the true ones."""

    threshold: float
    scale: float
    above: int
    above_percent: float
    percentiles: dict[str, float]
    """By "p1" to "p99", and "largest"."""


class NormsResult(TypedDict):
    """True norms by step, before clipping; `odd_step` is -1 where no batch was odd.

    `heard` are the steps at which the rule of median and MAD fired.
    """

    norms: NDArray[np.float32]
    steps: int
    odd: str
    odd_step: int
    heard: NotRequired[list[int]]
    view: NotRequired[AtThreshold]


class Norms(Experiment[NormsParams, NormsResult]):
    """Every norm of a training, and who calls it large."""

    def seconds(self, params: NormsParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2 + params.steps * 0.06, cuda=3 + params.steps * 0.02).on(device)

    def formula(self, params: NormsParams) -> Data:
        """The true norm that a threshold stands for where gradients are still multiplied by the scale."""
        return {"true_threshold": SAID / given("scale")}

    def measure(self, params: NormsParams, ctx: Context) -> NormsResult:
        from labs.tools import heldout
        from labs.tools.models import untrained
        from minimind_core.training.monitor import LossMonitor
        from minimind_core.training.trainer import Trainer
        from minimind_core.training.training_config import TrainingConfig

        ctx.progress(0.0, "reading")
        loaded = ctx.model("nano-rope")
        texts = heldout.training()[:4]
        rows = heldout.windows(loaded.tokenizer, texts, ROWS * params.steps, LENGTH, params.seed)
        if params.odd != "none":
            odd = slice(odd_step(params) * ROWS, (odd_step(params) + 1) * ROWS)
            rows[odd] = _odd(rows[odd], params, loaded.config.vocab_size)
        training = TrainingConfig(
            params.steps, ROWS, LENGTH, learning_rate=RATE, warmup_steps=WARMUP, schedule="cosine"
        )
        start = untrained(loaded.config, ctx.device, params.seed)
        trainer = Trainer(start, heldout.Stretches(rows, ROWS), training)
        monitor, heard, norms = LossMonitor(WINDOW), list[int](), list[float]()
        for record in trainer.steps():
            ctx.progress(record.step / params.steps, "step", step=record.step)
            norms.append(record.grad_norm)
            if monitor.hear(record.grad_norm):
                heard.append(record.step)
            ctx.emit({"norm": record.grad_norm})
        return {**_result(params, norms), "heard": heard}

    def so_far(self, params: NormsParams, partials: Partials) -> NormsResult:
        return _result(params, [piece["norm"] for piece in partials])

    def view(self, params: NormsParams, result: NormsResult) -> AtThreshold:
        scale = float(given("scale")) if params.scaled else 1.0
        norms = np.asarray(result["norms"], np.float64) * scale
        above = int((norms > params.threshold).sum())
        found = np.percentile(norms, PERCENTILES) if len(norms) else np.zeros(len(PERCENTILES))
        named = {f"p{percent}": float(one) for percent, one in zip(PERCENTILES, found, strict=True)}
        return {
            "threshold": params.threshold,
            "scale": scale,
            "above": above,
            "above_percent": 100 * above / max(len(norms), 1),
            "percentiles": {**named, "largest": float(norms.max(initial=0.0))},
        }

    def show(self, result: NormsResult, text: Words) -> Shown:
        """`percentiles`: all norms in order; `norms`: by step; the threshold in both."""
        view = result["view"]
        figures = {"percentiles": _percentiles(result, view, text), "norms": _by_step(result, view, text)}
        if "heard" not in result:
            return Shown(figures)
        rows: list[Row] = [
            {text("percentile"): name.removeprefix("p"), text("norm"): number(norm)}
            for name, norm in view["percentiles"].items()
            if name != "largest"
        ]
        largest = view["percentiles"]["largest"]
        rows.append({text("percentile"): text("largest_norm"), text("norm"): number(largest)})
        high = float(np.percentile(result["norms"], PERCENTILES[-1]))
        return Shown(
            figures,
            rows,
            _notes(result, view, text),
            {text("norms_above"): view["above_percent"]},
            {"said": SAID, "formula": SAID / given("scale"), "measured": high, "unit": ""},
        )


def odd_step(params: NormsParams) -> int:
    """The step of the batch that is no text; one after the last where there is none."""
    return params.steps if params.odd == "none" else int(params.steps * ODD_AT)


def _odd(rows: Tensor, params: NormsParams, words: int) -> Tensor:
    """Rows of random tokens, or each of one token over and over."""
    import torch

    random = torch.Generator().manual_seed(params.seed)
    width = rows.shape[1] if params.odd == "random" else 1
    return torch.randint(3, words, (len(rows), width), generator=random).expand_as(rows)


def _result(params: NormsParams, norms: list[float]) -> NormsResult:
    at = odd_step(params)
    return {
        "norms": np.array(norms, np.float32),
        "steps": params.steps,
        "odd": params.odd,
        "odd_step": at if at < params.steps else -1,
    }


def running_median(norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of the norms before each step, of `WINDOW` at most; NaN before the first."""
    before = [norms[max(0, step - WINDOW) : step] for step in range(len(norms))]
    return np.array([np.median(some) if len(some) else np.nan for some in before], np.float32)


def _notes(result: NormsResult, view: AtThreshold, text: Words) -> list[str]:
    values = {
        "steps": len(result["norms"]),
        "above": view["above"],
        "threshold": view["threshold"],
        "median": number(view["percentiles"]["p50"]),
        "high": number(view["percentiles"]["p99"]),
    }
    notes = [
        text("norms.sentence", said=SAID, scale=given("scale")),
        text("note.norms_scaled", **values, scale=given("scale"))
        if view["scale"] > 1
        else text("note.norms_true", **values),
    ]
    at, heard = result["odd_step"], result.get("heard", [])
    if at >= 0:
        ratio = float(result["norms"][at] / running_median(result["norms"])[at])
        fixed = bool(result["norms"][at] * view["scale"] > view["threshold"])
        notes.append(
            text(
                "note.odd_batch",
                step=at,
                kind=text(f"odd.{result['odd']}"),
                ratio=ratio,
                window=WINDOW,
                fixed=text("fired.yes" if fixed else "fired.no"),
                robust=text("fired.yes" if at in heard else "fired.no"),
            )
        )
    elsewhere = sum(step != at for step in heard)
    return [*notes, text("note.norms_elsewhere", count=elsewhere), text("norms.change")]


def _percentiles(result: NormsResult, view: AtThreshold, text: Words) -> Figure:
    norms = np.sort(result["norms"]) * view["scale"]
    figure, percents = Figure(), 100 * (np.arange(len(norms)) + 0.5) / max(len(norms), 1)
    figure.line(percents, norms, "measured", text("norm"), hover="%{x:.3g}%: %{y:.3g}")
    _threshold(figure, view, 100.0, text)
    figure.x_axis(text("axis.percent_below"), span=(0, 100))
    _norm_axis(figure, view, text)
    return figure


def _by_step(result: NormsResult, view: AtThreshold, text: Words) -> Figure:
    norms = np.asarray(result["norms"]) * view["scale"]
    figure, steps = Figure(height=300), np.arange(len(norms))
    median = running_median(result["norms"]) * view["scale"]
    figure.line(steps, norms, "measured", text("norm"), hover="%{x}: %{y:.3g}", width=1)
    figure.line(steps, median, "peer", text("running_median"), hover="%{x}: %{y:.3g}", width=3)
    heard = result.get("heard", [])
    figure.marks(heard, norms[heard], "measured", text("rule.robust"), symbol="diamond", size=10)
    if 0 <= (at := result["odd_step"]) < len(norms):
        name = text(f"odd.{result['odd']}")
        figure.marks([at], norms[[at]], "removed", name, symbol="circle-open", size=16)
    _threshold(figure, view, result["steps"] - 1.0, text)
    figure.x_axis(text("axis.step"), span=(0, result["steps"]))
    _norm_axis(figure, view, text)
    return figure


def _threshold(figure: Figure, view: AtThreshold, end: float, text: Words) -> None:
    at = view["threshold"]
    figure.line([0.0, end], [at, at], "said", text("norm_threshold"), hover="%{y}", width=2)


def _norm_axis(figure: Figure, view: AtThreshold, text: Words) -> None:
    """The same axis whatever the threshold; a scaled norm is another axis."""
    low, high = (-1.0, 3.3) if view["scale"] == 1 else (-1.0, 7.0)
    ticks = {10.0**power: f"{10**power:,}" if power >= 0 else "0.1" for power in range(-1, 8)}
    figure.y_axis(text("axis.norm"), log=True, span=(low, high), ticks=ticks)
