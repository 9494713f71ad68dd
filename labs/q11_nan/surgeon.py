"""A repair on a run with a known or hidden fault, against a twin that never had it: repaired or silenced?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.q11_nan.cases import MYSTERIES, REPAIRS, Case, mystery
from labs.q11_nan.first_bad import number
from labs.tools.budgets import PerDevice

ROWS, LENGTH = 4, 64
BLOCK, STRIKE = 2, 5
LAST = 5
"""Steps at the end over which a loss is averaged."""
NEAR = 0.05
"""A repaired run ends within this share of its twin's loss."""


@dataclass(frozen=True)
class SurgeonParams(Params):
    """The fault (or a case of the detective's, kept hidden), the repair, and the length of the run."""

    patient: str = choice("inf_in_up_proj", (*MYSTERIES, "case"), primary=True, label="fault")
    repair: str = choice("clip", REPAIRS, primary=True)
    steps: int = whole(30, 15, 120, primary=True)
    case: int = whole(1, 1, 9999)


class SurgeonResult(TypedDict):
    """Losses of both runs by step, how they ended, and the verdict."""

    losses: NDArray[np.float32]
    twin: NDArray[np.float32]
    steps: int
    final: float
    final_twin: float
    bad_steps: int
    """Steps from the fault on whose loss or gradient norm was not finite."""
    skipped: int
    damaged: int
    verdict: str
    """ "unchanged", "silenced", "harmless" or "repaired"."""
    repair: str


class Surgeon(Experiment[SurgeonParams, SurgeonResult]):
    """The small model trains with a fault and a repair, beside a clean twin."""

    def seconds(self, params: SurgeonParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2 + params.steps * 0.2, cuda=2 + params.steps * 0.15).on(device)

    def measure(self, params: SurgeonParams, ctx: Context) -> SurgeonResult:
        from labs.q11_nan.patient import Patient
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded = ctx.model("nano-rope")
        texts = heldout.training()[:12]
        rows = heldout.windows(loaded.tokenizer, texts, ROWS * (params.steps + 1), LENGTH, seed=0).to(
            ctx.device
        )
        kind = mystery(params.case, 8).kind if params.patient == "case" else params.patient
        patient = Patient(loaded.model, rows, Case(kind, BLOCK, STRIKE), ROWS, params.repair)
        twin = Patient(loaded.model, rows, Case("none", BLOCK, STRIKE), ROWS)
        pieces = []
        for step in range(params.steps):
            ctx.progress((step + 1) / (params.steps + 1), "step", step=step)
            loss, norm, _ = patient.advance()
            pieces.append({"loss": loss, "norm": norm, "twin": twin.advance()[0]})
            ctx.emit({"loss": loss, "norm": norm, "twin": pieces[-1]["twin"]})
        run = self.so_far(params, pieces)
        damaged = len(patient.damaged())
        return {
            **run,
            "skipped": patient.skipped,
            "damaged": damaged,
            "verdict": verdict(
                damaged,
                run["bad_steps"],
                run["final"],
                run["final_twin"],
                undone=patient.skipped,
                loss_only=all(math.isfinite(piece["norm"]) for piece in pieces),
            ),
        }

    def so_far(self, params: SurgeonParams, partials: Partials) -> SurgeonResult:
        losses = np.array([piece["loss"] for piece in partials], np.float32)
        twin = np.array([piece["twin"] for piece in partials], np.float32)
        bad = sum(not math.isfinite(piece["loss"]) or not math.isfinite(piece["norm"]) for piece in partials)
        return {
            "losses": losses,
            "twin": twin,
            "steps": params.steps,
            "final": float(losses[-LAST:].mean()),
            "final_twin": float(twin[-LAST:].mean()),
            "bad_steps": int(bad),
            "skipped": 0,
            "damaged": 0,
            "verdict": "",
            "repair": params.repair,
        }

    def show(self, result: SurgeonResult, text: Words) -> Shown:
        figure, steps = Figure(), np.arange(len(result["losses"]))
        figure.line(steps, result["twin"], "peer", text("twin"), hover="%{x}: %{y:.3f}")
        figure.line(
            steps, result["losses"], "measured", text("patient_line"), hover="%{x}: %{y:.3f}", symbol="circle"
        )
        bad = [step for step in steps.tolist() if not np.isfinite(result["losses"][step])]
        low = float(np.nanmin(result["twin"]))
        figure.marks(bad, [low] * len(bad), "said", text("not_finite"), symbol="x", size=8, hover="%{x}")
        figure.x_axis(text("axis.step"), span=(-0.5, result["steps"] - 0.5))
        figure.y_axis(text("axis.loss"))
        if not result["verdict"]:
            return Shown({"losses": figure})
        repair = text(f"repair.{result['repair']}")
        row: Row = {
            text("repair"): repair,
            text("verdict_column"): text(f"surgeon.{result['verdict']}"),
            text("final"): number(result["final"]),
            text("final_twin"): number(result["final_twin"]),
            text("bad_steps"): result["bad_steps"],
            text("skipped"): result["skipped"],
            text("damaged"): result["damaged"],
        }
        note = text(
            f"note.{result['verdict']}", repair=repair, bad=result["bad_steps"], damaged=result["damaged"]
        )
        return Shown({"losses": figure}, [row], [note], {text("bad_steps"): result["bad_steps"]})


def verdict(
    damaged: int, bad_steps: int, final: float, twin: float, *, undone: int = 0, loss_only: bool = False
) -> str:
    """Unchanged where the run ends broken; repaired where it ends as its twin and no step went wrong, or one
    that was noticed and undone. Harmless where no gradient was ever wrong and nothing acted; else silenced.

    >>> verdict(0, 0, 2.01, 2.0), verdict(0, 1, 2.0, 2.0), verdict(3, 9, math.nan, 2.0)
    ('repaired', 'silenced', 'unchanged')
    >>> verdict(0, 1, 2.0, 2.0, undone=1), verdict(0, 1, 2.0, 2.0, loss_only=True)
    ('repaired', 'harmless')
    """
    if damaged or not math.isfinite(final):
        return "unchanged"
    near = abs(final - twin) <= NEAR * twin
    if near and bad_steps <= min(undone, 1):
        return "repaired"
    return "harmless" if near and loss_only else "silenced"
