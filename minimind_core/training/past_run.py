"""A training run from what it left: its losses heard again by the watch, and its state looked through.

What it left is a state (`NAME.state.pt`) or a log of anybody's, JSON Lines with a "loss" and, where it has
one, a "step". Says where a loss spiked or was not finite, what the state holds that is not, and what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from minimind_core.bounded import MAX_JSON_BYTES, read_bounded
from minimind_core.errors import DataError
from minimind_core.training.monitor import LossMonitor
from minimind_core.training.trainer import StepRecord
from minimind_core.training.training_state import not_whole, read_state

Told = tuple[Literal["ok", "note", "mend"], str]
"""How it stands, and a sentence."""
NAMED = 5
"""Steps that are listed; of more only the number is said."""
LEAST_SCALE = 1.0
"""A loss scale below it has run away from a forward pass that overflows at any scale."""
LARGEST_WHOLE = 2**53
"""Beyond it a float skips whole numbers."""
GO_BACK = "go back to an older state, with the optimizer's part of it"
WHAT = {
    "nonfinite": ("the loss was not finite", "train --watch names the first module that is not"),
    "spike": ("the loss spiked", "train --watch goes back by itself and leaves those batches out"),
}
"""By alarm what happened, and what to do about one that went by."""


def look_back(path: Path) -> Iterator[Told]:
    """What there is to say of a run. Raises CheckpointError or DataError where the file is neither."""
    if not path.exists():
        raise DataError(f"There is no {path}; check the name.")
    if path.suffix == ".jsonl":
        yield from _losses(path, _logged(path))
        return
    state = read_state(path)
    try:
        records = [StepRecord(*values) for values in state["records"]]
        losses, bad = [(record.step, float(record.loss)) for record in records], _nonfinite(state)
        in_a_row, scale = int(state.get("skips", [0, 0])[1]), records[-1].loss_scale if records else 1.0
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise not_whole(path) from error
    yield from _losses(path, losses)
    if bad:
        what = f"{len(bad)} tensors are not finite, first {bad[0]}"
        yield "mend", f"{path}: {what}; {GO_BACK}."
    else:
        yield "ok", f"{path}: all weights and all that the optimizers remember are finite."
    if in_a_row:
        yield (
            "note",
            f"{path}: the last updates were skipped ({in_a_row} in a row); train --watch names the module.",
        )
    if scale < LEAST_SCALE:
        yield (
            "note",
            f"{path}: the loss scale has fallen to {scale:g}; train in bf16, or look for an overflow.",
        )


def _losses(path: Path, losses: Sequence[tuple[int, float]]) -> Iterator[Told]:
    """The losses by step as a run's watch would have heard them."""
    monitor = LossMonitor()
    alarms = [(step, alarm, loss) for step, loss in losses if (alarm := monitor.hear(loss)) is not None]
    for kind, (what, advice) in WHAT.items():
        at = [(step, loss) for step, alarm, loss in alarms if alarm == kind]
        if not at:
            continue
        shown = ", ".join(f"{step} ({loss:.4g})" for step, loss in at[:NAMED])
        more = f" and {len(at) - NAMED} more" if len(at) > NAMED else ""
        has_ended = kind == "nonfinite" and at[-1][0] == losses[-1][0]
        yield (
            "mend" if has_ended else "note",
            f"{path}: {what} at step {shown}{more}; {GO_BACK if has_ended else advice}.",
        )
    if losses and not alarms:
        yield "ok", f"{path}: {len(losses):,} losses to step {losses[-1][0]}, no spike and no NaN among them."
    if not losses:
        yield "note", f"{path}: no loss was noted yet."


def _logged(path: Path) -> list[tuple[int, float]]:
    """Step (or else the line) and loss of every line that has one. Raises DataError where none has."""
    try:
        lines = read_bounded(path, MAX_JSON_BYTES).decode().splitlines()
    except OSError as error:
        raise DataError(f"Cannot read {path} ({error.strerror}); check the file.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text; check the file.") from error
    found = [
        (int(step), loss)
        for number, line in enumerate(lines, start=1)
        if (values := _object(line)) is not None
        and (loss := _number(values.get("loss"))) is not None
        and (step := _number(values.get("step", number))) is not None
        and math.isfinite(step)
    ]
    if not found:
        raise DataError(f'{path}: no line has a loss; give lines such as {{"step": 1, "loss": 6.2}}.')
    return found


def _object(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _number(value: object) -> float | None:
    if isinstance(value, float):
        return value
    return float(value) if type(value) is int and abs(value) < LARGEST_WHOLE else None


def _nonfinite(state: Mapping[str, Any]) -> list[str]:
    """Weights by name, and moments by the optimizer's own number for their weight, that hold Inf or NaN."""
    kept = {str(name): value for name, value in state["model"].items()}
    for optimizer in state["optimizers"]:
        for index, memory in optimizer["state"].items():
            kept |= {f"{what} of weight {index}, which the optimizer keeps": v for what, v in memory.items()}
    return [
        name
        for name, value in kept.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all()
    ]
