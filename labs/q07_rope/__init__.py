"""Question 7: rotary positions. How exactly they are relative, how far they reach, what stretches them."""

from labs.q07_rope.invariance import Invariance
from labs.q07_rope.lengths import Lengths
from labs.q07_rope.seeds import Seeds
from labs.q07_rope.shift import Shift
from labs.q07_rope.spectrum import Spectrum

EXPERIMENTS = (Invariance(), Spectrum(), Shift(), Lengths(), Seeds())
