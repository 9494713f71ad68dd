"""Question 9: gradient accumulation. Who divides by what, and who notices if nobody does."""

from __future__ import annotations

from labs.q09_accumulation.accumulate import Accumulate
from labs.q09_accumulation.digits import Digits
from labs.q09_accumulation.windows import Windows

EXPERIMENTS = (Accumulate(), Digits(), Windows())
