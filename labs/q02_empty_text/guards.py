"""Seven ways to write the loss, each given one empty row of four, and then nothing but empty rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from labs.q02_empty_text.formulas import FORMULAS, PRECISIONS, is_poisonous
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number

if TYPE_CHECKING:
    from labs.q02_empty_text.training_steps import Training

SMALL_MODEL = "nano-rope"
ROWS, LENGTH = 4, 32
BATCHES = {"one_empty": 1, "all_empty": 4}
"""Empty rows of each batch of four."""
WARM_STEPS = 5
"""Ordinary steps before, so that AdamW has a momentum."""
COLUMNS = ("loss", "gradients", "move", "next_loss")
OUTCOMES: dict[str, tuple[Role, str]] = {
    "numbers": ("measured", "square"),
    "zero": ("peer", "square-open"),
    "none": ("removed", "line-ew-open"),
    "nan": ("said", "x"),
    "error": ("removed", "star"),
}
"""How a cell is drawn by what is in it."""


@dataclass(frozen=True)
class GuardsParams(Params):
    """With more than one micro-batch, ordinary ones come before the one that is looked at."""

    precision: str = choice("fp32", PRECISIONS, primary=True)
    accumulation: int = whole(1, 1, 8, primary=True)


class Outcome(TypedDict):
    """What one loss made of one batch; None is NaN.

    `gradients` counts tensors by what is in them, `move` is the mean distance of a weight, `next_loss`
    that of an ordinary batch after it; `error` is what the scaler raised, and ends the training.
    """

    loss: float | None
    gradients: dict[str, int]
    move: float | None
    nan_weights: int
    next_loss: float | None
    error: str


class GuardsResult(TypedDict):
    """Outcomes by batch and loss. `poisoned` counts losses that left NaN in the weights, `counted` the same
    by the formula's side."""

    precision: str
    tensors: int
    parameters: int
    outcomes: dict[str, dict[str, Outcome]]
    poisoned: dict[str, int]
    counted: dict[str, int]


class Guards(Experiment[GuardsParams, GuardsResult]):
    """The same batch under every loss, after five ordinary steps of a small trained model."""

    def seconds(self, params: GuardsParams, device: DeviceClass) -> float:
        steps = WARM_STEPS + len(FORMULAS) * len(BATCHES) * (1 + params.accumulation)
        return PerDevice(cpu=1 + 0.06 * steps, cuda=1 + 0.02 * steps).on(device)

    def measure(self, params: GuardsParams, ctx: Context) -> GuardsResult:
        ctx.progress(0.0, "loading_model", model=SMALL_MODEL)
        loaded = ctx.model(SMALL_MODEL)
        good, batches = _batches(loaded, ctx.device)
        warm = _warm(loaded.model, params.precision, good)
        on_progress = ctx.part(0.1, 1.0, "guards")
        outcomes: dict[str, dict[str, Outcome]] = {name: {} for name in BATCHES}
        for index, formula in enumerate(FORMULAS):
            for place, (name, batch) in enumerate(batches.items()):
                on_progress((index + place / len(batches)) / len(FORMULAS))
                micro_batches = [*[good] * (params.accumulation - 1), batch]
                outcomes[name][formula] = _outcome(warm, formula, good, micro_batches)
            ctx.emit({"outcomes": {name: dict(row) for name, row in outcomes.items()}})
        return _result(params, outcomes, loaded.model)

    def so_far(self, params: GuardsParams, partials: Partials) -> GuardsResult:
        return _result(params, partials[-1]["outcomes"], None)

    def show(self, result: GuardsResult, text: Words) -> Shown:
        """A board for each batch: losses down, what one sees across."""
        figures = {name: _board(result["outcomes"][name], text) for name in BATCHES}
        rows = [
            _row(outcome, text(f"formula.{formula}"), text(f"batch.{name}"), text)
            for name, row in result["outcomes"].items()
            for formula, outcome in row.items()
        ]
        notes = [text("guards.sentence", parameters=result["parameters"]), text("guards.change")]
        refused = [outcome["error"] for row in result["outcomes"].values() for outcome in row.values()]
        notes += [text("note.refused", error=error) for error in dict.fromkeys(refused) if error]
        everything = result["outcomes"]["all_empty"]
        zero, usual = everything.get("clamped"), result["outcomes"]["one_empty"].get("clamped")
        if zero and usual and zero["move"] and usual["move"] and zero["gradients"].get("zeros"):
            notes.append(text("note.coasting", percent=100 * zero["move"] / usual["move"]))
        return Shown(
            {"all_empty": figures["all_empty"], "one_empty": figures["one_empty"]},
            rows,
            notes,
            numbers={
                f"{text('poisoned')}, {text(f'batch.{name}')}": count
                for name, count in result["poisoned"].items()
            },
            sentence={
                "said": len(FORMULAS),
                "formula": result["counted"]["all_empty"],
                "measured": result["poisoned"]["all_empty"],
                "unit": text("guards.unit"),
            },
        )


