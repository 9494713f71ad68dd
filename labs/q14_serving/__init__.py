"""Question 14: an inference service. What a step takes, how many replicas keep the goal, and a real load."""

EXPERIMENTS = (
    "simulate",
    "calibrate",
    "load",
    "live",
    "blocking",
    "batching",
    "priorities",
    "balancing",
    "autoscaler",
    "histogram",
)
