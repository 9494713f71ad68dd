"""The page of Question 13. Its lab: the next token under every setting, texts with them, and settings tested.

The model reads a prompt once, in the worker; the sliders refilter its logits here, without the model.
"""

from __future__ import annotations

import html

import streamlit as st

from labs.contract import Data
from labs.q13_sampling.candidates import Candidates
from labs.q13_sampling.continuation import ContinuationParams
from labs.q13_sampling.filters import idle
from labs.q13_sampling.grid import presets
from labs.q13_sampling.next_token import PROMPT, NextTokenParams
from labs.q13_sampling.wall import WallParams
from labs.runner.job import Job
from pages.ui.experiments import experiment
from pages.ui.lab import bench, controls, findings, jobs
from pages.ui.lab.folded import folded
from pages.ui.site import server
from pages.ui.study.study_page import question_page
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown

_Q = "q13"
_NEXT_TOKEN = experiment("q13/next_token")
_CONTINUATION = experiment("q13/continuation")
_SHARED = ("top_k", "min_p", "repetition_penalty")
"""Settings under More that the core has as well, so that texts are written with them."""
_BARS_ONLY = ("typical_p", "rule", "dtype")


def sampling() -> None:
    """The whole lab."""
    st.markdown(t("q13.page.lead"))
    controls.begin_in_the_own_language(NextTokenParams, _Q)
    measured = jobs.result_of(_reading(controls.control(NextTokenParams, "prompt", _Q)))
    if current_language() != "zh":
        st.caption(t("q13.next_token.prompt_note", prompt=PROMPT))
    if measured is not None:
        with st.container(key="lab-next_token"):
            st.fragment(_bench)(measured)
        with st.container(key="lab-continuation"):
            _writing()
        bench.panel(
            experiment("q13/wall"),
            prefix=_Q,
            above=_wall,
            elsewhere=[spec.name for spec in WallParams.specs() if spec.name != "samples"],
        )
    bench.panel(experiment("q13/manual"), above=_typed)
    bench.panel(experiment("q13/grid"), below=_examples)
    bench.lab(["q13/confidence", "q13/bugs"])


def _reading(prompt: str) -> Job:
    """The run that reads `prompt`; a new one when the prompt has changed or the last run failed."""
    job = st.session_state.get("q13.reading")
    if job is None or job.state in ("failed", "cancelled") or _prompt(job) != prompt:
        job = server.submit(_NEXT_TOKEN.id, {"prompt": prompt})
        st.session_state["q13.reading"] = job
    return job


def _bench(measured: Data) -> None:
    """All settings and what they leave. A fragment, and in it another: a slider redraws only its bars."""
    _starting_points()
    st.fragment(_bars)(measured)
    with st.expander(t("bench.more")):
        for field in _SHARED:
            controls.control(NextTokenParams, field, _Q)
        st.caption(t("q13.page.bars_only"))
        for field in _BARS_ONLY:
            controls.control(NextTokenParams, field, _Q)


def _bars(measured: Data) -> None:
    """The two sliders, the order of all steps, what they leave in one sentence, and the bars."""
    for field, column in zip(("temperature", "top_p"), st.columns(2), strict=True):
        with column:
            controls.control(NextTokenParams, field, _Q)
    controls.control(NextTokenParams, "order", _Q, off=idle(controls.values(NextTokenParams, _Q)))
    params = NextTokenParams.from_dict(controls.values(NextTokenParams, _Q))
    result = _NEXT_TOKEN.complete(params, measured)
    st.markdown(_sentence(result, params))
    findings.draw(_NEXT_TOKEN, findings.Finding(params, measured, "measured"), result, on_drag=_dragged)
    bench.code(_NEXT_TOKEN, params)


def _dragged(field: str, value: float) -> None:
    """The line at p was left somewhere: the slider follows."""
    spec = controls.spec_of(NextTokenParams, field)
    controls.put(_Q, field, spec.nearest(round(value, 2)))


