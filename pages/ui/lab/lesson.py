"""The sentence of three numbers that a lab is about: what was said, what the formula says, what was measured.

What was said is the person's own prediction, where one was made of this very number, and else what is
commonly said. The why is that of the prediction's claim; without a prediction the plot has to say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from labs.claims.checks import value_at
from labs.contract.experiment import Experiment, Result
from labs.contract.fields import Params
from pages.ui.site import store
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import t
from pages.ui.words.question_text import renderer_of
from questions import Prediction, Question


def sentence(this: Experiment, params: Params, result: Result, *, here: bool) -> None:
    """Draw it for a result made with `params`, where its lab gives the numbers; `here` is on this device."""
    numbers = result.get("sentence")
    if numbers is None:
        return
    unit = numbers["unit"]
    formula = _strong("blue", numbers["formula"], unit)
    measured = _strong("green" if here else "gray", numbers["measured"], unit) + _range(numbers)
    device = t("bench.device") if here else t("bench.device_recorded")
    said = _predicted(this, params, result)
    if said is None:
        common = _strong("orange", numbers["said"], unit)
        st.markdown(t("bench.common", said=common, formula=formula, measured=measured, device=device))
        return
    answer, because = said
    own = _strong("violet", answer, unit)
    st.markdown(t("bench.own", said=own, formula=formula, measured=measured, device=device, because=because))


def _predicted(this: Experiment, params: Params, result: Result) -> tuple[float, str] | None:
    """The person's answer to the prediction of the measured number, and why that is what it is."""
    question = next((one for one in questions() if one.key == this.question), None)
    attempt = store.attempt(question) if question is not None else None
    if question is None or attempt is None:
        return None
    for prediction in question.predictions:
        answer = attempt.predictions.get(prediction.id)
        if isinstance(answer, int | float) and _is_about(prediction, this, params, result):
            return answer, _why(question, prediction)
    return None


def _is_about(prediction: Prediction, this: Experiment, params: Params, result: Result) -> bool:
    if prediction.experiment != this.id:
        return False
    asked = this.params.from_dict(prediction.params)
    try:
        value = value_at(result, prediction.measures)
    except LookupError:
        return False
    return asked.measured() == params.measured() and bool(value == result["sentence"]["measured"])


def _why(question: Question, prediction: Prediction) -> str:
    claim = question.claim(prediction.claim)
    return renderer_of(question).text(claim.truth, claim)


def _range(numbers: Mapping[str, Any]) -> str:
    """The quartiles of a number that was measured many times in one run; of others nothing."""
    if "low" not in numbers:
        return ""
    return " " + t("bench.range", low=f"{numbers['low']:.3g}", high=f"{numbers['high']:.3g}")


def _strong(colour: str, number: float, unit: str) -> str:
    space = "" if unit in ("", "%", "×") else "\N{NO-BREAK SPACE}"
    return f":{colour}[**{number:.3g}{space}{unit}**]"
