"""The checks of one claim, and of all of a question, as experiments that a page can have run in the worker.

Belongs to no question: `python -m labs verify` checks the claims of all. A claim whose number comes from
a run needs none of this; its experiment is run itself (`labs/claims/verdicts.py`).
"""

EXPERIMENTS = ("claim", "question")
