"""Question 6: grouped-query attention. What sharing key/value heads saves in bytes, time and quality."""

EXPERIMENTS = ("decode", "cache", "wiring", "layer", "quality", "convert", "seeds")
