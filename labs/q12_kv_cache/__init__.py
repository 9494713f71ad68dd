"""Question 12: the KV cache. What it saves in passes, operations, bytes and seconds, and how it breaks."""

EXPERIMENTS = ("race", "memory", "bugs", "invariance", "pages")
