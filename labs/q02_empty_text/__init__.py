"""Question 2: the damage that an empty text does. Its experiments are still to come."""

from __future__ import annotations

from labs.contract.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
