"""What anomaly mode says of each way to write the loss, and what it costs while it is on."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure
from labs.q02_empty_text.formulas import FORMULAS, is_poisonous
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q02_empty_text.training_steps import MicroBatch
    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind

SMALL_MODEL = "nano-rope"
ROWS, LENGTH = 4, 32
SECONDS = PerDevice(cpu=2.0, cuda=1.0)
"""How long the two modes are timed in turn."""


@dataclass(frozen=True)
class AnomalyParams(Params):
    """So many of the four rows are empty."""

    empty_rows: int = whole(ROWS, 0, ROWS, primary=True)


class Named(TypedDict):
    """What one loss printed (None is NaN), and the operation and line that were named, empty for none."""

    loss: float | None
    operation: str
    line: str


class AnomalyResult(TypedDict):
    """By loss. `raised` counts those that were stopped, `printed_nan` those whose loss was no number.

    `cost` is forward and backward with the mode over those without it, round by round; `check` is the same
    for a look at whether the loss is finite before the backward pass.
    """

    named: dict[str, Named]
    raised: int
    counted: int
    printed_nan: int
    cost: dict[str, float]
    check: dict[str, float]
    milliseconds: dict[str, float]
    clock: str


class Anomaly(Experiment[AnomalyParams, AnomalyResult]):
    """A small trained model's backward pass under `detect_anomaly`, for each loss, and timed in turn."""

    def seconds(self, params: AnomalyParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.0, cuda=2.0).on(device) + SECONDS.on(device)

    def formula(self, params: AnomalyParams) -> Data:
        """Losses whose gradient is NaN, by counting."""
        return {"raised": _counted(params)}

    def measure(self, params: AnomalyParams, ctx: Context) -> AnomalyResult:
        import torch

        from labs.tools.interleaved import clock, interleaved, middle, ratios

        ctx.progress(0.0, "loading_model", model=SMALL_MODEL)
        model, good, bad = _prepared(ctx.model(SMALL_MODEL), params.empty_rows, ctx.device)
        on_progress = ctx.part(0.1, 0.3, "naming")
        named = {}
        for index, formula in enumerate(FORMULAS):
            on_progress(index / len(FORMULAS))
            named[formula] = _named(model, bad, formula)

        def passes(anomaly: bool, check: bool = False) -> None:
            with torch.autograd.set_detect_anomaly(anomaly):
                loss = _loss(model, good, "masked_mean")
                if not check or bool(loss.isfinite()):
                    loss.backward()
            model.zero_grad()

        with warnings.catch_warnings(action="ignore"):
            times = interleaved(
                {
                    "off": lambda: passes(False),
                    "on": lambda: passes(True),
                    "check": lambda: passes(False, check=True),
                },
                ctx.device,
                SECONDS.on(ctx.device),
                ctx.part(0.3, 1.0, "timing"),
            )
        return {
            "named": named,
            "raised": sum(bool(each["operation"]) for each in named.values()),
            "counted": _counted(params),
            "printed_nan": sum(each["loss"] is None for each in named.values()),
            "cost": ratios(times["on"], times["off"]),
            "check": ratios(times["check"], times["off"]),
            "milliseconds": {name: 1e3 * middle(each)["median"] for name, each in times.items()},
            "clock": clock(ctx.device),
        }

    def show(self, result: AnomalyResult, text: Words) -> Shown:
        """`cost`: a training step's forward and backward, in three ways; the table has what was named."""
        rows: list[Row] = [
            {
                text("formula"): text(f"formula.{formula}"),
                text("loss"): text("nan") if named["loss"] is None else short_number(named["loss"]),
                text("anomaly.operation"): named["operation"] or text("anomaly.silent"),
                text("anomaly.line"): named["line"] or "–",
            }
            for formula, named in result["named"].items()
        ]
        figure = Figure(height=240)
        for name, role in (("off", "peer"), ("check", "measured"), ("on", "said")):
            figure.bars(
                [result["milliseconds"][name]],
                [text(f"anomaly.{name}")],
                role,  # type: ignore[arg-type]
                labels=" {:.3g} ms",
                horizontal=True,
                hover="%{y}: %{x:.3g} ms",
                showlegend=False,
            )
        highest = max(result["milliseconds"].values())
        figure.x_axis(text(f"axis.{result['clock']}_ms"), span=(0, 1.5 * highest))
        figure.y_axis(category=True, reverse=True, showgrid=False)
        notes = [
            text("anomaly.sentence", nan=result["printed_nan"]),
            text("anomaly.cost", check=result["check"]["median"], **result["cost"]),
            text("anomaly.change"),
        ]
        return Shown(
            {"cost": figure},
            rows,
            notes,
            numbers={text("anomaly.ratio"): result["cost"]["median"]},
            sentence={
                "said": len(FORMULAS),
                "formula": result["counted"],
                "measured": result["raised"],
                "unit": text("guards.unit"),
            },
        )


def _prepared(loaded: LoadedModel, empty_rows: int, device: str) -> tuple[MiniMind, MicroBatch, MicroBatch]:
    """A copy of the model, a batch of ordinary rows, and one with empty rows."""
    from labs.q02_empty_text.row_kinds import LoadedRow, bad_row
    from labs.q02_empty_text.training_steps import MicroBatch, training_copy
    from labs.tools import heldout

    ids = heldout.windows(loaded.tokenizer, heldout.training("code")[:1], ROWS, LENGTH, 0).tolist()
    good = [LoadedRow(row, [True] * len(row)) for row in ids]
    empty = [bad_row("empty", loaded.tokenizer, "bare", LENGTH)] * empty_rows
    batches = [
        MicroBatch.of(rows, loaded.config.pad_id, LENGTH, device)
        for rows in (good, [*good[: ROWS - empty_rows], *empty])
    ]
    return training_copy(loaded.model, loaded.config.tie_word_embeddings), batches[0], batches[1]


def _loss(model: MiniMind, batch: MicroBatch, formula: str) -> Tensor:
    from labs.q02_empty_text.losses import LOSSES

    return LOSSES[formula](model(batch.ids[:, :-1]), batch.ids[:, 1:], batch.mask)


def _named(model: MiniMind, batch: MicroBatch, formula: str) -> Named:
    """The operation and the line of our code that anomaly mode stops at."""
    import torch

    operation = line = ""
    with warnings.catch_warnings(record=True) as caught, torch.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always")
        loss = _loss(model, batch, formula)
        try:
            loss.backward()
        except RuntimeError as error:
            found = re.search(r"'(\w+)'", str(error))
            operation, line = found[1] if found else str(error), _last_line(caught)
    model.zero_grad()
    value = float(loss.detach())
    return {"loss": value if math.isfinite(value) else None, "operation": operation, "line": line}


def _last_line(caught: list[warnings.WarningMessage]) -> str:
    """The innermost line of the forward call, as the warning's traceback has it."""
    said = [str(each.message) for each in caught if "Traceback of forward call" in str(each.message)]
    lines = [line.strip() for line in said[-1].splitlines() if line.strip()] if said else []
    code = [line for line in lines if not line.startswith(("File ", "(Triggered", "^", "~"))]
    return code[-1] if code else ""


def _counted(params: AnomalyParams) -> int:
    return sum(is_poisonous(formula, ROWS, params.empty_rows) for formula in FORMULAS)
