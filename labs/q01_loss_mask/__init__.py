"""Question 1: the shift, the loss mask and what padding does. Its experiments are still to come."""

from __future__ import annotations

from labs.contract.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
