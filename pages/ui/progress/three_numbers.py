"""What was said, what the formula says and what was measured for a prediction, as plain texts."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from labs.claims.checks import value_at
from labs.contract.filling import raised
from pages.ui.experiments import experiment, registry
from questions import Prediction, Renderer
from questions.counted import counted
from study.predictions import readable

_DIGITS = 4


def formula_of(prediction: Prediction) -> Any:
    """The number by the formula; None where the lab has none, or no such experiment."""
    if prediction.experiment not in registry():
        return None
    value = _formula(prediction.experiment, json.dumps(dict(prediction.params)), prediction.measures)
    return readable(prediction, value)


@cache
def _formula(name: str, params: str, measures: str) -> Any:
    """Asked for by every document that holds the prediction; a formula may take a while."""
    measuring = experiment(name)
    settings = measuring.params.from_dict(json.loads(params))
    formula = measuring.formula(settings)
    try:
        return None if formula is None else value_at(measuring.complete(settings, formula), measures)
    except (LookupError, TypeError):
        return None


def is_measured(prediction: Prediction) -> bool:
    """Whether its number is measured, and not the formula's alone."""
    return prediction.experiment not in registry() or not experiment(prediction.experiment).instant


def shown(prediction: Prediction, value: Any, renderer: Renderer) -> str:
    """A stored answer or measurement with its unit, or the text of a choice; "–" for what is neither."""
    known = readable(prediction, value)
    if known is None:
        return "–"
    if isinstance(known, str):
        return next(renderer.text(choice.text) for choice in prediction.choices if choice.id == known)
    unit = prediction.unit[renderer.language] if prediction.unit else ""
    return counted(number(known), unit)


def number(value: float) -> str:
    """A number to four digits, a whole one in full; very large and very small ones with a power of ten.

    >>> number(1000000.0), number(3.14159), number(0.00031), number(-0.0), number(2.5e-9)
    ('1,000,000', '3.142', '0.00031', '0', '2.5 × 10⁻⁹')
    """
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if not -5 <= power < 15:
        digits = f"{value / 10.0**power:.{_DIGITS - 1}f}".rstrip("0").rstrip(".")
        return f"{digits} × 10{raised(power)}"
    places = 0 if value == round(value) else max(0, _DIGITS - 1 - power)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
