"""One optimizer step of a trained small model under FP16 autocast, in six orders of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, ThreeNumbers, Words
from labs.contract.drawing import Figure, power_ticks
from labs.contract.fields import real, whole
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number

SMALL_MODEL = "nano-rope"
MICRO_LENGTH = 64
FAR_RIGHT = 1e3
"""The label of a larger norm stands on its left."""


@dataclass(frozen=True)
class OrdersParams(Params):
    """What the step is made with."""

    accumulation: int = whole(4, 1, 8, primary=True)
    scale_exponent: int = whole(16, 0, 20, primary=True)
    clip_norm: float = real(1.0, 0, 100, step=0.1, above_minimum=True)


class Tried(TypedDict):
    """Norm of the gradient that the optimizer was handed and its error against FP32, None where it never ran.

    `error` is torch's own.
    """

    norm: float | None
    relative_error: float | None
    error: str


class Clipped(TypedDict):
    """The norm to clip at, and what is left of it where clipping comes before unscaling."""

    clip_norm: float
    unscaled: float


class OrdersResult(TypedDict):
    """What became of each order, and the norm of the FP32 gradient after clipping."""

    orders: dict[str, Tried]
    clipped_norm: NotRequired[float]
    scaling_is_exact: NotRequired[bool]
    view: NotRequired[Clipped]


class Orders(Experiment[OrdersParams, OrdersResult]):
    """The gradient that reaches the optimizer, by order of the calls."""

    def seconds(self, params: OrdersParams, device: DeviceClass) -> float:
        return PerDevice(cpu=1 + params.accumulation * 0.6, cuda=1.0).on(device)

    def measure(self, params: OrdersParams, ctx: Context) -> OrdersResult:
        from labs.q10_grad_scaler import optimizer_calls
        from labs.tools import heldout
        from labs.tools.gradients import norm, relative_error

        ctx.progress(0.0, "loading_model", model=SMALL_MODEL)
        loaded = ctx.model(SMALL_MODEL)
        model, texts = loaded.model, heldout.training("code")[:2]
        rows = heldout.windows(loaded.tokenizer, texts, params.accumulation, MICRO_LENGTH, 0).to(ctx.device)
        scale = 2.0**params.scale_exponent
        ctx.progress(0.1, "backward", precision="FP32")
        true, _ = optimizer_calls.true_gradient(model, rows, params.clip_norm)
        exact = optimizer_calls.scaling_is_exact(model, rows, scale)
        on_progress = ctx.part(0.2, 1.0, "calls")
        orders: dict[str, Tried] = {}
        for index, order in enumerate(optimizer_calls.ORDERS):
            on_progress(index / len(optimizer_calls.ORDERS))
            step = optimizer_calls.Step(model, rows.split(1), params.clip_norm, scale)
            error, handed = optimizer_calls.tried(order, step), step.handed
            orders[order.__name__] = {
                "norm": norm(handed) if handed else None,
                "relative_error": relative_error(handed, true) if handed else None,
                "error": error,
            }
            ctx.emit({"orders": dict(orders)})
        return {"orders": orders, "clipped_norm": norm(true), "scaling_is_exact": exact}

    def so_far(self, params: OrdersParams, partials: Partials) -> OrdersResult:
        return {"orders": partials[-1]["orders"]}

    def view(self, params: OrdersParams, result: OrdersResult) -> Clipped:
        return {"clip_norm": params.clip_norm, "unscaled": params.clip_norm / 2**params.scale_exponent}

    def show(self, result: OrdersResult, text: Words) -> Shown:
        orders = {text(f"order.{name}"): tried for name, tried in result["orders"].items()}
        rows: list[Row] = []
        for name, tried in orders.items():
            norm, error = tried["norm"], tried["relative_error"]
            rows.append(
                {
                    text("order"): name,
                    text("axis.norm"): "–" if norm is None else norm,
                    text("relative_error"): "–" if error is None else 100 * error,
                    text("library"): tried["error"] or "–",
                }
            )
        notes = [text("note.exact")] if result.get("scaling_is_exact") else []
        if refused := result["orders"].get("fp16_parameters"):
            notes.append(text("note.refused", error=refused["error"]))
        sentence: ThreeNumbers | None = None
        first = result["orders"].get("clip_first")
        if first and "view" in result and (clipped := first["norm"]) is not None:
            notes.insert(0, text("orders.sentence"))
            said, formula = result["view"]["clip_norm"], result["view"]["unscaled"]
            sentence = {"said": said, "formula": formula, "measured": clipped, "unit": ""}
        return Shown(
            {"handed": _handed(orders, result.get("clipped_norm", 1.0), text)},
            rows,
            notes,
            numbers={
                f"{name}: {text('axis.norm')}": tried["norm"]
                for name, tried in orders.items()
                if tried["norm"] is not None
            },
            sentence=sentence,
        )


def _handed(orders: dict[str, Tried], right: float, text: Words) -> Figure:
    """The norm that each order handed over, its error beside it, on a line at the right norm."""
    figure = Figure()
    ran = {name: tried["norm"] for name, tried in orders.items() if tried["norm"] is not None}
    stopped = {name: tried["error"] for name, tried in orders.items() if tried["norm"] is None}
    if ran:
        figure.marks(
            list(ran.values()),
            list(ran),
            "measured",
            text("handed"),
            hover="%{y}: %{x:.4g}",
            size=13,
            text=[f"  {short_number(100 * (orders[name]['relative_error'] or 0))}%  " for name in ran],
            textposition=["middle left" if norm > FAR_RIGHT else "middle right" for norm in ran.values()],
        )
    if stopped:
        figure.marks(
            [right] * len(stopped),
            list(stopped),
            "said",
            text("stopped"),
            hover="%{y}",
            size=13,
            symbol="x",
            text=[f"  {error.partition(':')[0]}" for error in stopped.values()],
            textposition="middle right",
        )
    figure.line([right] * len(orders), list(orders), "formula", text("right_norm"))
    figure.x_axis(text("axis.norm"), log=True, span=(-8, 10), ticks=power_ticks(1e-8, 1e10, every=4))
    figure.y_axis(category=True, categoryorder="array", categoryarray=list(orders)[::-1])
    return figure
