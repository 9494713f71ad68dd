"""A run has gone wrong, and nobody says why: buy three probes of what was recorded, then name the cause.

The case follows from its number, which stands in the address: who is given the link has the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Experiment, Params, Row, Shown, Words, choice, switch, whole
from labs.contract.drawing import Figure
from labs.q11_nan.autopsy import BATCH
from labs.q11_nan.cases import MYSTERIES, mystery
from labs.q11_nan.first_bad import Found, first_bad, number, told
from labs.tools.budgets import PerDevice

STEPS, BUDGET = 5, 3
PROBES = ("norms", "block_nan", "block_isfinite", "modules", "both_ways", "state", "batch", "anomaly")
"""In the order in which they count against the budget."""


@dataclass(frozen=True)
class DetectiveParams(Params):
    """The case, the probes bought, and the verdict."""

    case: int = whole(1, 1, 9999, primary=True)
    cause: str = choice("open", ("open", *MYSTERIES), primary=True, view=True, label="fault")
    norms: bool = switch(False, view=True, label="probe.norms")
    block_nan: bool = switch(False, view=True, label="probe.block_nan")
    block_isfinite: bool = switch(False, view=True, label="probe.block_isfinite")
    modules: bool = switch(False, view=True, label="probe.modules")
    both_ways: bool = switch(False, view=True, label="probe.both_ways")
    state: bool = switch(False, view=True, label="probe.state")
    batch: bool = switch(False, view=True, label="probe.batch")
    anomaly: bool = switch(False, view=True, label="probe.anomaly")


class Evidence(TypedDict):
    """What one probe says: a tensor, a list of names or a text."""

    found: Found | None
    names: list[str]
    said: str


class View(TypedDict):
    """The probes that were bought within the budget, those that were refused, and the verdict."""

    bought: list[str]
    refused: int
    cause: str
    right: bool


class DetectiveResult(TypedDict):
    """The whole record of a run; a page shows what was bought."""

    losses: NDArray[np.float32]
    norms: NDArray[np.float32]
    evidence: dict[str, Evidence]
    cause: str
    view: NotRequired[View]


class Detective(Experiment[DetectiveParams, DetectiveResult]):
    """A hidden fault, eight probes, a budget of three."""

    takes = PerDevice(cpu=9.0, cuda=3.0)

    def measure(self, params: DetectiveParams, ctx: Context) -> DetectiveResult:
        from labs.q11_nan.patient import Patient
        from labs.q11_nan.witnesses import anomaly, batch_facts
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        rows_a_step, length = BATCH.on(ctx.device)
        count = rows_a_step * (STEPS + 1)
        rows = heldout.held_out_windows(loaded.tokenizer, "code", count, length, ctx, seed=params.case)
        case = mystery(params.case, loaded.config.num_layers)
        patient = Patient(loaded.model, rows.to(ctx.device), case, rows_a_step)
        losses, norms, seen, damaged, facts, said = [], [], [], [], "", ""
        for step in range(STEPS):
            ctx.progress((step + 1) / (STEPS + 2), "step", step=step)
            damaged.append(patient.damaged())
            if step in (case.strike, case.strike + 1) and not said:
                facts, said = batch_facts(patient), anomaly(patient)
            loss, norm, at = patient.advance(watched=True)
            losses.append(loss)
            norms.append(norm)
            seen += [(step, one) for one in at]
        forward = [(step, one) for step, one in seen if one.phase == "forward"]
        blocks = [pair for pair in forward if pair[1].module.count(".") == 2 and pair[1].place == "output"]
        bad = ("inf", "nan")
        found = {
            "block_nan": first_bad(blocks, ("nan",), case.block),
            "block_isfinite": first_bad(blocks, bad, case.block),
            "modules": first_bad(forward, bad, case.block),
            "both_ways": first_bad(seen, bad, case.block),
        }
        first_damage = next((names for names in damaged if names), [])
        texts_of = {"batch": facts, "anomaly": said}
        return {
            "losses": np.array(losses, np.float32),
            "norms": np.array(norms, np.float32),
            "evidence": {
                probe: {
                    "found": found.get(probe),
                    "names": first_damage[:3] if probe == "state" else [],
                    "said": texts_of.get(probe, ""),
                }
                for probe in PROBES
            },
            "cause": case.kind,
        }

    def view(self, params: DetectiveParams, result: DetectiveResult) -> View:
        wanted = [probe for probe in PROBES if getattr(params, probe)]
        return {
            "bought": wanted[:BUDGET],
            "refused": len(wanted[BUDGET:]),
            "cause": params.cause,
            "right": params.cause == result["cause"],
        }

    def show(self, result: DetectiveResult, text: Words) -> Shown:
        view = result["view"]
        rows = _rows(result, view, text)
        notes = [text("note.told", probe=row[text("probe")], said=row[text("evidence")]) for row in rows[1:]]
        if view["cause"] == "open":
            notes.append(text("note.case", left=BUDGET - len(view["bought"])))
        if view["refused"]:
            notes.append(text("note.no_probes"))
        if view["cause"] != "open":
            key = "note.right" if view["right"] else "note.wrong"
            cause = result["cause"]
            notes.append(
                text(key, used=len(view["bought"]), cause=text(f"fault.{cause}"), why=text(f"why.{cause}"))
            )
        return Shown(
            {"loss": _curve(result, "norms" in view["bought"], text)},
            rows,
            notes,
            {text("spent"): len(view["bought"])},
        )


def _rows(result: DetectiveResult, view: View, text: Words) -> list[Row]:
    """What each bought probe says; the loss is free."""
    rows: list[Row] = [_row("loss", ", ".join(map(number, result["losses"])), text)]
    for probe in view["bought"]:
        evidence = result["evidence"][probe]
        if probe == "norms":
            said = ", ".join(map(number, result["norms"]))
        elif evidence["found"] is not None:
            said = text("evidence.found", **told(evidence["found"], text))
        elif evidence["names"]:
            said = ", ".join(evidence["names"])
        else:
            said = evidence["said"] or text("evidence.nothing")
        rows.append(_row(f"probe.{probe}", said, text))
    return rows


def _row(probe: str, said: str, text: Words) -> Row:
    return {text("probe"): text(probe), text("evidence"): said}


def _curve(result: DetectiveResult, with_norms: bool, text: Words) -> Figure:
    figure, steps = Figure(height=240), np.arange(len(result["losses"]))
    figure.line(steps, result["losses"], "measured", text("loss"), hover="%{x}: %{y:.3f}", symbol="circle")
    if with_norms:
        figure.line(steps, result["norms"], "peer", text("norm"), hover="%{x}: %{y:.3g}", symbol="square")
    bad = [step for step in steps.tolist() if not np.isfinite(result["losses"][step])]
    figure.marks(
        bad, [0.0] * len(bad), "said", text("not_finite"), symbol="x", size=10, hover="%{x}", cliponaxis=False
    )
    figure.x_axis(text("axis.step"), dtick=1, span=(-0.3, len(steps) - 0.7))
    figure.y_axis(text("axis.loss_norm"), from_zero=True)
    return figure
