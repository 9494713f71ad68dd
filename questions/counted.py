"""A number and what it counts: in English one of them is a token, and none, two or 1.5 are tokens.

`counted` puts a unit behind a number, `fill_counted` fills a template. Both know the nouns below,
and leave symbols, verbs and Chinese as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_TIGHT = ("%", "×")
"""What stands close to its number."""
_PLURALS = (
    r"alarms|all-reduces|answers|bits|buckets|bugs|bytes|characters|chunks|claims|days|deviations|"
    r"documents|dollars|drafts|draws|elements|entries|GPUs|gradients|hours|ids|interviewers|"
    r"layers|lines|logits|losses|merges|micro-batches|minutes|models|nats|norms|numbers|operations|"
    r"orders|pairs|parameters|people|points|positions|predictions|probes|prompts|questions|"
    r"replicas|requests|rounds|rows|runs|seconds|seeds|sentences|sequences|slots|steps|targets|"
    r"tensors|terms|texts|things|threads|tokens|trainings|updates|users|weights|windows|words|years"
)
_IRREGULAR = {"entries": "entry", "losses": "loss", "micro-batches": "micro-batch", "people": "person"}
_VERBS = {"are": "is", "were": "was", "have": "has", "take": "takes"}
_BETWEEN = (
    "cached|earlier|greedy|held-out|later|more|new|normal|other|plain|prompt|rotary|scored|standard|such"
)
"""What may stand between a number and its noun."""
_PLURAL = re.compile(rf"\b({_PLURALS})\b(?: ({'|'.join(_VERBS)})\b)?")
_COUNTED = re.compile(
    rf"(\{{(\w+)(?::([^{{}}]*))?\}}[ \N{{NO-BREAK SPACE}}](?:(?:{_BETWEEN}) )?){_PLURAL.pattern}"
)


def counted(number: str, unit: str) -> str:
    """A written number with its unit; % and × close to it, and the unit of a one in the singular.

    >>> counted("1", "steps"), counted("1.5", "steps"), counted("1", "requests/s"), counted("50", "%")
    ('1\\xa0step', '1.5\\xa0steps', '1\\xa0request/s', '50%')
    """
    if not unit:
        return number
    if number == "1":
        unit = singular(unit)
    return f"{number}{'' if unit in _TIGHT else chr(0xA0)}{unit}"


def singular(unit: str) -> str:
    """What one of a unit is called.

    >>> singular("tokens back"), singular("ms")
    ('token back', 'ms')
    """
    return _PLURAL.sub(_one, unit, count=1)


def fill_counted(template: str, values: Mapping[str, Any]) -> str:
    """The template with its values, its nouns in agreement with the numbers before them.

    >>> fill_counted("{n:,} new tokens are left of {all}", {"n": 1, "all": 20})
    '1 new token is left of 20'
    """
    if not _counts(template):
        return template.format_map(values)

    def agreeing(found: re.Match[str]) -> str:
        if format(values[found[2]], found[3] or "") != "1":
            return found[0]
        return found[1] + _PLURAL.sub(_one, found[0].removeprefix(found[1]))

    return _COUNTED.sub(agreeing, template).format_map(values)


@cache
def _counts(template: str) -> bool:
    """Whether a number of the template counts something; most do not, and are filled as they are."""
    return _COUNTED.search(template) is not None


def _one(plural: re.Match[str]) -> str:
    """The noun of a match in the singular, and the verb behind it."""
    noun = _IRREGULAR.get(plural[1], plural[1].removesuffix("s"))
    return f"{noun} {_VERBS[plural[2]]}" if plural[2] else noun
