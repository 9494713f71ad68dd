"""Question 10: mixed precision. Which gradients FP16 loses, and what a loss scale gives back."""

EXPERIMENTS = ("window", "scaler", "orders", "duel", "memory", "speed")
