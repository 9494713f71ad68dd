"""One real training step of the 26M on a batch with bad rows: where NaN appears, and which weights die."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.fields import ParamError, choice, switch, whole
from labs.q02_empty_text.blast_figure import TensorState, blast_radius, entries, loss_line, tensor_states
from labs.q02_empty_text.formulas import FORMULAS, PRECISIONS, is_poisonous, nan_weights
from labs.q02_empty_text.row_kinds import DATASETS, KINDS, has_target
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters

if TYPE_CHECKING:
    from labs.q02_empty_text.training_steps import MicroBatch
    from minimind_core.files.checkpoint import LoadedModel

GOOD_STEPS = 3
"""Steps on ordinary rows after the one that is looked at."""


@dataclass(frozen=True)
class StepParams(Params):
    """The last micro-batch has the bad rows; those before it are ordinary."""

    empty_rows: int = whole(1, 0, 16, primary=True)
    formula: str = choice("masked_mean", FORMULAS, primary=True)
    precision: str = choice("fp32", PRECISIONS, primary=True)
    rows: int = whole(4, 1, 16, low_sentence="A batch needs at least one row.")
    kind: str = choice("empty", KINDS)
    dataset: str = choice("bare", DATASETS)
    length: int = whole(32, 16, 64, unit="tokens")
    accumulation: int = whole(1, 1, 8)
    warm_steps: int = whole(0, 0, 5)
    clip: bool = switch(False)
    tied: bool = switch(True)

    def check_together(self) -> None:
        """There are no more bad rows than rows."""
        if self.empty_rows > self.rows:
            raise ParamError(
                "together",
                "empty_rows",
                f"A batch of {self.rows} rows has at most {self.rows} bad ones, not {self.empty_rows}.",
                key="q02.empty_rows.together",
                rows=self.rows,
                given=self.empty_rows,
            )

    def poisonous(self) -> bool:
        """Whether the loss of these rows has a gradient of NaN, by counting."""
        dead = 0 if has_target(self.kind, self.dataset) else self.empty_rows
        return is_poisonous(self.formula, self.rows, dead)


class Weights(TypedDict):
    """Counted over all parameters: NaN after the step, different from before, and all of them."""

    nan: int
    changed: int
    total: int


class StepResult(TypedDict):
    """`losses` are those of the warm steps, of the step itself and of the steps after it; None is NaN."""

    rows: int
    empty_rows: int
    targets: int
    loss: float | None
    losses: list[float | None]
    at: int
    """Place of the step itself in `losses`."""
    gradient_norm: float | None
    gradients: dict[str, int]
    weights: Weights
    counted: int | None
    """NaN weights by the formula's side."""
    mean_move: float | None
    nan_moments: int
    scales: list[float]
    """Before and after the step; 1 where there is no scaler."""
    error: str
    tensors: list[TensorState]


