"""Question 2: a row without a target, and what one training step makes of it."""

from labs.q02_empty_text.anomaly import Anomaly
from labs.q02_empty_text.chance import Chance
from labs.q02_empty_text.guards import Guards
from labs.q02_empty_text.infinite_logit import InfiniteLogit
from labs.q02_empty_text.mixed import Mixed
from labs.q02_empty_text.poisoned import Poisoned
from labs.q02_empty_text.quiet import Quiet
from labs.q02_empty_text.rows import Rows
from labs.q02_empty_text.step import Step
from labs.q02_empty_text.two_ranks import TwoRanks

EXPERIMENTS = (
    Step(),
    Mixed(),
    Chance(),
    Guards(),
    InfiniteLogit(),
    TwoRanks(),
    Rows(),
    Anomaly(),
    Poisoned(),
    Quiet(),
)
