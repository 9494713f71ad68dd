"""The fields for predictions: typed freely, checked at once, committed by a button and by nothing else.

What stands in them is kept as a draft 400 ms after the last key, so that a reload, another language or a
visit elsewhere loses nothing. A number that is impossible is refused at its field, and nothing is committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from pages.ui.site import store, too_long
from pages.ui.site.component import component
from pages.ui.site.desk import Desk
from pages.ui.study.predicted import RANGE, Answers, answers_of, is_refused, key_of, name_of, remark, typed_in
from pages.ui.study.shown_number import unit_of
from pages.ui.words.i18n import plain, t
from questions import Prediction, Question, Renderer
from study.intervals import ENDS
from study.predictions import Answer, AnswerError
from study.store import Attempt

_PAUSE = "400ms"
_LONGEST = 60
_WIDTH, _HALF_WIDTH = 150, 110
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
            "boxes": {_box(question, each): is_refused(question, each) for each in predictions},
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
        key = key_of(question, prediction)
        if prediction.kind == "choice":
            known = {choice.id for choice in prediction.choices}
            chosen = typed.get(prediction.id)
            st.session_state.setdefault(key, chosen if chosen in known else None)
            continue
        st.session_state.setdefault(f"{key}.{RANGE}", f"{prediction.id}.{RANGE}" in typed)
        for part in _drawn(question, prediction):
            name = name_of(prediction, part)
            st.session_state.setdefault(key_of(question, prediction, part), typed.get(name, ""))


def _drawn(question: Question, prediction: Prediction) -> tuple[str, ...]:
    """Which fields a number has now: one, or the two ends of a range."""
    return ENDS if st.session_state.get(f"{key_of(question, prediction)}.{RANGE}") else ("",)


def _field(question: Question, prediction: Prediction, renderer: Renderer, desk: Desk) -> None:
    text = renderer.text(prediction.question)
    st.markdown(text)
    if prediction.kind == "choice":
        _choices(question, prediction, text, renderer, desk)
        return
    key = key_of(question, prediction)
    parts = _drawn(question, prediction)
    save = partial(store.guarded(_save), question, prediction, desk)
    fields = st.container(gap="xxsmall", key=_box(question, prediction))
    with fields.container(horizontal=True, vertical_alignment="center", gap="small"):
        for part in parts:
            st.text_input(
                f"{text} {t(f'predict.{part}')}" if part else text,
                key=key_of(question, prediction, part),
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
        st.toggle(t("predict.range"), key=f"{key}.{RANGE}", on_change=save)
    fields.markdown(f":small[{remark(question, prediction)}]")
    for part in parts:
        label = plain(f"predict.{part or 'number'}")
        with fields:
            too_long.guard(key_of(question, prediction, part), label, _LONGEST)


def _choices(question: Question, prediction: Prediction, text: str, renderer: Renderer, desk: Desk) -> None:
    names = {choice.id: renderer.text(choice.text) for choice in prediction.choices}
    st.radio(
        text,
        list(names),
        format_func=names.__getitem__,
        key=key_of(question, prediction),
        on_change=partial(store.guarded(_save), question, prediction, desk),
        label_visibility="collapsed",
    )


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
    if any(is_refused(question, prediction) for prediction in predictions):
        return t("predict.commit")
    given = [answers_of(question, prediction)[prediction.id] for prediction in predictions]
    skipped = given.count(None)
    made = len(given) - skipped
    if not made:
        return t("predict.commit")
    return t("predict.commit_some" if skipped else "predict.commit_all", made=made, skipped=skipped)


def _save(question: Question, prediction: Prediction, desk: Desk) -> None:
    """Keep what stands in the fields of one prediction; one that is not drawn now keeps what it had."""
    kept = {
        name_of(prediction, part): typed_in(question, prediction, part)
        for part in ("", *ENDS)
        if key_of(question, prediction, part) in st.session_state
    }
    ranged = bool(st.session_state.get(f"{key_of(question, prediction)}.{RANGE}"))
    desk.save_typed(question, kept | {f"{prediction.id}.{RANGE}": "1" if ranged else ""})


def _commit(
    question: Question, predictions: tuple[Prediction, ...], attempt: Attempt | None, desk: Desk
) -> None:
    """Commit what was given and skip the rest; nothing where a number is refused, or all are missing."""
    answers: Answers = {}
    for prediction in predictions:
        try:
            answers |= answers_of(question, prediction)
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
        for part in ("", *ENDS, RANGE):
            st.session_state.pop(key_of(question, prediction, part), None)


def _problem(question: Question) -> str:
    return f"{question.key}.predict.problem"


def _refusals(question: Question) -> str:
    return f"{question.key}.predict.refusals"


def _box(question: Question, prediction: Prediction) -> str:
    """The key of what holds the fields of a number and the line below them."""
    return f"{question.key}-predict-{prediction.id}-box"
