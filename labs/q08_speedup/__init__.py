"""Question 8: inference made faster. Each means measured by itself, with its price and its trap."""

EXPERIMENTS = (
    "ladder",
    "roofline",
    "prefill",
    "masks",
    "quantize",
    "prune",
    "kv_quant",
    "batching",
    "invariance",
    "speculative",
    "drafts",
    "distillation",
    "amdahl",
)
