"""Question 4: a text longer than the trained length. What each way to read it costs, sees and spoils."""

from labs.q04_long_text.extrapolation import Extrapolation
from labs.q04_long_text.methods import Methods
from labs.q04_long_text.needle import Needle
from labs.q04_long_text.passkey import Passkey
from labs.q04_long_text.reach import Reach
from labs.q04_long_text.recall import Recall
from labs.q04_long_text.routing import Routing
from labs.q04_long_text.sparse import Sparse
from labs.q04_long_text.timing import Timing

EXPERIMENTS = (
    Methods(),
    Timing(),
    Reach(),
    Sparse(),
    Passkey(),
    Needle(),
    Recall(),
    Extrapolation(),
    Routing(),
)
