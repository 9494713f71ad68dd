"""What this machine can do, in ten seconds: the three numbers that the formulas of the questions need.

Belongs to no question. `labs/contract/machine.py` has what follows from them.
"""

EXPERIMENTS = ("card",)
