"""Question 11: the loss is NaN. Where it began, why, what repairs it and what only silences it."""

from __future__ import annotations

from labs.q11_nan.autopsy import Autopsy
from labs.q11_nan.checklist import Checklist
from labs.q11_nan.cost import Cost
from labs.q11_nan.detective import Detective
from labs.q11_nan.first_loss import FirstLoss
from labs.q11_nan.monitor import Monitor
from labs.q11_nan.rates import Rates
from labs.q11_nan.roulette import Roulette
from labs.q11_nan.surgeon import Surgeon

EXPERIMENTS = (
    Autopsy(),
    Detective(),
    Surgeon(),
    FirstLoss(),
    Rates(),
    Monitor(),
    Cost(),
    Roulette(),
    Checklist(),
)
