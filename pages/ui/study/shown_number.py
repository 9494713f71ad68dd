"""How a predicted, computed or measured number is written: never 1e+06, never 4.00 tokens, never -0."""

from __future__ import annotations

from labs.contract.filling import raised
from questions import Prediction
from questions.values import MINUS, shown


def shown_number(value: float) -> str:
    """Whole numbers whole, others with four digits; powers of ten where zeros would be all one sees.

    >>> shown_number(1e6), shown_number(4.0), shown_number(1.32749), shown_number(5242.88), shown_number(-0.0)
    ('1,000,000', '4', '1.327', '5,243', '0')
    >>> shown_number(1e99), shown_number(2.5e-7), shown_number(-3.5)
    ('1 × 10⁹⁹', '2.5 × 10⁻⁷', '−3.5')
    """
    return _written(value).replace("-", MINUS)


def _written(value: float) -> str:
    size = abs(value)
    if size < 1e15 and value == int(value):
        return f"{int(value):,}"
    if 1e-4 <= size < 1e15:
        return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"
    digits, exponent = f"{value:.3e}".split("e")
    return f"{float(digits):g} × 10{raised(int(exponent))}"


def with_unit(prediction: Prediction, value: float, language: str) -> str:
    """The number with the prediction's unit, % and × close to it."""
    return shown(shown_number(value), unit_of(prediction, language))


def unit_of(prediction: Prediction, language: str) -> str:
    """The unit in a language; empty where there is none."""
    return prediction.unit[language] if prediction.unit else ""
