"""Two probes that run the coming step of a patient once more, and change nothing of it. Imports torch."""

from __future__ import annotations

import warnings

import torch

from labs.q11_nan.patient import Patient
from minimind_core.training.batches import IGNORE


def anomaly(patient: Patient) -> str:
    """What torch's anomaly mode says of the coming step; "" if nothing."""
    weights = list(patient.model.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            try:
                torch.autograd.grad(patient.loss(), weights, allow_unused=True)
            except RuntimeError as error:
                return str(error).split(".")[0] + "."
    return ""


def batch_facts(patient: Patient) -> str:
    """What the coming batch holds, in numbers that need no language."""
    inputs, targets = patient.batch()
    scored = int((targets != IGNORE).sum())
    return f"ids {int(inputs.min())}–{int(inputs.max())}, targets {scored}/{targets.numel()}"
