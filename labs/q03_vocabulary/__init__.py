"""Question 3: what a vocabulary of another size would save and cost.

First the text itself as six tokenizers cut it, then the bill.
"""

from labs.q03_vocabulary.cost import Cost
from labs.q03_vocabulary.market import Market

EXPERIMENTS = (Market(), Cost())
