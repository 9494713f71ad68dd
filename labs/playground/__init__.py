"""The playground: a text written on token by token, each with its probability and what stood beside it.

Belongs to no question, so nothing here is claimed, verified or recorded. A text cannot be asked for by
hand-picked ids, only by a prompt, which is what the command line takes too.
"""

EXPERIMENTS = ("continuation",)
