"""Question 3: what a vocabulary of another size would save and cost.

First the text itself as six tokenizers cut it, then the bill, and how such a vocabulary is learned.
"""

from labs.q03_vocabulary.cost import Cost
from labs.q03_vocabulary.curve import Curve
from labs.q03_vocabulary.market import Market
from labs.q03_vocabulary.merges import Merges

EXPERIMENTS = (Market(), Cost(), Curve(), Merges())
