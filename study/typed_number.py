"""A number as people type it: `3.5` and `3,5`, `1,000,000` and `1 000 000`, `1e6`, `4×`, `50 %`, `8.4 MB`.

    read_typed(prediction, "1 000 000")  # 1000000.0

A number that cannot be read, or is impossible for its prediction, is refused with an AnswerError; the
words for it are the page's. Reads no sums and no fractions.
"""

from __future__ import annotations

import math
import re
import unicodedata

from questions import Prediction
from questions.counted import singular
from study.predictions import AnswerError, check_answer

_TIMES = ("×", "x", "倍", "times")
_SPACE = r"[ '’_]"
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
_GROUPED = (
    re.compile(r"([+-]?\d{1,3}(?:,\d{3})+)(\.\d*)?"),  # 1,000,000.5
    re.compile(r"([+-]?\d{1,3}(?:\.\d{3}){2,})(,\d*)?"),  # 1.000.000,5
    re.compile(r"([+-]?\d{1,3}(?:\.\d{3})+)(,\d+)"),  # 1.000,5
    re.compile(rf"([+-]?\d{{1,3}}(?:{_SPACE}\d{{3}})+)([.,]\d*)?"),  # 1 000 000,5
)
"""Whole digits in groups of three, and what follows the decimal sign."""


def read_typed(prediction: Prediction, typed: str) -> float:
    """The number that was typed for a prediction. Raises AnswerError.

    One comma before three digits parts thousands, as in `1,000`; else it is a decimal sign, as in `3,5` and
    `0,125`. A percentage is read as a share where the prediction is not asked in percent.
    """
    text, scale = _without_unit(prediction, _normalized(typed))
    number = _number(text)
    if number is None or not math.isfinite(number):
        raise AnswerError(f"{typed!r} is no number.", kind="unreadable")
    number = number / 100 if scale else number
    check_answer(prediction, number)
    return number


def read_number(typed: str) -> float | None:
    """A number that belongs to no prediction, as typed, with % or × behind it or not; None where it is none.

    >>> read_number(" 3,276,800 "), read_number("12,7 %"), read_number("many")
    (3276800.0, 12.7, None)
    """
    text = _normalized(typed)
    for unit in ("%", *_TIMES):
        text = text.removesuffix(unit).strip()
    number = _number(text)
    return number if number is not None and math.isfinite(number) else None


def _normalized(typed: str) -> str:
    text = unicodedata.normalize("NFKC", typed).strip().lower().replace("\N{MINUS SIGN}", "-").lstrip("~≈约")
    return text.strip()


def _without_unit(prediction: Prediction, text: str) -> tuple[str, bool]:
    """The text without its unit, and whether it is a percentage of something not asked in percent."""
    own = tuple(each.lower() for unit in (prediction.unit or {}).values() for each in (unit, singular(unit)))
    allowed = [*own, "%", *(_TIMES if not own or "×" in own else ())]
    for unit in sorted(filter(None, allowed), key=len, reverse=True):
        if text.endswith(unit) and text != unit:
            return text.removesuffix(unit).strip(), unit == "%" and "%" not in own
    return text, False


def _number(text: str) -> float | None:
    """A number without a unit; None where it is none."""
    leading_zero = re.match(r"[+-]?0,", text)
    for grouped in () if leading_zero else _GROUPED:
        if match := grouped.fullmatch(text):
            whole = re.sub(r"[^\d+-]", "", match[1])
            return float(whole + (match[2] or "").replace(",", "."))
    plain = text.replace(",", ".", 1) if text.count(",") == 1 and "." not in text else text
    return float(plain) if _PLAIN.fullmatch(plain) else None
