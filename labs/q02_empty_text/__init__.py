"""Question 2: a row without a target, and what one training step makes of it."""

EXPERIMENTS = (
    "step",
    "mixed",
    "chance",
    "guards",
    "infinite_logit",
    "two_ranks",
    "rows",
    "anomaly",
    "poisoned",
    "quiet",
)
