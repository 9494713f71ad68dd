"""The sizes of the recall experiment: its task, its arms, and what each device trains. No torch."""

from __future__ import annotations

from labs.tools.budgets import PerDevice

ARMS = {"full": "circle", "yarn": "diamond", "tuned": "diamond-open", "window": "star", "hierarchy": "square"}
"""The ways to read, and the symbol of each."""
LEARNING = ("full", "tuned", "window", "hierarchy")
"""Those that are trained; "yarn" has the weights of "full"."""
KEYS = 8
"""Facts in a text, each with a key of its own, and questions behind it."""
CHANCE = 100 / KEYS
"""Percent: every value stands in a text once, so one that is taken blindly is right once in so many times."""
LAYERS = 2
DEPTHS, BINS = 5, 16
"""Parts of a text, and of the trained length, that recall is told for."""

TRAINED = PerDevice(cpu=64, cuda=256)
"""Tokens of a text in training."""
TIMES = PerDevice(cpu=(1, 2, 4, 8), cuda=(1, 2, 4, 8, 16))
"""How much longer the texts are that are asked about."""
CHUNKS = 4
"""Of a text of the trained length, in the hierarchy."""
STEPS, ROWS, RATE = PerDevice(cpu=250, cuda=500), PerDevice(cpu=32, cuda=64), 3e-3
TUNED_TIMES = PerDevice(cpu=4, cuda=8)
"""How much longer the texts of the fine-tuning are; it takes one step for TUNED_SHARE of the training."""
TUNED_SHARE, TUNED_ROWS, TUNED_RATE = 8, PerDevice(cpu=8, cuda=16), 1e-3
SEEDS = PerDevice(cpu=1, cuda=3)
QUESTIONS = PerDevice(cpu=256, cuda=2048)
"""Asked at each length in each arm."""
READ_AT_ONCE = PerDevice(cpu=16_384, cuda=131_072)
"""Tokens of a batch that is only read."""
TEXT_SEED = 1_000_003
"""Of the texts that are asked about, apart from those of any training."""
SURE = 90.0
"""Percent of the facts in sight of one layer: what an arm finds at its own length if it has learned."""


def reach_back(window: int) -> int:
    """Tokens back from which information can arrive through all layers of window attention.

    >>> reach_back(16)
    30
    """
    return LAYERS * (window - 1)
