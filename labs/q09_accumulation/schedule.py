"""The learning rate of every update, and what becomes of it where somebody counts micro-batches for updates.

A real loop with torch's LambdaLR says how far a weight moves at each update, minimind_core's own trainer what
rate its optimizer had, and arithmetic stands beside both.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    OnProgress,
    Params,
    Row,
    Shown,
    ThreeNumbers,
    Words,
)
from labs.contract.drawing import Figure
from labs.contract.fields import ParamError, choice, whole
from minimind_core.model.config import ModelConfig
from minimind_core.training.training_config import ScheduleKind, TrainingConfig, learning_rate_factor

SCHEDULES = ("cosine", "linear", "wsd", "constant", "minimind")
"""Those of minimind_core's trainer, and upstream MiniMind's, which has no warm-up."""
COUNTINGS = ("updates", "warmup", "both", "step", "total")
"""Nothing but updates; or micro-batches for the steps done and in all (`both` has the warm-up, too), for the
steps done alone, or for those in all alone."""
LENGTH = 4
"""Tokens of a row that the trainer trains on."""
PEAK_RATE = 1e-3
TINY = ModelConfig(
    vocab_size=8,
    hidden_size=8,
    num_layers=1,
    num_heads=1,
    num_kv_heads=1,
    head_dim=8,
    intermediate_size=8,
    max_length=LENGTH,
)
"""The rate is the same for any model, so the smallest one will do."""
FLAT = 1e-6
"""Rates closer than this share of the peak are equal."""
NEAR = 0.02
"""A mean rate that is off by less is that of steps of another size, not of another schedule."""
MARKS = 40
"""Of a curve with more updates every n-th is marked."""

Rates = NDArray[np.float32]


@dataclass(frozen=True)
class ScheduleParams(Params):
    """Warm-up and length are meant in updates."""

    schedule: str = choice("cosine", SCHEDULES, primary=True)
    counting: str = choice("warmup", COUNTINGS, primary=True)
    steps: int = whole(8, 1, 16, primary=True, low_sentence="Accumulation steps must be at least 1.")
    updates: int = whole(200, 10, 400, step=10)
    warmup_updates: int = whole(20, 0, 200)

    def check_together(self) -> None:
        """The warm-up ends before the run does."""
        if self.warmup_updates >= self.updates:
            raise ParamError(
                "together",
                "warmup_updates",
                f"The warm-up must be shorter than the run of {self.updates} updates.",
                key="q09.warmup_updates.together",
                updates=self.updates,
            )


class Course(TypedDict):
    """By update, over the peak: the rate as it is and as it was meant. `peak_update` is the first with the
    highest rate, counted from 1; `mean_ratio` the mean rate over the one that was meant."""

    rates: Rates
    meant: Rates
    start: float
    peak_update: int
    mean_ratio: float
    end: float


class ScheduleResult(Course):
    """`trainer` is what minimind_core's optimizer had, where it has this schedule."""

    schedule: str
    warmup_updates: int
    trainer: NotRequired[Rates]
    formula: NotRequired[Course]


class Schedule(Experiment[ScheduleParams, ScheduleResult]):
    """Warm-up and decay over the updates of a run, counted rightly and wrongly."""

    drawn_by_formula = True

    def seconds(self, params: ScheduleParams, device: DeviceClass) -> float:
        return 0.3 + params.updates * (1e-3 + params.steps * 1e-3)

    def formula(self, params: ScheduleParams) -> ScheduleResult:
        return _result(params, _course(params, arithmetic(params)))

    def measure(self, params: ScheduleParams, ctx: Context) -> ScheduleResult:
        """The rate is read off a weight whose gradient is 1, and off the trainer's optimizer."""
        import torch

        on_progress = ctx.part(0.0, 0.3, "looping")
        weight = torch.zeros((), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([weight], lr=1.0)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: multiplier(params, step))
        moves = []
        for place in range(params.updates * params.steps):
            (weight / params.steps).backward()
            ends_window = (place + 1) % params.steps == 0
            if ends_window:
                on_progress(place / (params.updates * params.steps))
                before = weight.item()
                optimizer.step()
                optimizer.zero_grad()
                moves.append(before - weight.item())
            if ends_window or steps_by_micro_batch(params):
                with warnings.catch_warnings():  # torch warns of a scheduler that steps before the optimizer
                    warnings.simplefilter("ignore")
                    scheduler.step()
        measured = _result(params, _course(params, np.array(moves)))
        measured["formula"] = _course(params, arithmetic(params))
        if params.schedule != "minimind":
            config = TrainingConfig(
                steps=params.updates,
                batch_size=params.steps,
                grad_accum=params.steps,
                seq_len=LENGTH,
                learning_rate=PEAK_RATE,
                schedule=cast(ScheduleKind, params.schedule),
                warmup_steps=params.warmup_updates,
            )
            measured["trainer"] = _trainer_rates(config, ctx.part(0.3, 1.0, "trainer"))
        return measured

    def show(self, result: ScheduleResult, text: Words) -> Shown:
        """`course`: the rate by update, as it is and as it was meant."""
        formula, trainer = result.get("formula"), result.get("trainer")
        rows: list[Row] = [
            {
                text("axis.course"): text(name),
                text("rate_start"): round(float(rates[0]), 4),
                text("peak_update"): peak_update(rates),
                text("rate_mean"): round(float(rates.mean() / result["meant"].mean()), 4),
                text("rate_end"): round(float(rates[-1]), 4),
            }
            for name, rates in _curves(result).items()
        ]
        sentence: ThreeNumbers | None = None
        if formula is not None:
            sentence = _sentence(result, formula, text)
        notes = [text("schedule.start" if result["schedule"] == "minimind" else "schedule.sentence")]
        if trainer is not None:
            apart = float(np.abs(trainer - result["meant"]).max())
            notes.append(text("note.trainer" if apart < FLAT else "note.trainer_apart", apart=apart))
        late = peak_update(result["rates"]) != peak_update(result["meant"])
        wrong = abs(result["mean_ratio"] - 1) > NEAR or late
        notes.append(text("note.miscounted" if wrong else "note.counted", ratio=result["mean_ratio"]))
        notes.append(text("schedule.change"))
        numbers = {
            text("peak_update"): float(result["peak_update"]),
            text("rate_mean"): result["mean_ratio"],
            text("rate_end"): result["end"],
        }
        return Shown({"course": _figure(result, text)}, rows, notes, numbers, sentence)


