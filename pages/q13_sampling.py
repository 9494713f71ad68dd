"""The page of Question 13. Its lab: the next token under temperature and top-p, and a text sampled with them.

The model reads a prompt once, in the worker; the sliders refilter its logits here, without the model.
"""

from __future__ import annotations

import html

import streamlit as st

from labs.contract import Result
from labs.q13_sampling.params import ContinuationParams, NextTokenParams
from labs.runner.job import Job
from pages.ui import charts, controls, jobs, server
from pages.ui.i18n import t
from pages.ui.lab import experiment
from pages.ui.study_page import question_page

_Q = "q13"
_NEXT_TOKEN = experiment("q13/next_token")
_CONTINUATION = experiment("q13/continuation")
_CHART_HEIGHT = 400


def sampling() -> None:
    """The whole lab."""
    st.markdown(t("q13.page.lead"))
    job = _read(controls.control(NextTokenParams, "prompt", _Q))
    jobs.await_quick(job)
    if job.active:
        jobs.follow(job, jobs.progress)
    elif job.result is None:
        jobs.failure(job)
    else:
        st.fragment(_bench)(job.result)
        _writing()


def _read(prompt: str) -> Job:
    """The run that reads `prompt`; a new one when the prompt has changed or the last run failed."""
    job = st.session_state.get("q13.reading")
    if job is None or job.state in ("failed", "cancelled") or _prompt(job) != prompt:
        job = server.worker().submit(_NEXT_TOKEN.id, {"prompt": prompt})
        st.session_state["q13.reading"] = job
    return job


def _bench(measured: Result) -> None:
    """Sliders, what they leave in one sentence, and the bars. A fragment: a slider redraws only this."""
    for field, column in zip(("temperature", "top_p"), st.columns(2), strict=True):
        with column:
            controls.control(NextTokenParams, field, _Q)
    params = NextTokenParams.from_dict(controls.values(NextTokenParams, _Q))
    result = _NEXT_TOKEN.complete(params, measured)
    st.markdown(_sentence(result, params))
    for name, figure in _NEXT_TOKEN.figures(result, t).items():
        charts.show(figure, key=f"q13-{name}", height=_CHART_HEIGHT, alt=t("q13.page.alt"))


def _sentence(result: Result, params: NextTokenParams) -> str:
    view = result["view"]
    kept = t("q13.page.kept", kept=f"**{view['kept_count']:,}**", size=f"{result['vocab_size']:,}",
             removed=f"**{view['removed_mass']:.1%}**", entropy=f"{view['entropy']:.2f}",
             effective=f"{view['effective_size']:,.1f}")
    notes = {"greedy": params.temperature == 0, "empty": result["empty_prompt"],
             "long": result["beyond_trained_length"]}
    said = [t(f"q13.page.{name}", length=result["trained_length"]) for name, holds in notes.items() if holds]
    return " ".join([kept, *said])


def _writing() -> None:
    """A text sampled with the sliders' settings, streamed from the worker."""
    st.subheader(t("q13.page.text"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for field in ("seed", "max_new_tokens"):
            controls.control(ContinuationParams, field, _Q)
        st.button(t("q13.page.write"), key="q13.write", type="primary", on_click=_write)
    job = st.session_state.get("q13.writing")
    if job is None:
        return
    if job.active:
        jobs.follow(job, _streaming)
    elif job.error:
        jobs.failure(job)
    else:
        _text(job)


def _write() -> None:
    """Start a new text with what the controls say; the one before stops."""
    before = st.session_state.get("q13.writing")
    if before is not None:
        before.cancel()
    settings = controls.values(ContinuationParams, _Q)
    st.session_state["q13.writing"] = server.worker().submit(_CONTINUATION.id, settings)


def _streaming(job: Job) -> None:
    _text(job)
    jobs.stop_button(job)


def _text(job: Job) -> None:
    written = job.result["text"] if job.result else "".join(piece["text"] for piece in job.partials)
    prompt = html.escape(_prompt(job))
    st.html(f'<p class="sample"><span class="prompt">{prompt}</span>{html.escape(written)}</p>')


def _prompt(job: Job) -> str:
    assert isinstance(job.params, NextTokenParams | ContinuationParams)
    return job.params.prompt


question_page("Q13", lab=sampling)
