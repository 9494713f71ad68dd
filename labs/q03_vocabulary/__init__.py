"""Question 3: what a vocabulary of another size would save and cost.

First the text itself as six tokenizers cut it, then the bill, by formula and on the clock; how such a
vocabulary is learned, and which of its rows the model never learns; models with three vocabularies, trained
for the same compute, and two rules for the size.
"""

EXPERIMENTS = ("market", "cost", "curve", "merges", "rows", "head", "trio", "rules")
