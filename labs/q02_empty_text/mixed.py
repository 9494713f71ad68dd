"""A batch with rows of every kind in one real training step: what each row weighs, and what the step does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure
from labs.contract.fields import ParamError, choice, whole
from labs.q02_empty_text.blast_figure import TensorState, blast_radius, entries, tensor_states
from labs.q02_empty_text.formulas import FORMULAS, PRECISIONS, is_poisonous, nan_weights
from labs.q02_empty_text.row_kinds import DATASETS, has_target
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters

if TYPE_CHECKING:
    from labs.q02_empty_text.row_kinds import LoadedRow
    from labs.q02_empty_text.training_steps import MicroBatch
    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind

ORDINARY = "ordinary"
ROWS = (ORDINARY, "empty", "one_token", "zero_width", "blanks", "literal_padding", "cut_answer")
LENGTH = 32
"""Context in tokens."""


@dataclass(frozen=True)
class MixedParams(Params):
    """How many rows of each kind there are, and how they are averaged."""

    ordinary: int = whole(1, 0, 4, label="how_many.ordinary", primary=True)
    empty: int = whole(1, 0, 4, label="how_many.empty", primary=True)
    formula: str = choice("masked_mean", FORMULAS, primary=True)
    one_token: int = whole(1, 0, 4, label="how_many.one_token")
    zero_width: int = whole(1, 0, 4, label="how_many.zero_width")
    blanks: int = whole(0, 0, 4, label="how_many.blanks")
    literal_padding: int = whole(1, 0, 4, label="how_many.literal_padding")
    cut_answer: int = whole(1, 0, 4, label="how_many.cut_answer")
    dataset: str = choice("bare", DATASETS)
    precision: str = choice("fp32", PRECISIONS)

    def kinds(self) -> list[str]:
        """The kind of every row, in order."""
        return [kind for kind in ROWS for _ in range(getattr(self, kind))]

    def check_together(self) -> None:
        """There is a row."""
        if not self.kinds():
            raise ParamError("together", ORDINARY, "A batch needs at least one row.", key="q02.no_rows")


class BatchRow(TypedDict):
    """One row: its targets, their mean loss before the step, and their percent of the batch's mean."""

    kind: str
    targets: int
    loss: float | None
    share: float | None


class MixedResult(TypedDict):
    """`nan` counts weights after the step, `counted` the same by the formula's side; None is NaN."""

    rows: list[BatchRow]
    targets: int
    without: int
    loss: float | None
    next_loss: float | None
    parameters: int
    nan: int
    counted: int
    error: str
    tensors: list[TensorState]


class Mixed(Experiment[MixedParams, MixedResult]):
    """Forward, backward and AdamW on the batch, then one step on ordinary rows."""

    def seconds(self, params: MixedParams, device: DeviceClass) -> float:
        tokens = 3 * len(params.kinds()) * LENGTH
        return PerDevice(cpu=2.5 + 0.003 * tokens, cuda=0.9).on(device)

    def formula(self, params: MixedParams) -> Data:
        """Rows without a target and the NaN weights that they leave, by counting ids."""
        return {
            "without": _without(params),
            "nan": _counted(params, _without(params), num_parameters(ModelConfig())),
        }

    def measure(self, params: MixedParams, ctx: Context) -> MixedResult:
        """The weights are a copy and are thrown away."""
        from labs.q02_empty_text import training_steps
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        rows = _rows(params, loaded)
        pad_id = loaded.config.pad_id
        batch = training_steps.MicroBatch.of(rows, pad_id, LENGTH, ctx.device)
        good = training_steps.MicroBatch.of(_ordinary(loaded, 4), pad_id, LENGTH, ctx.device)
        ctx.progress(0.2, "building")
        model = training_steps.training_copy(loaded.model, loaded.config.tie_word_embeddings)
        training = training_steps.Training(model, params.formula, params.precision, clip=False)
        with before_each_layer(model, ctx.check_cancelled):
            ctx.progress(0.3, "reading")
            losses = _row_losses(model, batch)
            ctx.progress(0.5, "bad_step")
            seen = training_steps.examined_step(training, [batch])
            ctx.progress(0.8, "bad_step")
            next_loss = math.nan if training.error else training_steps.ordinary_step(training, good)
        tensors = tensor_states(model, seen, training.weight_states(seen.after))
        counts = [row.num_targets(pad_id) for row in rows]
        return {
            "rows": _weighed(params, counts, losses),
            "targets": batch.num_targets,
            "without": counts.count(0),
            "loss": _finite(seen.loss),
            "next_loss": _finite(next_loss),
            "parameters": entries(tensors),
            "nan": sum(seen.nan_weights),
            "counted": _counted(params, counts.count(0), entries(tensors)),
            "error": training.error,
            "tensors": tensors,
        }

    def show(self, result: MixedResult, text: Words) -> Shown:
        """`shares`: what each row weighs in the mean; `tensors`: every parameter at four moments."""
        nan = text("weights_nan")
        loss, later = (
            text("nan") if value is None else f"{value:.4f}"
            for value in (result["loss"], result["next_loss"])
        )
        rows: list[Row] = [
            {
                text("row"): number,
                text("mixed.kind"): text(f"kind.{row['kind']}"),
                text("row_targets"): row["targets"],
                text("mixed.own_loss"): "–" if row["loss"] is None else f"{row['loss']:.3f}",
                text("mixed.share"): text("nan") if row["share"] is None else f"{row['share']:.1f}",
            }
            for number, row in enumerate(result["rows"], 1)
        ]
        notes = [
            text(
                "mixed.sentence",
                rows=len(rows),
                without=result["without"],
                targets=result["targets"],
                loss=loss,
                later=later,
            ),
            text("mixed.change"),
        ]
        if result["error"]:
            notes.append(text("note.refused", error=result["error"]))
        return Shown(
            {"shares": _shares(result["rows"], text), "tensors": blast_radius(result["tensors"], text)},
            rows,
            notes,
            numbers={nan: result["nan"], text("mixed.without"): result["without"]},
            sentence={
                "said": result["parameters"] if result["without"] else 0,
                "formula": result["counted"],
                "measured": result["nan"],
                "unit": text("weights_unit"),
            },
        )


