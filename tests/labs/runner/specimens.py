"""Clients whose workers know the specimens of experiments and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labs.contract.registry import Registry
from labs.runner import WorkerClient
from labs.runner.store import ResultStore

SPECIMENS = Registry(["tests.labs.q00_specimens"])
SMALL = "random:byte-128"


def specimen_client(folder: Path, device: str = "cpu", *, model: str = SMALL, **more: Any) -> WorkerClient:
    """One that keeps its results in `folder`; whoever starts it closes it."""
    return WorkerClient.start(device, model=model, registry=SPECIMENS, store=ResultStore(folder), **more)
