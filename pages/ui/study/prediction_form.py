"""The fields for predictions: typed freely, checked at once, committed by a button and by nothing else.

What stands in them is kept as a draft 400 ms after the last key, so that a reload, another language or a
visit elsewhere loses nothing. A number that is impossible is refused at its field, and nothing is committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from pages.ui.site import store
from pages.ui.site.component import component
from pages.ui.site.desk import Desk
from pages.ui.study.shown_number import shown_number, unit_of, with_unit
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from questions import Prediction, Question, Renderer
from study.intervals import ENDS, end_keys, median
from study.predictions import Answer, AnswerError
from study.store import Attempt
from study.typed_number import read_typed

_RANGE = "range"
_PAUSE = "400ms"
_LONGEST = 60
_WIDTH, _HALF_WIDTH = 150, 110
Answers = dict[str, Answer | None]
_keys = component(Path(__file__).with_name("prediction_fields.js"))


def form(
    question: Question,
    predictions: Iterable[Prediction],
    attempt: Attempt | None,
    renderer: Renderer,
    desk: Desk = store,
) -> None:
    """Draw a field for each prediction, what it is read as, and the buttons that commit or skip."""
    predictions, name = tuple(predictions), f"{question.key}-predictions"
    _restore(question, predictions, desk)
    st.markdown(t("predict.lead"))
    with st.container(border=True, key=name, gap="small"):
        for prediction in predictions:
            _field(question, prediction, renderer, desk)
        _buttons(question, predictions, attempt, desk)
    _keys(
        key=f"{question.key}.predict.keys",
        data={
            "form": name,
            "button": f"{name}-commit",
            "boxes": {_box(question, each): _is_refused(question, each) for each in predictions},
            "refusals": st.session_state.get(_refusals(question), 0),
        },
        height=0,
    )


def _restore(question: Question, predictions: Iterable[Prediction], desk: Desk) -> None:
    """Put what was typed before into the fields that are drawn now and were not drawn before.

    Streamlit tells the browser of a value only in the run that sets it.
    """
    typed = desk.typed(question)
    for prediction in predictions:
        key = _key(question, prediction)
        if prediction.kind == "choice":
            known = {choice.id for choice in prediction.choices}
            chosen = typed.get(prediction.id)
            st.session_state.setdefault(key, chosen if chosen in known else None)
            continue
        st.session_state.setdefault(f"{key}.{_RANGE}", f"{prediction.id}.{_RANGE}" in typed)
        for part in _drawn(question, prediction):
            name = _name(prediction, part)
            st.session_state.setdefault(_key(question, prediction, part), typed.get(name, ""))


def _drawn(question: Question, prediction: Prediction) -> tuple[str, ...]:
    """Which fields a number has now: one, or the two ends of a range."""
    return ENDS if st.session_state.get(f"{_key(question, prediction)}.{_RANGE}") else ("",)


def _field(question: Question, prediction: Prediction, renderer: Renderer, desk: Desk) -> None:
    text = renderer.text(prediction.question)
    st.markdown(text)
    if prediction.kind == "choice":
        _choices(question, prediction, text, renderer, desk)
        return
    key = _key(question, prediction)
    parts = _drawn(question, prediction)
    save = partial(store.guarded(_save), question, prediction, desk)
    fields = st.container(gap="xxsmall", key=_box(question, prediction))
    with fields.container(horizontal=True, vertical_alignment="center", gap="small"):
        for part in parts:
            st.text_input(
                f"{text} {t(f'predict.{part}')}" if part else text,
                key=_key(question, prediction, part),
                placeholder=t(f"predict.{part}") if part else None,
                max_chars=_LONGEST,
                autocomplete="off",
                live=_PAUSE,
                on_change=save,
                label_visibility="collapsed",
                width=_HALF_WIDTH if part else _WIDTH,
            )
        if unit := unit_of(prediction, renderer.language):
            st.markdown(unit, width="content")
        st.toggle(t("predict.range"), key=f"{key}.{_RANGE}", on_change=save)
    fields.markdown(f":small[{_remark(question, prediction)}]")


def _choices(question: Question, prediction: Prediction, text: str, renderer: Renderer, desk: Desk) -> None:
    names = {choice.id: renderer.text(choice.text) for choice in prediction.choices}
    st.radio(
        text,
        list(names),
        format_func=names.__getitem__,
        key=_key(question, prediction),
        on_change=partial(store.guarded(_save), question, prediction, desk),
        label_visibility="collapsed",
    )


def _remark(question: Question, prediction: Prediction) -> str:
    """Below a field: why its number is refused, else how it is read, else what is asked for.

    There is always a line, so that nothing below moves while somebody types.
    """
    language = current_language()
    try:
        answers = _answers(question, prediction)
    except AnswerError as error:
        return f"**✗ {_refused(prediction, error)}**"
    answer = answers[prediction.id]
    if not isinstance(answer, float):
        return t("predict.whole_asked") if prediction.limits.whole else "\N{NO-BREAK SPACE}"
    shown = Markdown(with_unit(prediction, answer, language))
    if len(answers) > 1:
        return t("predict.middle", number=shown)
    typed = str(st.session_state[_key(question, prediction)]).strip()
    return t("predict.read", number=shown) if typed != shown_number(answer) else "\N{NO-BREAK SPACE}"


def _is_refused(question: Question, prediction: Prediction) -> bool:
    try:
        _answers(question, prediction)
    except AnswerError:
        return True
    return False


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


def _buttons(
    question: Question, predictions: tuple[Prediction, ...], attempt: Attempt | None, desk: Desk
) -> None:
    label = _commit_label(question, predictions)
    name, around = f"{question.key}-predictions", (question, predictions, attempt, desk)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(label, key=f"{name}-commit", type="primary", on_click=store.guarded(_commit), args=around)
        st.button(
            t("predict.skip"), key=f"{name}-skip", type="tertiary", on_click=store.guarded(_skip), args=around
        )
    if problem := st.session_state.pop(_problem(question), None):
        st.markdown(t(problem))


def _commit_label(question: Question, predictions: tuple[Prediction, ...]) -> str:
    """What the button would commit and skip, as far as it can."""
    if any(_is_refused(question, prediction) for prediction in predictions):
        return t("predict.commit")
    given = [_answers(question, prediction)[prediction.id] for prediction in predictions]
    skipped = given.count(None)
    made = len(given) - skipped
    if not made:
        return t("predict.commit")
    return t("predict.commit_some" if skipped else "predict.commit_all", made=made, skipped=skipped)


def _answers(question: Question, prediction: Prediction) -> Answers:
    """What the fields of one prediction say: its answer, and the ends where it is a range; None if empty.

    Raises AnswerError.
    """
    if prediction.kind == "choice":
        return {prediction.id: st.session_state.get(_key(question, prediction))}
    if not st.session_state.get(f"{_key(question, prediction)}.{_RANGE}"):
        typed = _typed(question, prediction, "")
        return {prediction.id: read_typed(prediction, typed) if typed else None}
    ends = [_typed(question, prediction, part) for part in ENDS]
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


def _typed(question: Question, prediction: Prediction, part: str) -> str:
    return str(st.session_state.get(_key(question, prediction, part)) or "").strip()


def _save(question: Question, prediction: Prediction, desk: Desk) -> None:
    """Keep what stands in the fields of one prediction; one that is not drawn now keeps what it had."""
    kept = {
        _name(prediction, part): _typed(question, prediction, part)
        for part in ("", *ENDS)
        if _key(question, prediction, part) in st.session_state
    }
    ranged = bool(st.session_state.get(f"{_key(question, prediction)}.{_RANGE}"))
    desk.save_typed(question, kept | {f"{prediction.id}.{_RANGE}": "1" if ranged else ""})


def _commit(
    question: Question, predictions: tuple[Prediction, ...], attempt: Attempt | None, desk: Desk
) -> None:
    """Commit what was given and skip the rest; nothing where a number is refused, or all are missing."""
    answers: Answers = {}
    for prediction in predictions:
        try:
            answers |= _answers(question, prediction)
        except AnswerError:
            _commit_nothing(question, "predict.not_committed")
            return
    if not any(answer is not None for answer in answers.values()):
        _commit_nothing(question, "predict.nothing")
        return
    _record(question, predictions, attempt, answers, desk)


def _commit_nothing(question: Question, problem: str) -> None:
    """Have the reason said below the buttons, and the field that it is about found by the focus."""
    st.session_state[_problem(question)] = problem
    st.session_state[_refusals(question)] = st.session_state.get(_refusals(question), 0) + 1


def _skip(
    question: Question, predictions: tuple[Prediction, ...], attempt: Attempt | None, desk: Desk
) -> None:
    _record(question, predictions, attempt, {prediction.id: None for prediction in predictions}, desk)


def _record(
    question: Question,
    predictions: tuple[Prediction, ...],
    attempt: Attempt | None,
    answers: Mapping[str, Answer | None],
    desk: Desk,
) -> None:
    """Commit, and empty the fields for another attempt."""
    desk.check_unfinished(question, attempt)
    desk.record_predictions(question, answers)
    desk.forget_typed(question)
    for prediction in predictions:
        for part in ("", *ENDS, _RANGE):
            st.session_state.pop(_key(question, prediction, part), None)


def _problem(question: Question) -> str:
    return f"{question.key}.predict.problem"


def _refusals(question: Question) -> str:
    return f"{question.key}.predict.refusals"


def _box(question: Question, prediction: Prediction) -> str:
    """The key of what holds the fields of a number and the line below them."""
    return f"{question.key}-predict-{prediction.id}-box"


def _key(question: Question, prediction: Prediction, part: str = "") -> str:
    return f"{question.key}.predict.{_name(prediction, part)}"


def _name(prediction: Prediction, part: str) -> str:
    """The name of one of its fields: as an attempt calls a number and the ends of a range."""
    return f"{prediction.id}.{part}" if part else prediction.id
