"""Question 8: faster inference. Its experiments are still to come; its claims are checked."""

from __future__ import annotations

from labs.contract.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
