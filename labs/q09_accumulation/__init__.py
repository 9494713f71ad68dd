"""Question 9: gradient accumulation. Who divides by what, and who notices if nobody does."""

from __future__ import annotations

from labs.q09_accumulation.accumulate import Accumulate
from labs.q09_accumulation.checkpointing import Checkpointing
from labs.q09_accumulation.digits import Digits
from labs.q09_accumulation.duel import Duel
from labs.q09_accumulation.moe import Moe
from labs.q09_accumulation.ranks import Ranks
from labs.q09_accumulation.schedule import Schedule
from labs.q09_accumulation.windows import Windows

EXPERIMENTS = (Accumulate(), Duel(), Digits(), Windows(), Schedule(), Moe(), Ranks(), Checkpointing())
