"""Question 11: the loss is NaN. Where it began, why, what repairs it and what only silences it."""

EXPERIMENTS = (
    "autopsy",
    "detective",
    "surgeon",
    "first_loss",
    "eps",
    "scores",
    "clipping",
    "mask",
    "masked_mean",
    "rates",
    "monitor",
    "norms",
    "rewind",
    "cost",
    "roulette",
    "checklist",
)
