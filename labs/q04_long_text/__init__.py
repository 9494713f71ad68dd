"""Question 4: text beyond the trained length. Its experiments are still to come."""

from __future__ import annotations

from labs.contract.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
