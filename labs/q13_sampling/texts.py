"""What can be said of sampled texts without a model: valid syntax, repetition, diversity. No torch.

Nothing that the model wrote is ever executed: Python is parsed, no more.
"""

from __future__ import annotations

import ast
import codeop
import itertools
import warnings
from collections.abc import Sequence

Ids = Sequence[int]

_FLAGS = ast.PyCF_ONLY_AST | codeop.PyCF_ALLOW_INCOMPLETE_INPUT  # type: ignore[attr-defined]


def is_valid_python(text: str, *, ended: bool) -> bool:
    """Whether Python's parser takes the text; where the model had no more room, its whole lines so far.

    A bracket that is still open where a text was cut off is no error: it could have been closed.

    >>> is_valid_python("def f(x):\\n    return (x +", ended=False)
    True
    >>> is_valid_python("def f(x):\\n    return x x\\n", ended=False)
    False
    """
    whole = text if ended else text[: text.rfind("\n") + 1]
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(whole, "<sample>", "exec", _FLAGS)
    except SyntaxError as error:
        return not ended and "incomplete input" in str(error)
    except (ValueError, MemoryError, RecursionError, OverflowError):  # null bytes, absurd nesting
        return False
    return True


def distinct_pairs(texts: Sequence[Ids]) -> float:
    """Distinct-2: different pairs of neighbouring tokens over all pairs (Li et al. 2016); 1 for no pairs.

    >>> distinct_pairs([[1, 2, 1, 2, 1]])
    0.5
    """
    pairs = [pair for ids in texts for pair in itertools.pairwise(ids)]
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def repetition(ids: Ids, length: int = 4) -> float:
    """The share of runs of four tokens that stood earlier in the text (seq-rep-4, Welleck et al. 2020).

    >>> repetition([1, 2, 3, 1, 2, 3, 1], length=3)
    0.4
    """
    runs = [tuple(ids[start : start + length]) for start in range(len(ids) - length + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def visible(token: str) -> str:
    """A token as a label: spaces and line breaks can be seen."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
