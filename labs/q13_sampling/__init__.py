"""Question 13: temperature and nucleus sampling, on the model's next token and on whole continuations.

Also on many texts at once, on numbers that a person types, and the codes that get sampling wrong.
"""

EXPERIMENTS = ("next_token", "continuation", "wall", "manual", "grid", "confidence", "bugs")
