"""Question 12: the KV cache. What it saves in passes, operations, bytes and seconds, and how it breaks."""

from labs.q12_kv_cache.bugs import Bugs
from labs.q12_kv_cache.invariance import Invariance
from labs.q12_kv_cache.memory import Memory
from labs.q12_kv_cache.pages import Pages
from labs.q12_kv_cache.race import Race

EXPERIMENTS = (Race(), Memory(), Bugs(), Invariance(), Pages())
