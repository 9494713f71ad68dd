"""What the fields of a prediction say: the answer that they are read as, and a remark. Draws nothing."""

from __future__ import annotations

import streamlit as st

from pages.ui.study.shown_number import shown_number, with_unit
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from questions import Prediction, Question
from study.intervals import ENDS, end_keys, median
from study.predictions import Answer, AnswerError
from study.typed_number import read_typed

RANGE = "range"
Answers = dict[str, Answer | None]


def answers_of(question: Question, prediction: Prediction) -> Answers:
    """What the fields of one prediction say: its answer, and the ends where it is a range; None if empty.

    Raises AnswerError.
    """
    if prediction.kind == "choice":
        return {prediction.id: st.session_state.get(key_of(question, prediction))}
    if not st.session_state.get(f"{key_of(question, prediction)}.{RANGE}"):
        typed = typed_in(question, prediction, "")
        return {prediction.id: read_typed(prediction, typed) if typed else None}
    ends = [typed_in(question, prediction, part) for part in ENDS]
    if not any(ends):
        return {prediction.id: None}
    if not all(ends):
        raise AnswerError("A range needs two ends.", kind="half")
    low, high = (read_typed(prediction, end) for end in ends)
    if low >= high:
        raise AnswerError("A range begins below its end.", kind="order")
    return {
        prediction.id: median(prediction, low, high),
        **dict(zip(end_keys(prediction.id), (low, high), strict=True)),
    }


def is_refused(question: Question, prediction: Prediction) -> bool:
    """Whether what stands in the fields cannot be taken."""
    try:
        answers_of(question, prediction)
    except AnswerError:
        return True
    return False


def remark(question: Question, prediction: Prediction) -> str:
    """Below a field: why its number is refused, else how it is read, else what is asked for.

    There is always a line, so that nothing below moves while somebody types.
    """
    language = current_language()
    try:
        answers = answers_of(question, prediction)
    except AnswerError as error:
        return f"**✗ {_refused(prediction, error)}**"
    answer = answers[prediction.id]
    if not isinstance(answer, float):
        return t("predict.whole_asked") if prediction.limits.whole else "\N{NO-BREAK SPACE}"
    shown = Markdown(with_unit(prediction, answer, language))
    if len(answers) > 1:
        return t("predict.middle", number=shown)
    typed = str(st.session_state[key_of(question, prediction)]).strip()
    return t("predict.read", number=shown) if typed != shown_number(answer) else "\N{NO-BREAK SPACE}"


def typed_in(question: Question, prediction: Prediction, part: str) -> str:
    """What stands in one field, without blanks around it."""
    return str(st.session_state.get(key_of(question, prediction, part)) or "").strip()


def key_of(question: Question, prediction: Prediction, part: str = "") -> str:
    """The key of one field: of the number, or of an end of its range."""
    return f"{question.key}.predict.{name_of(prediction, part)}"


def name_of(prediction: Prediction, part: str) -> str:
    """The name of one of its fields: as an attempt calls a number and the ends of a range."""
    return f"{prediction.id}.{part}" if part else prediction.id


def _refused(prediction: Prediction, error: AnswerError) -> Markdown:
    """Why a number cannot be taken, in one sentence."""
    limits = prediction.limits
    low = limits.minimum if limits.above is None else limits.above
    if error.kind != "range":
        return t(f"predict.refused.{error.kind}")
    if low is not None and limits.maximum is not None:
        return t("predict.refused.between", low=shown_number(low), high=shown_number(limits.maximum))
    if low is None:
        return t("predict.refused.most", high=shown_number(limits.maximum or 0))
    return t(f"predict.refused.{'least' if limits.above is None else 'above'}", low=shown_number(low))
