"""Question 8: inference made faster. Each means measured by itself, with its price and its trap."""

from labs.q08_speedup.amdahl import Amdahl
from labs.q08_speedup.batching import Batching
from labs.q08_speedup.invariance import Invariance
from labs.q08_speedup.kv_quant import KvQuant
from labs.q08_speedup.ladder import Ladder
from labs.q08_speedup.masks import Masks
from labs.q08_speedup.prefill import Prefill
from labs.q08_speedup.prune import Prune
from labs.q08_speedup.quantize import Quantize
from labs.q08_speedup.speculative import Speculative

EXPERIMENTS = (
    Ladder(),
    Prefill(),
    Masks(),
    Quantize(),
    Prune(),
    KvQuant(),
    Batching(),
    Invariance(),
    Speculative(),
    Amdahl(),
)
