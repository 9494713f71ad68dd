"""Question 1: X, Y and the loss mask, on the real model and on models trained by wrong rules."""

EXPERIMENTS = ("batch", "edit", "prefix", "free_running", "specimens", "finetune", "packing")
