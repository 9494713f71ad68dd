"""Question 3: what a vocabulary of another size would save and cost.

First the text itself as six tokenizers cut it, then the bill, by formula and on the clock; how such a
vocabulary is learned, and which of its rows the model never learns; models with three vocabularies, trained
for the same compute, and two rules for the size.
"""

from labs.q03_vocabulary.cost import Cost
from labs.q03_vocabulary.curve import Curve
from labs.q03_vocabulary.head import Head
from labs.q03_vocabulary.market import Market
from labs.q03_vocabulary.merges import Merges
from labs.q03_vocabulary.rows import Rows
from labs.q03_vocabulary.rules import Rules
from labs.q03_vocabulary.trio import Trio

EXPERIMENTS = (Market(), Cost(), Curve(), Merges(), Rows(), Head(), Trio(), Rules())
