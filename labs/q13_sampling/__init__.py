"""Question 13: temperature and nucleus sampling, on the model's next token and on whole continuations.

Also on many texts at once, on numbers that a person types, and the codes that get sampling wrong.
"""

from labs.q13_sampling.bugs import Bugs
from labs.q13_sampling.confidence import Confidence
from labs.q13_sampling.continuation import Continuation
from labs.q13_sampling.grid import Grid
from labs.q13_sampling.manual import Manual
from labs.q13_sampling.next_token import NextToken
from labs.q13_sampling.wall import Wall

EXPERIMENTS = (NextToken(), Continuation(), Wall(), Manual(), Grid(), Confidence(), Bugs())
