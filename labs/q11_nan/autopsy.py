"""One of twelve faults, planted in a training run of the real model: where numbers stop being finite.

The run is unguarded unless it is told to skip steps whose gradient is not finite, so that the damage spreads
as it would. A label beyond the vocabulary ends a CUDA process: it is tried on the CPU wherever the run is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure
from labs.contract.fields import ParamError, choice, real, switch, whole
from labs.q11_nan.cases import FAULTS, OPTIMIZERS, Case, Recipe
from labs.q11_nan.claims import given
from labs.q11_nan.first_bad import Found, first_bad, number, told
from labs.q11_nan.formats import FORMATS
from labs.q11_nan.places import places, worst
from labs.tools.budgets import PerDevice

BATCH = PerDevice(cpu=(2, 32), cuda=(8, 256))
"""Rows of a step, and their tokens."""
CLIPS: dict[str, float | None] = {"off": None, "0.1": 0.1, "1.0": 1.0, "10": 10.0}
STRIKE = 2
"""The step, counted from 0, in which the fault begins."""
SIZES = ("chosen", "nano-rope")
"""The checkpoint that all labs run, or the small model, for which hundreds of steps are seconds."""
FEW = 20
"""Steps up to which each cell says what it holds; in a longer run the first of a row of equal ones does."""


@dataclass(frozen=True)
class AutopsyParams(Params):
    """Which fault, for how long, whether steps are skipped that have no finite gradient, model and recipe."""

    fault: str = choice("inf_in_up_proj", FAULTS, primary=True)
    steps: int = whole(5, 4, 200, primary=True)
    guard: bool = switch(False, primary=True)
    size: str = choice("chosen", SIZES)
    number_format: str = choice("auto", ("auto", *FORMATS), label="format")
    optimizer: str = choice("adamw", OPTIMIZERS)
    learning_rate: float = real(
        1e-4, 0, 1e3, step=1e-5, above_minimum=True, low_sentence="Learning rate must be positive."
    )
    clip: str = choice("1.0", tuple(CLIPS))

    def check_together(self) -> None:
        """Raise ParamError for a fault that the recipe does not allow."""
        if self.fault == "fp16_overflow" and self.number_format in ("fp32", "bf16"):
            raise ParamError(
                "together",
                "number_format",
                f"{self.number_format} has the range of fp32: this fault cannot fire. Try fp16.",
                key="q11.format.range",
                format=self.number_format,
            )
        if self.fault == "poisoned_adam" and self.optimizer == "sgd":
            raise ParamError(
                "together",
                "optimizer",
                "Plain SGD remembers nothing that could be poisoned. Try adamw or momentum.",
                key="q11.optimizer.memory",
            )

    @property
    def recipe(self) -> Recipe:
        """How the run is trained."""
        return Recipe(self.number_format, self.optimizer, self.learning_rate, CLIPS[self.clip])


class Maps(TypedDict):
    """Losses and gradient norms by step (NaN where they are), and the worst of each place [places, steps]."""

    losses: NDArray[np.float32]
    norms: NDArray[np.float32]
    forward: NDArray[np.int32]
    backward: NDArray[np.int32]


class AutopsyResult(Maps, total=False):
    """At the end also the first tensors that were not finite, and NaN; and an exception if there was one."""

    places: list[str]
    fault: str
    first: Found | None
    first_nan: Found | None
    damaged: int
    skipped: int
    said: str


class Autopsy(Experiment[AutopsyParams, AutopsyResult]):
    """Every module of every step, forward and backward, while a fault spreads."""

    def seconds(self, params: AutopsyParams, device: DeviceClass) -> float:
        small = params.size == "nano-rope"
        step = PerDevice(cpu=0.1 if small else 0.9, cuda=0.1 if small else 0.2).on(device)
        return PerDevice(cpu=1.5, cuda=1.0).on(device) + params.steps * step

    def measure(self, params: AutopsyParams, ctx: Context) -> AutopsyResult:
        import torch

        from labs.q11_nan.patient import Patient
        from labs.tools import heldout
        from labs.tools.models import copied

        ctx.progress(0.0, "loading")
        loaded = ctx.model(None if params.size == "chosen" else params.size)
        rows_a_step, length = BATCH.on(ctx.device)
        count = rows_a_step * (params.steps + 1)
        rows = heldout.held_out_windows(loaded.tokenizer, "code", count, length, ctx)
        device = torch.device("cpu" if params.fault == "label_out_of_range" else ctx.device)
        block = min(given("block"), loaded.config.num_layers - 2)
        case = Case(params.fault, block, STRIKE)
        model = copied(loaded.model).to(device)
        repair = "guard" if params.guard else "none"
        patient = Patient(model, rows.to(device), case, rows_a_step, repair, params.recipe)
        names, seen, pieces, said = places(loaded.config.num_layers), [], [], ""
        for step in range(params.steps):
            ctx.progress((step + 1) / (params.steps + 1), "step", step=step)
            try:
                loss, norm, at = patient.advance(watched=True)
            except IndexError as error:
                said = f"{type(error).__name__}: {error}"
                break
            seen += [(step, one) for one in at]
            maps = {phase: worst(at, phase, names) for phase in ("forward", "backward")}
            pieces.append({"loss": loss, "norm": norm, **maps})
            ctx.emit(pieces[-1])
        return {
            **_maps(pieces),
            "places": names,
            "fault": params.fault,
            "first": first_bad(seen, ("inf", "nan"), block),
            "first_nan": first_bad(seen, ("nan",), block),
            "damaged": len(patient.damaged()),
            "skipped": patient.skipped,
            "said": said,
        }

    def so_far(self, params: AutopsyParams, partials: Partials) -> AutopsyResult:
        rows = (len(partials[0]["forward"]) - 4) // 5
        return {**_maps(partials), "places": places(rows), "fault": params.fault}

    def show(self, result: AutopsyResult, text: Words) -> Shown:
        figures = {phase: _map(result, phase, text) for phase in ("forward", "backward")}
        figures["curve"] = _curve(result, text)
        if "first" not in result:
            return Shown(figures)
        notes = [text("cause", fault=text(f"fault.{result['fault']}"), why=text(f"why.{result['fault']}"))]
        for key in ("first", "first_nan"):
            if (found := result[key]) is not None:
                notes.append(text(f"note.{key}", **told(found, text)))
        if result["said"]:
            notes.append(text("note.raised", said=result["said"]))
        notes.append(text("note.end", damaged=result["damaged"], skipped=result["skipped"]))
        return Shown(figures, _rows(result, text), notes, {text("damaged"): result["damaged"]})


def _maps(pieces: Partials) -> Maps:
    return {
        "losses": np.array([piece["loss"] for piece in pieces], np.float32),
        "norms": np.array([piece["norm"] for piece in pieces], np.float32),
        "forward": np.array([piece["forward"] for piece in pieces], np.int32).T,
        "backward": np.array([piece["backward"] for piece in pieces], np.int32).T,
    }


def _map(result: AutopsyResult, phase: str, text: Words) -> Figure:
    """Places down, steps across; 0 finite, 1 Inf, 2 NaN."""
    cells = result[phase].tolist()  # type: ignore[literal-required]
    shades = [[None if value < 0 else value for value in row] for row in cells]
    steps = [str(step) for step in range(len(result["losses"]))]
    figure = Figure(height=90 + 17 * len(result["places"]))
    names = [_name(place, text) for place in result["places"]]
    few = len(steps) <= FEW
    look = {} if few else {"xgap": 0}
    figure.heat(shades, steps, names, "said", zmin=0, zmax=2, hover="%{y}, %{x}: %{z}", **look)
    marks = [
        (steps[step], name, ("", "Inf", "NaN")[value])
        for name, row in zip(names, shades, strict=True)
        for step, value in enumerate(row)
        if value and (few or step == 0 or row[step - 1] != value)
    ]
    if marks:
        figure.words(*zip(*marks, strict=True))
    figure.x_axis(text("axis.step"), category=True, showgrid=False)
    figure.y_axis(category=True, reverse=True, showgrid=False, dtick=1)
    return figure


def _name(place: str, text: Words) -> str:
    """A place in the reader's language."""
    block, _, part = place.partition(" ")
    return text(f"place.{part}", block=block) if part else text(f"place.{place}")


def _curve(result: AutopsyResult, text: Words) -> Figure:
    """Loss and gradient norm; a gap is where they are not finite."""
    figure, steps = Figure(height=220), np.arange(len(result["losses"]))
    figure.line(steps, result["losses"], "measured", text("loss"), hover="%{x}: %{y:.3f}", symbol="circle")
    figure.line(steps, result["norms"], "peer", text("norm"), hover="%{x}: %{y:.3g}", symbol="square")
    figure.x_axis(text("axis.step"), **({"dtick": 1} if len(steps) <= FEW else {}))
    figure.y_axis(text("axis.loss_norm"), from_zero=True)
    return figure


def _rows(result: AutopsyResult, text: Words) -> list[Row]:
    return [
        {
            text("axis.step"): step,
            text("loss"): number(loss),
            text("norm"): number(norm),
            text("bad_forward"): int((result["forward"][:, step] > 0).sum()),
            text("bad_backward"): int((result["backward"][:, step] > 0).sum()),
        }
        for step, (loss, norm) in enumerate(zip(result["losses"], result["norms"], strict=True))
    ]
