"""The sentence of three numbers that a lab is about: what was said, what the formula says, what was measured.

What was said is the person's own prediction, where one was made of experiment very number, and else what is
commonly said. The why is that of the prediction's claim; without a prediction the plot has to say it.
"""

from __future__ import annotations

import streamlit as st

from labs.claims.checks import value_at
from labs.contract import Data, Experiment, Params, ThreeNumbers
from pages.ui.site import store
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown, literal
from pages.ui.words.question_text import renderer_of
from questions import Prediction, Question


def sentence(
    experiment: Experiment, params: Params, result: Data, numbers: ThreeNumbers, *, here: bool
) -> None:
    """Draw the three numbers of a result made with `params`; `here` is on experiment device."""
    unit = numbers["unit"]
    formula = _strong("blue", numbers["formula"], unit)
    measured = Markdown(_strong("green" if here else "gray", numbers["measured"], unit) + _range(numbers))
    device = t("bench.device") if here else t("bench.device_recorded")
    said = _predicted(experiment, params, result, numbers["measured"])
    if said is None:
        common = _strong("orange", numbers["said"], unit)
        st.markdown(t("bench.common", said=common, formula=formula, measured=measured, device=device))
        return
    answer, because = said
    own = _strong("violet", answer, unit)
    st.markdown(t("bench.own", said=own, formula=formula, measured=measured, device=device, because=because))


def _predicted(
    experiment: Experiment, params: Params, result: Data, measured: float
) -> tuple[float, Markdown] | None:
    """The person's answer to the prediction of the measured number, and why that is what it is."""
    question = next((one for one in questions() if one.key == experiment.lab), None)
    attempt = store.attempt(question) if question is not None else None
    if question is None or attempt is None:
        return None
    for prediction in question.predictions:
        answer = attempt.predictions.get(prediction.id)
        if isinstance(answer, int | float) and _is_about(prediction, experiment, params, result, measured):
            return answer, _why(question, prediction)
    return None


def _is_about(
    prediction: Prediction, experiment: Experiment, params: Params, result: Data, measured: float
) -> bool:
    if prediction.experiment != experiment.id:
        return False
    asked = experiment.params.from_dict(prediction.params)
    try:
        value = value_at(result, prediction.measures)
    except LookupError:
        return False
    return asked.measured() == params.measured() and bool(value == measured)


def _why(question: Question, prediction: Prediction) -> Markdown:
    claim = question.claim(prediction.claim)
    return Markdown(renderer_of(question).text(claim.truth, claim))


def _range(numbers: ThreeNumbers) -> str:
    """The quartiles of a number that was measured many times in one run; of others nothing."""
    if "low" not in numbers:
        return ""
    return " " + t("bench.range", low=f"{numbers['low']:.3g}", high=f"{numbers['high']:.3g}")


def _strong(colour: str, number: float, unit: str) -> Markdown:
    space = "" if unit in ("", "%", "×") else "\N{NO-BREAK SPACE}"
    return Markdown(f":{colour}[**{number:.3g}{space}{literal(unit)}**]")
