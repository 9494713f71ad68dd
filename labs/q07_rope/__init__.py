"""Question 7: rotary positions. How exactly they are relative, how far they reach, what stretches them."""

EXPERIMENTS = ("invariance", "spectrum", "shift", "lengths", "seeds")