def _batches(loaded: Any, device: str) -> tuple[Any, dict[str, Any]]:
    """The ordinary batch, and by name those with empty rows."""
    from labs.q02_empty_text.row_kinds import LoadedRow, bad_row
    from labs.q02_empty_text.training_steps import MicroBatch
    from labs.tools import heldout

    ids = heldout.windows(loaded.tokenizer, heldout.training("code")[:2], ROWS, LENGTH, 0).tolist()
    good = [LoadedRow(row, [True] * len(row)) for row in ids]
    empty = bad_row("empty", loaded.tokenizer, "bare", LENGTH)
    rows = {name: [*good[: ROWS - count], *[empty] * count] for name, count in BATCHES.items()}
    made = {
        name: MicroBatch.of(each, loaded.config.pad_id, LENGTH, device)
        for name, each in ({"good": good} | rows).items()
    }
    return made.pop("good"), made


def _warm(model: Any, precision: str, good: Any) -> Training:
    """A copy of the model after some ordinary steps, on which all losses agree."""
    from labs.q02_empty_text.training_steps import Training, ordinary_step, training_copy

    copied = training_copy(model, model.config.tie_word_embeddings)
    training = Training(copied, "clamped", precision, clip=False)
    for _ in range(WARM_STEPS):
        ordinary_step(training, good)
    return training


def _outcome(warm: Training, formula: str, good: Any, micro_batches: list[Any]) -> Outcome:
    """What a step with that loss leaves; `warm` is copied."""
    from labs.q02_empty_text.training_steps import examined_step, ordinary_step

    training = copy.deepcopy(warm)
    training.formula = formula
    seen = examined_step(training, micro_batches)
    states = [states[0] for states in seen.states]
    after = math.nan if training.error else ordinary_step(training, good)
    return {
        "loss": _finite(seen.loss),
        "gradients": {state: states.count(state) for state in dict.fromkeys(states)},
        "move": _finite(seen.mean_move),
        "nan_weights": sum(seen.nan_weights),
        "next_loss": _finite(after),
        "error": training.error,
    }


def _result(params: GuardsParams, outcomes: Mapping[str, Any], model: Any) -> GuardsResult:
    skips = params.precision == "fp16"
    poisoned = {
        name: sum(outcome["nan_weights"] > 0 for outcome in row.values()) for name, row in outcomes.items()
    }
    counted = {
        name: sum(is_poisonous(formula, ROWS, count) for formula in FORMULAS) * (not skips)
        for name, count in BATCHES.items()
    }
    weights = [] if model is None else list(model.parameters())
    return {
        "precision": params.precision,
        "tensors": len(weights),
        "parameters": sum(weight.numel() for weight in weights),
        "outcomes": {name: dict(row) for name, row in outcomes.items()},
        "poisoned": poisoned,
        "counted": counted,
    }


def _row(outcome: Outcome, formula: str, batch: str, text: Words) -> Row:
    row: Row = {text("formula"): formula, text("batch"): batch}
    for column, words in zip(COLUMNS, _texts(outcome, text), strict=True):
        row[text(f"column.{column}")] = words
    return row | {text("weights_nan"): f"{outcome['nan_weights']:,}"}


def _board(outcomes: Mapping[str, Outcome], text: Words) -> Figure:
    """One mark a loss and column; the table has the values."""
    names = [text(f"formula.{formula}") for formula in FORMULAS]
    figure = Figure(height=360)
    cells = [
        (column, text(f"formula.{formula}"), kind, words)
        for formula, outcome in outcomes.items()
        for column, (kind, words) in enumerate(zip(_kinds(outcome), _texts(outcome, text), strict=True))
    ]
    for kind, (role, symbol) in OUTCOMES.items():
        here = [cell for cell in cells if cell[2] == kind]
        if here:
            figure.marks(
                [column for column, *_ in here],
                [name for _, name, *_ in here],
                role,
                text(f"outcome.{kind}"),
                symbol=symbol,
                size=11,
                customdata=[words for *_, words in here],
                hover="%{y}: %{customdata}",
            )
    ticks = {float(column): text(f"tick.{name}") for column, name in enumerate(COLUMNS)}
    figure.x_axis(ticks=ticks, span=(-0.5, len(COLUMNS) - 0.5), tickangle=0, showgrid=False, zeroline=False)
    figure.y_axis(category=True, categoryorder="array", categoryarray=names[::-1])
    return figure


def _kinds(outcome: Outcome) -> list[str]:
    """What each column is, a key of OUTCOMES."""
    gradients = outcome["gradients"]
    worst = _worst(gradients)
    gradient = "zero" if worst == "zeros" else worst
    move = "nan" if outcome["move"] is None else "numbers" if outcome["move"] else "zero"
    if outcome["error"]:
        return [_kind(outcome["loss"]), gradient, "error", "error"]
    return [_kind(outcome["loss"]), gradient, move, _kind(outcome["next_loss"])]


def _texts(outcome: Outcome, text: Words) -> list[str]:
    """What each column says."""
    error = outcome["error"].partition(":")[0]
    return [
        _number(outcome["loss"], text),
        text(f"state.{_worst(outcome['gradients'])}"),
        error or _number(outcome["move"], text),
        error or _number(outcome["next_loss"], text),
    ]


def _worst(gradients: Mapping[str, int]) -> str:
    """What is in the tensors' gradients, the worst first."""
    return next(state for state in ("nan", "numbers", "zeros", "none") if state in gradients)


def _kind(value: float | None) -> str:
    return "nan" if value is None else "numbers" if value else "zero"


def _number(value: float | None, text: Words) -> str:
    return text("nan") if value is None else short_number(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