def steps_by_micro_batch(params: ScheduleParams) -> bool:
    """Whether the scheduler steps after every micro-batch."""
    return params.counting in ("warmup", "both", "step")


def multiplier(params: ScheduleParams, step: int) -> float:
    """Of the peak rate, at a step of the scheduler.

    A line is over where it ends; a cosine that goes on too long rises again, in torch's CosineAnnealingLR and
    in transformers' schedule alike.
    """
    total = params.updates * (params.steps if params.counting in ("warmup", "both", "total") else 1)
    if params.schedule == "minimind":
        return 0.1 + 0.5 * (1 + math.cos(math.pi * step / total))
    warmup = params.warmup_updates * (params.steps if params.counting == "both" else 1)
    return max(0.0, learning_rate_factor(cast(ScheduleKind, params.schedule), step, total, warmup))


def arithmetic(params: ScheduleParams) -> NDArray[np.float64]:
    """The multiplier at every update: a scheduler that steps by micro-batch stands at the window's last."""
    every = params.steps if steps_by_micro_batch(params) else 1
    return np.array([multiplier(params, (update + 1) * every - 1) for update in range(params.updates)])


def peak_update(rates: Rates) -> int:
    """The first update, counted from 1, whose rate is the highest.

    >>> peak_update(np.array([0.5, 1.0, 1.0], np.float32))
    2
    """
    return int(np.argmax(rates >= rates.max() - FLAT)) + 1


def _trainer_rates(config: TrainingConfig, on_progress: OnProgress) -> NDArray[np.float32]:
    """Train on one batch of ids: the rate that the trainer gives its optimizer, over the configured one."""
    import torch

    from labs.tools.heldout import Stretches
    from labs.tools.models import untrained
    from minimind_core.training.trainer import Trainer

    ids = torch.arange(config.batch_size * (config.seq_len + 1)) % TINY.vocab_size
    rows = ids.view(config.batch_size, config.seq_len + 1)
    trainer = Trainer(untrained(TINY, "cpu"), Stretches(rows, config.batch_size), config)
    rates = []
    for record in trainer.steps():
        on_progress((record.step + 1) / config.steps)
        rates.append(trainer.optimizers[0].param_groups[0]["lr"] / config.learning_rate)
    return np.array(rates, np.float32)


def _course(params: ScheduleParams, rates: NDArray[np.float64]) -> Course:
    right = ScheduleParams(**{**params.to_dict(), "counting": "updates"})
    meant = arithmetic(right)
    return {
        "rates": rates.astype(np.float32),
        "meant": meant.astype(np.float32),
        "start": float(rates[0]),
        "peak_update": peak_update(rates.astype(np.float32)),
        "mean_ratio": float(rates.mean() / meant.mean()),
        "end": float(rates[-1]),
    }


def _result(params: ScheduleParams, course: Course) -> ScheduleResult:
    return {**course, "schedule": params.schedule, "warmup_updates": params.warmup_updates}


def _sentence(result: ScheduleResult, formula: Course, text: Words) -> ThreeNumbers:
    """When the warm-up is over; of MiniMind's schedule, which has none, where it starts."""
    if result["schedule"] == "minimind":
        return {"said": 1.0, "formula": formula["start"], "measured": result["start"], "unit": "×"}
    return {
        "said": max(result["warmup_updates"], 1),
        "formula": formula["peak_update"],
        "measured": result["peak_update"],
        "unit": text("unit_updates"),
    }


def _curves(result: ScheduleResult) -> dict[str, Rates]:
    found = {"meant": result["meant"], "this_loop": result["rates"]}
    return found | ({"trainer": result["trainer"]} if "trainer" in result else {})


def _figure(result: ScheduleResult, text: Words) -> Figure:
    """Grey is what was meant, blue what the counting makes of it, green what a weight and the trainer say."""
    figure, hover = Figure(height=380), "%{x}: %{y:.3f}×"
    updates = np.arange(1, len(result["rates"]) + 1)
    figure.line(updates, result["meant"], "peer", text("meant"), hover=hover, width=6)
    expected = result.get("formula", result)["rates"]
    figure.line(updates, expected, "formula", text("formula"), hover=hover, width=2)
    every = slice(None, None, max(1, len(updates) // MARKS))

    def mark(rates: Rates, name: str, **look: Any) -> None:
        figure.marks(updates[every], rates[every], "measured", text(name), hover=hover, **look)

    if "formula" in result:
        mark(result["rates"], "this_loop", symbol="circle")
    if "trainer" in result:
        mark(result["trainer"], "trainer", symbol="diamond-open", size=9)
    figure.x_axis(text("axis.update_number"), span=(0, len(updates) * 1.02))
    figure.y_axis(text("axis.course"), span=(0, 1.2))
    return figure