def _starting_points() -> None:
    """A button for each commonly recommended pair: it moves the sliders, and promises nothing."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="q13-starting-points"):
        st.caption(t("q13.page.start"), width="content", help=t("q13.page.start_help"))
        for task, (temperature, top_p) in presets().items():
            st.button(
                t(f"q13.task.{task}"),
                key=f"q13.start.{task}",
                help=f"T {temperature:g}, p {top_p:g}",
                on_click=_start_at,
                args=(temperature, top_p),
            )


def _start_at(temperature: float, top_p: float) -> None:
    controls.put(_Q, "temperature", temperature)
    controls.put(_Q, "top_p", top_p)


def _sentence(result: Data, params: NextTokenParams) -> str:
    notes = {
        "greedy": params.temperature == 0,
        "empty": result["empty_prompt"],
        "long": result["beyond_trained_length"],
    }
    length = result["trained_length"]
    sentences = [t(f"q13.page.{name}", length=length) for name, holds in notes.items() if holds]
    return plain("mock.sentence_gap").join([_kept(result["view"], result["vocab_size"]), *sentences])


def _kept(view: Candidates, size: int) -> str:
    return t(
        "q13.page.kept",
        kept=_bold(f"{view['kept_count']:,}"),
        size=f"{size:,}",
        removed=_bold(f"{view['removed_mass']:.1%}"),
        entropy=f"{view['entropy']:.2f}",
        effective=f"{view['effective_size']:,.1f}",
    )


def _bold(number: str) -> Markdown:
    return Markdown(f"**{number}**")


def _typed(result: Data) -> None:
    """Typed numbers in one sentence, and what each rule at the boundary keeps of them."""
    view = result["view"]
    rules = Markdown(
        " · ".join(f"{t(f'q13.rule.{rule}')} **{kept}**" for rule, kept in view["rules"].items())
    )
    read_as = t("q13.page.read", kind=t(f"q13.numbers_are.{view['read_as']}"))
    parts = [read_as, _kept(view, len(view["ids"])), t("q13.page.rules", rules=rules)]
    if view["normalized"]:
        parts.append(t("q13.page.normalized", total=f"{view['typed_sum']:.4g}"))
    st.markdown(plain("mock.sentence_gap").join(parts))


def _writing() -> None:
    """A text sampled with the sliders' settings, streamed from the worker."""
    st.subheader(t("q13.page.text"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for field in ("seed", "max_new_tokens"):
            controls.control(ContinuationParams, field, _Q)
        st.button(t("q13.page.write"), key="q13.write", on_click=_write)
    job = st.session_state.get("q13.writing")
    if job is None:
        return
    if job.active:
        jobs.follow(job, _streaming)
    elif job.error:
        jobs.failure(job)
    else:
        _text(job)
        if job.result is not None:
            figures = findings.shown(_CONTINUATION, job.result).figures
            findings.figures(_CONTINUATION, figures, "measured", named=True, height=220)


def _write() -> None:
    """Start a new text with what the controls say; the one before stops."""
    before = st.session_state.get("q13.writing")
    if before is not None:
        before.cancel()
    settings = controls.values(ContinuationParams, _Q)
    st.session_state["q13.writing"] = server.submit(_CONTINUATION.id, settings)


def _streaming(job: Job) -> None:
    _text(job)
    jobs.stop_button(job)


def _text(job: Job) -> None:
    written = job.result["text"] if job.result else "".join(piece["text"] for piece in job.partials)
    _sample(_prompt(job), written)


def _sample(prompt: str, written: str) -> None:
    st.html(f'<p class="sample"><span class="prompt">{html.escape(prompt)}</span>{html.escape(written)}</p>')


def _prompt(job: Job) -> str:
    assert isinstance(job.params, NextTokenParams | ContinuationParams)
    return job.params.prompt


def _wall(result: Data) -> None:
    """The texts side by side, in a box of their own that scrolls."""
    st.markdown(
        t(
            "q13.page.wall",
            count=len(result["samples"]),
            distinct=_bold(f"{result['distinct']:.0%}"),
            repetition=_bold(f"{result['repetition']:.0%}"),
            likely=_bold(f"{result['log_probability']:.2f}".replace("-", "\N{MINUS SIGN}")),
        )
    )
    cards = "".join(f'<p role="listitem">{html.escape(sample["text"])}</p>' for sample in result["samples"])
    title = html.escape(plain("q13.wall.title"))
    st.html(f'<div class="wall" role="list" tabindex="0" aria-label="{title}">{cards}</div>')


def _examples(result: Data) -> None:
    """What the model wrote at each starting point: one function, one piece of prose."""

    def draw() -> None:
        for task, cell in result["presets"].items():
            st.markdown(f"**{t(f'q13.task.{task}')}** · T {cell['temperature']:g} · p {cell['top_p']:g}")
            st.code(cell["python"]["first"], language="python", wrap_lines=True)
            _sample("", cell["prose"]["first"])

    folded(t("q13.page.examples"), draw, key="q13.examples")


question_page("Q13", lab=sampling)
