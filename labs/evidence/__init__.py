"""The check of one claim as an experiment, so that a page can have it run in the worker.

Belongs to no question: `python -m labs verify` checks the claims of all. A claim whose number comes from
a run needs none of this; its experiment is run itself (`labs/claims/verdicts.py`).
"""

from labs.evidence.claim import ClaimCheck

EXPERIMENTS = (ClaimCheck(),)
