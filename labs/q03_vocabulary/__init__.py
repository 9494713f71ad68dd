"""Question 3: what the size of the vocabulary costs. Its experiments are still to come."""

from __future__ import annotations

from labs.contract.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
