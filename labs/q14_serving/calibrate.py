"""What a step of our engine takes here at several batches: a constant and a slope, and what they can serve.

The engine is the one that the load experiment serves with; every row runs all the time. Prompts are not
part of it: they come on top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice, table, whole
from labs.contract.drawing import Figure, error_bars
from labs.contract.experiment import ThreeNumbers
from labs.q14_serving.curves import SECOND, fit, given, given_list, table_line
from labs.tools.budgets import PerDevice

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
LARGEST = PerDevice(cpu=32, cuda=512)
SECONDS = PerDevice(cpu=2.0, cuda=2.0)
"""For all timings together; making the engines comes on top."""
TABLE_BATCHES = [int(batch) for batch in given_list("table_batches")]


@dataclass(frozen=True)
class CalibrateParams(Params):
    """`max_batch` 0 goes as far as is quick on the device."""

    max_batch: int = choice(0, (0, *BATCHES[2:]), primary=True)
    tokens: int = whole(50, 1, 200, primary=True)


class CalibrateResult(TypedDict):
    """`step_milliseconds` are medians by batch; `requests_per_second` those of the fit at the table's."""

    tokens: int
    batches: list[int]
    step_milliseconds: list[float]
    spread: list[dict[str, float]]
    alpha: float
    beta: float
    r2: float
    requests_per_second: list[float]
    tokens_per_second: list[float]
    goal_rows: int


class Calibrate(Experiment[CalibrateParams, CalibrateResult]):
    """Steps of engines with 1, 2, 4 … rows, timed in turn, and the line through them."""

    def seconds(self, params: CalibrateParams, device: DeviceClass) -> float:
        largest = params.max_batch or LARGEST.on(device)
        return SECONDS.on(device) + 1.0 + largest * (0.02 if device == "cuda" else 0.13)

    def measure(self, params: CalibrateParams, ctx: Context) -> CalibrateResult:
        """Every round times all batches, each time in another order."""
        import torch

        from labs.q14_serving.calibration import FullBatch
        from labs.tools.interleaved import interleaved, middle

        ctx.progress(0.0, "loading")
        model = ctx.model().model
        largest = params.max_batch or LARGEST.on(ctx.device)
        batches = [batch for batch in BATCHES if batch <= largest]
        ways: dict[str, Callable[[], object]] = {}
        with torch.inference_mode():
            on_progress = ctx.part(0.05, 0.5, "filling")
            for index, batch in enumerate(batches):
                full = FullBatch(model, batch)
                full.fill(partial(on_progress, index / len(batches)))
                ways[str(batch)] = full.step
            on_progress = ctx.part(0.5, 1.0, "timing")
            times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), on_progress)
        middles = [middle([SECOND * each for each in times[str(batch)]]) for batch in batches]
        steps = [each["median"] for each in middles]
        line = fit(batches, steps)
        fast_enough = [batch for batch in range(1, 4096) if params.tokens * line.step(batch) < given("goal")]
        return {
            "tokens": params.tokens,
            "batches": batches,
            "step_milliseconds": steps,
            "spread": [{"low": each["low"], "high": each["high"]} for each in middles],
            "alpha": line.alpha,
            "beta": line.beta,
            "r2": line.r2,
            "requests_per_second": [
                line.requests_per_second(batch, params.tokens) for batch in TABLE_BATCHES
            ],
            "tokens_per_second": [SECOND * batch / step for batch, step in zip(batches, steps, strict=True)],
            "goal_rows": max(fast_enough, default=0),
        }

    def show(self, result: CalibrateResult, text: Words) -> Shown:
        """`step`: medians and the line, beside the table's; `rate`: requests a second by batch."""
        rows = table(
            {
                text("axis.batch"): result["batches"],
                text("axis.step"): result["step_milliseconds"],
                text("low"): [spread["low"] for spread in result["spread"]],
                text("high"): [spread["high"] for spread in result["spread"]],
                text("per_second"): result["tokens_per_second"],
            }
        )
        rates, three = result["requests_per_second"], _three(result, text)
        return Shown(
            {"step": _step(result, text), "rate": _rate(result, text)},
            rows,
            notes=[
                *(
                    [text("calibrate.sentence", batch=TABLE_BATCHES[-1], tokens=result["tokens"])]
                    * bool(three)
                ),
                text("calibrate.line", alpha=result["alpha"], beta=result["beta"], r2=result["r2"]),
                _capacity(result, text),
            ],
            numbers={
                "alpha (ms)": result["alpha"],
                "beta (ms)": result["beta"],
                text("largest_rate"): rates[-1],
            },
            sentence=three,
        )


def _capacity(result: CalibrateResult, text: Words) -> str:
    """How many rows answer in time; the line is not trusted beyond what was timed."""
    enough, timed = result["goal_rows"], result["batches"][-1]
    key = "infeasible" if not enough else "capacity" if enough < timed else "beyond"
    return text(f"calibrate.{key}", rows=min(enough, timed), tokens=result["tokens"], goal=given("goal"))


def _three(result: CalibrateResult, text: Words) -> ThreeNumbers | None:
    """Requests a second at the table's largest batch, where that was timed."""
    batch = TABLE_BATCHES[-1]
    if batch not in result["batches"]:
        return None
    return {
        "said": _table_rates(result)[-1],
        "formula": result["requests_per_second"][-1],
        "measured": _timed_rates(result)[batch],
        "unit": text("requests_unit"),
    }


def _table_rates(result: CalibrateResult) -> list[float]:
    """Requests a second that the table's tokens a second are, with replies of this length."""
    return (given_list("table_rates") * given("tokens") / result["tokens"]).tolist()


def _timed_rates(result: CalibrateResult) -> dict[int, float]:
    """Requests a second by batch, where it was timed."""
    timed = zip(result["batches"], result["step_milliseconds"], strict=True)
    return {batch: SECOND * batch / (result["tokens"] * step) for batch, step in timed}


def _step(result: CalibrateResult, text: Words) -> Figure:
    figure, batches, steps = Figure(), result["batches"], result["step_milliseconds"]
    ends = [0, batches[-1]]
    table = table_line()
    figure.line(
        ends,
        [result["alpha"] + result["beta"] * batch for batch in ends],
        "formula",
        text("fitted"),
        hover="%{x}: %{y:.4g} ms",
    )
    said = [TABLE_BATCHES[0], TABLE_BATCHES[-1]]  # of larger batches it says nothing
    figure.line(said, [table.step(batch) for batch in said], "said", text("table"), hover="%{x}: %{y:.4g} ms")
    figure.marks(
        batches,
        steps,
        "measured",
        text("measured"),
        size=10,
        hover="%{x}: %{y:.4g} ms",
        error_y=error_bars(steps, result["spread"]),
    )
    figure.x_axis(text("axis.batch"))
    figure.y_axis(text("axis.step"), from_zero=True)
    return figure


def _rate(result: CalibrateResult, text: Words) -> Figure:
    figure = Figure(height=320, barmode="group")
    names, timed = [str(batch) for batch in TABLE_BATCHES], _timed_rates(result)
    here = {str(batch): timed[batch] for batch in TABLE_BATCHES if batch in timed}
    said = _table_rates(result)
    figure.bars(names, said, "said", text("table"), labels="{:.3g}", hover="%{x}: %{y:.3g}")
    figure.bars(
        list(here), list(here.values()), "measured", text("measured"), labels="{:.3g}", hover="%{x}: %{y:.3g}"
    )
    figure.x_axis(text("axis.batch"), category=True)
    figure.y_axis(text("axis.rate"), from_zero=True)
    return figure
