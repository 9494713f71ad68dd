"""The state of a run (`Trainer.state`) as a file: read safely, whole or refused in one sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minimind_core.atomic_file import open_whole
from minimind_core.bounded import check_archive, open_file
from minimind_core.errors import CheckpointError, MiniMindError
from minimind_core.files.pickle_scan import check_pickles


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """The file appears whole or not at all. Raises CheckpointError where it cannot be written."""
    try:
        with open_whole(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"Cannot write the training state to {path} ({error}): free some space and "
            "save again; what was there before is unchanged."
        ) from error


def read_state(path: Path) -> Mapping[str, Any]:
    """What `save` wrote, on the CPU. Raises CheckpointError, or FileError for what is no ordinary file."""
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            check_archive(path, file, size)
            check_pickles(path, file)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"No training state at {path}; start without --resume.") from None
    except MiniMindError:
        raise
    except Exception as error:
        raise not_whole(path) from error
    if not isinstance(state, Mapping) or "training" not in state:
        raise not_whole(path)
    return state


def not_whole(path: Path) -> CheckpointError:
    """The error for a file that is no state, or not all of one."""
    return CheckpointError(f"{path} is not a whole training state; use an older one or start anew.")


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError for a moment that has not its parameter's shape; the step would find out."""
    for parameter, moments in optimizer.state.items():
        for value in moments.values():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"a moment of shape {tuple(value.shape)} for {tuple(parameter.shape)}")
