"""Question 9: gradient accumulation. Who divides by what, and who notices if nobody does."""

EXPERIMENTS = (
    "accumulate",
    "layers",
    "duel",
    "digits",
    "windows",
    "precision",
    "schedule",
    "moe",
    "ranks",
    "checkpointing",
)
