"""Question 4: a text longer than the trained length. What each way to read it costs, sees and spoils."""

EXPERIMENTS = (
    "methods",
    "timing",
    "reach",
    "sparse",
    "passkey",
    "needle",
    "recall",
    "extrapolation",
    "routing",
)
