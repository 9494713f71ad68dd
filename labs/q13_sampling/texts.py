"""What can be said of sampled texts without a model: valid syntax, repetition, diversity. No torch.

Nothing that the model wrote is ever executed: Python is parsed, no more.
"""

from __future__ import annotations

import ast
import codeop
import itertools
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

PYTHON_PROMPTS = (
    'def add(a, b):\n    """Return the sum of a and b."""\n',
    'def is_even(number):\n    """Return True if the number is even."""\n',
    'def read_lines(path):\n    """Return the lines of a text file."""\n',
    'def largest(values):\n    """Return the largest of the values."""\n',
    'def count_words(text):\n    """Return how often each word occurs."""\n',
    'def factorial(n):\n    """Return the product of 1 to n."""\n',
    'class Stack:\n    """Last in, first out."""\n\n    def __init__(self):\n',
    'def reverse(items):\n    """Return the items in reverse order."""\n',
)
PROSE_PROMPTS = (
    "Once upon a time, there was a little girl",
    "今天天气",
    "The old man looked at the sea and",
    "从前有一只小猫，",
    "In the morning the children",
    "春天来了，",
    "The history of the city begins",
    "科学家发现，",
)
_FLAGS = ast.PyCF_ONLY_AST | codeop.PyCF_ALLOW_INCOMPLETE_INPUT  # type: ignore[attr-defined]
_INCOMPLETE = "incomplete input"


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
        return not ended and _INCOMPLETE in str(error)
    except (ValueError, MemoryError, RecursionError, OverflowError):  # null bytes, absurd nesting
        return False
    return True


def distinct_pairs(texts: Sequence[Sequence[int]]) -> float:
    """Distinct-2: different pairs of neighbouring tokens over all pairs (Li et al. 2016); 1 for no pairs.

    >>> distinct_pairs([[1, 2, 1, 2, 1]])
    0.5
    """
    pairs = [pair for ids in texts for pair in itertools.pairwise(ids)]
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def repetition(ids: Sequence[int], length: int = 4) -> float:
    """The share of runs of four tokens that stood earlier in the text (seq-rep-4, Welleck et al. 2020).

    >>> repetition([1, 2, 3, 1, 2, 3, 1], length=3)
    0.4
    """
    runs = [tuple(ids[start : start + length]) for start in range(len(ids) - length + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def summary(samples: Sequence[Mapping[str, Any]], ids: Sequence[Sequence[int]]) -> dict[str, float]:
    """Of many texts together: `distinct` over all their pairs, the means of the rest."""
    means = {
        name: statistics.fmean(sample[name] for sample in samples)
        for name in ("repetition", "log_probability")
    }
    return {"distinct": distinct_pairs(ids), **means, "mean_tokens": statistics.fmean(map(len, ids))}