def _without(params: MixedParams) -> int:
    """Rows without a target, by counting the ids of the 26M's tokenizer."""
    return sum(kind != ORDINARY and not has_target(kind, params.dataset) for kind in params.kinds())


def _counted(params: MixedParams, without: int, parameters: int) -> int:
    """NaN weights after the step of a model with a tied head, if so many rows have no target."""
    poisonous = is_poisonous(params.formula, len(params.kinds()), without)
    return nan_weights(poisonous, params.precision, False, parameters, 0)


def _ordinary(loaded: LoadedModel, count: int) -> list[LoadedRow]:
    """Rows of code that fill the context."""
    from labs.q02_empty_text.row_kinds import LoadedRow
    from labs.tools import heldout

    documents = heldout.training("code")[:2]
    ids = heldout.windows(loaded.tokenizer, documents, count, LENGTH, 0).tolist()
    return [LoadedRow(row, [True] * len(row)) for row in ids]


def _rows(params: MixedParams, loaded: LoadedModel) -> list[LoadedRow]:
    """The batch, row by row."""
    from labs.q02_empty_text.row_kinds import bad_row

    ordinary = iter(_ordinary(loaded, max(1, params.ordinary)))
    return [
        next(ordinary) if kind == ORDINARY else bad_row(kind, loaded.tokenizer, params.dataset, LENGTH)
        for kind in params.kinds()
    ]


def _row_losses(model: MiniMind, batch: MicroBatch) -> list[float | None]:
    """Each row's mean loss over its own targets; None where it has none."""
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        logits = model(batch.ids[:, :-1]).float()  # [B, T, V]
    losses = F.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")  # [B, T]
    means = (losses * batch.mask).sum(-1) / batch.mask.sum(-1)  # [B]
    return [_finite(mean) for mean in means.tolist()]


def _weighed(params: MixedParams, counts: Sequence[int], losses: Sequence[float | None]) -> list[BatchRow]:
    """The rows with their percent of the batch's mean; None where it is 0/0."""
    total = sum(counts)
    shares: list[float | None] = [100 * count / total if total else None for count in counts]
    if params.formula == "per_sample":
        shares = [100 / len(counts) if count else None for count in counts]
    return [
        {"kind": kind, "targets": count, "loss": loss, "share": share}
        for kind, count, loss, share in zip(params.kinds(), counts, losses, shares, strict=True)
    ]


def _shares(rows: Sequence[BatchRow], text: Words) -> Figure:
    """A bar a row: its percent of the mean, its targets beside it; a cross where the row's mean is 0/0."""
    figure = Figure(height=100 + 26 * len(rows))
    names = [f"{number} {text('kind.' + row['kind'])}" for number, row in enumerate(rows, 1)]
    known = [(name, row) for name, row in zip(names, rows, strict=True) if row["share"] is not None]
    figure.bars(
        [row["share"] for _, row in known],
        [name for name, _ in known],
        "measured",
        labels=[f" {text('mixed.count', count=row['targets'])}" for _, row in known],
        horizontal=True,
        hover="%{y}: %{x:.1f}%",
        showlegend=False,
    )
    lost = [name for name, row in zip(names, rows, strict=True) if row["share"] is None]
    if lost:
        figure.marks(
            [0.0] * len(lost), lost, "said", text("mixed.lost"), symbol="x", size=10, hover="%{y}: 0/0"
        )
    figure.x_axis(text("axis.row_share"), span=(-3, 170), ticksuffix="%")
    figure.y_axis(category=True, categoryorder="array", categoryarray=names[::-1])
    return figure


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
