"""What a draft costs: does its time follow its weights or its layers? Three shapes beside the target.

The shapes have fresh weights, for a step's time does not depend on them; how often their tokens would be kept
does, and is set by hand here. `speculative.py` measures it for the draft that is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, real, whole
from labs.contract.drawing import Figure, error_bars
from labs.q08_speedup.draft_rules import Cost, speedups
from labs.q08_speedup.speculative_figures import LONGEST, gains_by_length
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number
from minimind_core.model.config import ModelConfig, swiglu_width
from minimind_core.model.cost import num_parameters

VERIFIED = 5
"""Drafted tokens of the pass that is timed; other lengths lie on the line through it and a plain step."""
SECONDS = PerDevice(cpu=2.5, cuda=1.0, mps=2.0)
TARGET, NARROW = ModelConfig(), "narrow_6"
_HALF = TARGET.hidden_size // 2
SHAPES = {
    "wide_1": TARGET.replace(num_layers=1),
    "wide_2": TARGET.replace(num_layers=2),
    NARROW: TARGET.replace(
        hidden_size=_HALF,
        num_heads=TARGET.num_heads // 2,
        num_layers=6,
        intermediate_size=swiglu_width(_HALF),
    ),
}
"""Two wide and shallow drafts, and a deep one with as many weights as the first."""
MILLION = 1e6
DASHES = {"wide_1": "solid", "wide_2": "dash", NARROW: "dot"}


@dataclass(frozen=True)
class DraftsParams(Params):
    """`acceptance` of every shape alike; `cached` tokens stand before the step."""

    acceptance: float = real(0.65, 0.0, 1.0, step=0.05, primary=True, view=True, label="draft_acceptance")
    cached: int = whole(512, 16, 2048, step=16, unit="tokens", label="context")


class DraftsView(TypedDict):
    """Speedup over plain decoding by draft length from 1, and the best length of each shape."""

    acceptance: float
    speedup: dict[str, list[float]]
    best: dict[str, int]


class DraftsResult(TypedDict):
    """`verify_ratio`: a pass over `VERIFIED` drafts and one more token, in plain steps."""

    costs: dict[str, Cost]
    verify_ratio: float
    view: NotRequired[DraftsView]


class Drafts(Experiment[DraftsParams, DraftsResult]):
    """A step of each shape over a step of the target, and what that leaves of the speedup."""

    id = "q08/drafts"

    def seconds(self, params: DraftsParams, device: DeviceClass) -> float:
        return 2.0 + PerDevice(cpu=3.0, cuda=4.0).on(device)

    def measure(self, params: DraftsParams, ctx: Context) -> DraftsResult:
        """All steps over full caches, on CUDA as graphs; timed in turn with the target's."""
        from labs.q08_speedup.speculation import step_costs
        from labs.tools.models import untrained

        ctx.progress(0.0, "loading")
        dtype = ctx.model().model.head_weight.dtype
        models = {}
        for name, shape in {"target": TARGET, **SHAPES}.items():
            ctx.check_cancelled()
            models[name] = untrained(shape, ctx.device).to(dtype).eval()
        costs, verify = step_costs(
            models.pop("target"),
            models,
            VERIFIED,
            params.cached,
            SECONDS.on(ctx.device),
            ctx.part(0.1, 1.0, "timing"),
        )
        return {"costs": costs, "verify_ratio": verify}

    def view(self, params: DraftsParams, result: DraftsResult) -> DraftsView:
        """Yield over cost; a verifying pass costs as much more as it is longer."""
        gains = {
            name: speedups(params.acceptance, cost["median"], result["verify_ratio"], VERIFIED, LONGEST)
            for name, cost in result["costs"].items()
        }
        best = {name: 1 + curve.index(max(curve)) for name, curve in gains.items()}
        return {"acceptance": params.acceptance, "speedup": gains, "best": best}

    def show(self, result: DraftsResult, text: Words) -> Shown:
        """`cost`: of a step by shape, beside its shares; `gain`: what is left of it, by draft length."""
        costs, view = result["costs"], result["view"]
        names = {name: text(f"shape.{name}") for name in costs}
        rows: list[Row] = [
            {
                text("shape"): text(f"shape.{name}"),
                text("million_weights"): num_parameters(SHAPES[name]) / MILLION,
                text("share_of_weights"): 100 * cost["weights"],
                text("share_of_layers"): 100 * cost["layers"],
                text("draft_cost"): f"{cost['median']:.3f} ({cost['low']:.3f}–{cost['high']:.3f})",
                text("best_length"): view["best"][name],
                text("gain"): max(view["speedup"][name]),
            }
            for name, cost in costs.items()
        ]
        narrow = costs[NARROW]
        return Shown(
            {"cost": _cost(costs, text), "gain": gains_by_length(view["speedup"], names, DASHES, text)},
            rows,
            notes=[
                text("drafts.sentence", verify=short_number(result["verify_ratio"]), drafts=VERIFIED),
                _compared(costs, text),
                _best(view, text),
            ],
            numbers={
                f"{text('draft_cost')}, {text(f'shape.{name}')}": c["median"] for name, c in costs.items()
            },
            sentence={
                "said": narrow["weights"],
                "formula": narrow["layers"],
                "measured": narrow["median"],
                "unit": text("plain_steps"),
                "low": narrow["low"],
                "high": narrow["high"],
            },
        )


def _compared(costs: dict[str, Cost], text: Words) -> str:
    """What two drafts of one size cost."""
    wide, narrow = costs["wide_1"]["median"], costs[NARROW]["median"]
    return text("drafts.compared", narrow=f"{narrow:.2f}", wide=f"{wide:.2f}", times=f"{narrow / wide:.1f}")


def _best(view: DraftsView, text: Words) -> str:
    """The shape that gains most at this acceptance; none may."""
    gains = {name: max(curve) for name, curve in view["speedup"].items()}
    name = max(gains, key=gains.__getitem__)
    key = "drafts.best" if gains[name] > 1 else "drafts.none"
    acceptance, most = f"{view['acceptance']:.2f}", f"{gains[name]:.2f}"
    return text(key, shape=text(f"shape.{name}"), acceptance=acceptance, most=most, length=view["best"][name])


def _cost(costs: dict[str, Cost], text: Words) -> Figure:
    """Bars with quartiles; what the weights alone and the layers alone would say as marks."""
    figure, names = Figure(), [text(f"shape.{name}") for name in costs]
    medians = [cost["median"] for cost in costs.values()]
    hover = "%{x}: %{y:.3f}"
    ends = [{"low": cost["low"], "high": cost["high"]} for cost in costs.values()]
    error = error_bars(medians, ends)
    figure.bars(names, medians, "measured", text("measured"), hover=hover, error_y=error)
    for key, role, symbol in (("weights", "said", "diamond-open"), ("layers", "formula", "diamond")):
        shares = [cost[key] for cost in costs.values()]  # type: ignore[literal-required]
        figure.marks(names, shares, role, text(f"if_{key}"), symbol=symbol, size=12, hover=hover)  # type: ignore[arg-type]
    figure.y_axis(text("draft_cost"), from_zero=True)
    return figure