class Step(Experiment[StepParams, StepResult]):
    """Forward, backward, clip and AdamW on rows of your choice, then three steps on good ones."""

    def seconds(self, params: StepParams, device: DeviceClass) -> float:
        """A step of a few hundred tokens is mostly AdamW, which reads every weight."""
        batches = params.warm_steps + GOOD_STEPS + params.accumulation
        tokens = batches * params.rows * params.length
        return PerDevice(cpu=1.5 + 0.3 * batches + 0.003 * tokens, cuda=0.8 + 0.05 * batches).on(device)

    def formula(self, params: StepParams) -> Data | None:
        """NaN weights by counting; None where what an untied embedding looks up depends on the rows."""
        count = _counted(params, ModelConfig(tie_word_embeddings=params.tied))
        return None if count is None else {"weights": {"nan": count}}

    def measure(self, params: StepParams, ctx: Context) -> StepResult:
        """The weights are a copy and are thrown away."""
        from labs.q02_empty_text import training_steps
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        good, bad = _batches(params, loaded, ctx.device)
        ctx.progress(0.1, "building")
        model = training_steps.training_copy(loaded.model, params.tied and loaded.config.tie_word_embeddings)
        training = training_steps.Training(model, params.formula, params.precision, params.clip)
        on_progress = ctx.part(0.2, 1.0, "bad_step")
        losses: list[float] = []
        total = params.warm_steps + 1 + GOOD_STEPS
        with before_each_layer(model, ctx.check_cancelled):
            for step in range(params.warm_steps):
                on_progress(step / total)
                losses.append(training_steps.ordinary_step(training, good))
            on_progress(params.warm_steps / total)
            seen = training_steps.examined_step(training, [*[good] * (params.accumulation - 1), bad])
            losses.append(seen.loss)
            next_states = training.weight_states(seen.after)
            for step in range(0 if training.error else GOOD_STEPS):  # an exception ends a training
                on_progress(len(losses) / total)
                losses.append(training_steps.ordinary_step(training, good))
                if step == 0:
                    next_states = training.weight_states(seen.after)
        tensors = tensor_states(model, seen, next_states)
        all_entries, none = entries(tensors), entries(tensors, "none")
        return {
            "rows": params.rows,
            "empty_rows": params.empty_rows,
            "targets": bad.num_targets,
            "loss": _finite(seen.loss),
            "losses": [_finite(value) for value in losses],
            "at": params.warm_steps,
            "gradient_norm": _finite(seen.norm),
            "gradients": {"nan": seen.nan_gradients, "none": none, "total": all_entries},
            "weights": {"nan": sum(seen.nan_weights), "changed": seen.changed, "total": all_entries},
            "counted": _counted(params, model.config),
            "mean_move": _finite(seen.mean_move),
            "nan_moments": seen.nan_moments,
            "scales": list(seen.scales),
            "error": training.error,
            "tensors": tensors,
        }

    def show(self, result: StepResult, text: Words) -> Shown:
        """Every parameter at four moments, and the loss before, in and after the step."""
        weights, nan = result["weights"], text("weights_nan")
        loss = text("nan") if result["loss"] is None else f"{result['loss']:.4f}"
        norm = text("nan") if result["gradient_norm"] is None else f"{result['gradient_norm']:.4g}"
        notes = [text("step.sentence", targets=result["targets"], loss=loss), text(f"step.{_change(result)}")]
        if result["error"]:
            notes.append(text("note.refused", error=result["error"]))
        scale, scale_after = result["scales"]
        if scale_after < scale:
            notes.append(text("note.skipped", before=scale, after=scale_after))
        if result["mean_move"] and result["loss"] == 0:
            notes.append(text("note.moved", move=result["mean_move"]))
        rows: list[Row] = [
            {text("what"): text("targets"), text("value"): str(result["targets"])},
            {text("what"): text("loss"), text("value"): loss},
            {text("what"): text("gradient_norm"), text("value"): norm},
            {text("what"): text("gradients_nan"), text("value"): f"{result['gradients']['nan']:,}"},
            {text("what"): text("gradients_none"), text("value"): f"{result['gradients']['none']:,}"},
            {text("what"): nan, text("value"): f"{weights['nan']:,}"},
            {text("what"): text("weights_changed"), text("value"): f"{weights['changed']:,}"},
            {text("what"): text("moments_nan"), text("value"): f"{result['nan_moments']:,}"},
            {text("what"): text("scale"), text("value"): _scale(result)},
            {text("what"): text("mean_move"), text("value"): _move(result, text)},
        ]
        counted = result["counted"]
        return Shown(
            {"tensors": blast_radius(result["tensors"], text), "losses": loss_line(result, text)},
            rows,
            notes,
            numbers={nan: weights["nan"], text("targets"): result["targets"]},
            sentence=None
            if counted is None
            else {
                "said": weights["total"] if result["empty_rows"] else 0,
                "formula": counted,
                "measured": weights["nan"],
                "unit": text("weights_unit"),
            },
        )


def _change(result: StepResult) -> str:
    """The key of what would change this outcome."""
    before, after = result["scales"]
    if result["weights"]["nan"]:
        return "change_nan"
    if after < before:
        return "change_skipped"
    return "change" if result["targets"] else "change_guarded"


def _counted(params: StepParams, config: ModelConfig) -> int | None:
    """NaN weights after the step of a model of that shape, by counting."""
    tied = config.tie_word_embeddings
    if not tied and params.kind != "empty":
        return None
    spared = 0 if tied else (config.vocab_size - 1) * config.hidden_size
    return nan_weights(params.poisonous(), params.precision, params.clip, num_parameters(config), spared)


def _batches(params: StepParams, loaded: LoadedModel, device: str) -> tuple[MicroBatch, MicroBatch]:
    """A batch of ordinary rows, and one whose first rows are ordinary and whose last are bad."""
    from labs.q02_empty_text.row_kinds import LoadedRow, bad_row
    from labs.q02_empty_text.training_steps import MicroBatch
    from labs.tools import heldout

    documents = heldout.training("code")[:2]
    ids = heldout.windows(loaded.tokenizer, documents, params.rows, params.length, 0).tolist()
    good = [LoadedRow(row, [True] * len(row)) for row in ids]
    bad = [bad_row(params.kind, loaded.tokenizer, params.dataset, params.length)] * params.empty_rows
    mixed = [*good[: params.rows - params.empty_rows], *bad]
    made = [MicroBatch.of(rows, loaded.config.pad_id, params.length, device) for rows in (good, mixed)]
    return made[0], made[1]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _scale(result: StepResult) -> str:
    before, after = result["scales"]
    return "–" if before == 1 else f"{before:,.0f} → {after:,.0f}"


def _move(result: StepResult, text: Words) -> str:
    return text("nan") if result["mean_move"] is None else f"{result['mean_move']:.3g}"
