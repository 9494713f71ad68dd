"""The sentence of three numbers that a lab is about: what was said, what the formula says, what was measured.

What was said is the person's own prediction, where one was made of this very number, and else what is
commonly said. The why is that of the prediction's claim; without a prediction the plot has to say it.
"""

from __future__ import annotations

import streamlit as st

from labs.claims.checks import value_at
from labs.contract import Data, Experiment, Params, ThreeNumbers
from labs.tools.written import SMALL, small_number
from pages.ui.lab.finding import Finding
from pages.ui.site.desk import Desk
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import t, words_of_lab
from pages.ui.words.markdown import Markdown, literal
from pages.ui.words.marks import labelled
from pages.ui.words.question_text import renderer_of
from questions import Prediction, Question
from questions.counted import counted
from questions.values import MINUS


def sentence(
    experiment: Experiment, params: Params, result: Data, numbers: ThreeNumbers, *, here: bool, desk: Desk
) -> None:
    """Draw the three numbers of a result made with `params`; `here` is on this device.

    `desk` has the predictions of whoever looks.
    """
    unit = numbers["unit"]
    formula = _strong("blue", numbers["formula"], unit)
    measured = Markdown(_strong("green" if here else "gray", numbers["measured"], unit) + _range(numbers))
    device = t("bench.device") if here else t("bench.device_recorded")
    said = _predicted(experiment, params, result, numbers["measured"], desk)
    if said is None and "said" not in numbers:
        st.markdown(t("bench.formula_and_measured", formula=formula, measured=measured, device=device))
        return
    if said is None:
        common = _strong("orange", numbers["said"], unit)
        st.markdown(t("bench.common", said=common, formula=formula, measured=measured, device=device))
        return
    answer, because = said
    own = _strong("violet", answer, unit)
    st.markdown(t("bench.own", said=own, formula=formula, measured=measured, device=device, because=because))


def line(experiment: Experiment, finding: Finding, desk: Desk) -> Markdown:
    """A result in one line: its three numbers, else the first that runs are compared by, else nothing."""
    result = experiment.complete(finding.params, finding.result)
    drawn = experiment.show(result, words_of_lab(experiment.lab))
    if finding.kind == "formula" or (drawn.sentence is None and not drawn.numbers):
        return Markdown()
    here = finding.kind == "measured"
    device = t("bench.row.here") if here else t("bench.row.recorded")
    colour = "green" if here else "gray"
    if drawn.sentence is None:
        name, value = next(iter(drawn.numbers.items()))
        short = labelled(name.replace(": ", ", "))  # the line has a colon of its own
        return t("bench.row.number", device=device, name=short, measured=_strong(colour, value, ""))
    numbers, unit = drawn.sentence, drawn.sentence["unit"]
    values = {
        "device": device,
        "formula": _strong("blue", numbers["formula"], ""),
        "measured": _strong(colour, numbers["measured"], unit),
    }
    said = _predicted(experiment, finding.params, result, numbers["measured"], desk)
    if said is None and "said" not in numbers:
        return t("bench.row.two", **values)
    if said is None:
        return t("bench.row.common", said=_strong("orange", numbers["said"], ""), **values)
    return t("bench.row.own", said=_strong("violet", said[0], ""), **values)


def _predicted(
    experiment: Experiment, params: Params, result: Data, measured: float, desk: Desk
) -> tuple[float, Markdown] | None:
    """The person's answer to the prediction of the measured number, and why that is what it is."""
    question = next((one for one in questions() if one.key == experiment.lab), None)
    attempt = desk.attempt(question) if question is not None else None
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
    """The quartiles of a number that was measured many times in one run, where they are written apart."""
    if "low" not in numbers:
        return ""
    low, high = _written(numbers["low"]), _written(numbers["high"])
    return t("bench.range", low=low, high=high) if low != high else ""


def _strong(colour: str, number: float, unit: str) -> Markdown:
    return Markdown(f":{colour}[**{literal(counted(_written(number), unit))}**]")


def _written(number: float) -> str:
    """Three significant digits; large numbers whole and with their thousands apart, tiny ones with a power.

    >>> _written(-1.0789), _written(1e6), _written(-0.0), _written(1.526e-05)
    ('−1.08', '1,000,000', '0', '1.53 × 10⁻⁵')
    """
    if 0 < abs(number) < SMALL:
        return small_number(number, digits=3)
    return (f"{number:,.0f}" if abs(number) >= 1000 else f"{number + 0.0:.3g}").replace("-", MINUS)
