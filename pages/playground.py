"""The playground: the model writes on from a prompt, token by token, and shows what it considered.

A text that is shown keeps its start, so that it can be written again, or branch at any of its tokens.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePath
from typing import Any, cast

import streamlit as st

from labs.contract import DEFAULT_MODEL
from labs.playground.branches import Start, Step, closed
from labs.playground.command import generate_command
from labs.playground.continuation import ContinuationParams
from labs.runner.job import Job
from labs.tools.sampler import MAX_SEED
from minimind_core.files.checkpoint_config import shipped_checkpoints
from pages.ui.experiments import experiment
from pages.ui.lab import controls, jobs
from pages.ui.lab.token_stream import token_stream
from pages.ui.playground import prompt
from pages.ui.site import server, visitor
from pages.ui.site.checkpoints import size_of
from pages.ui.words.i18n import plain, t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.markdown import literal

_EXPERIMENT = experiment("playground/continuation")
_NAME = prompt.NAME
_MODEL = controls.key(_NAME, "model")
_WRITING = f"{_NAME}.writing"
_POLL_SECONDS = 0.25
_LEAST = 1e-30  # for what float32 rounded to zero


@dataclass(frozen=True)
class Writing:
    """The text on the page: where it starts, the run that writes it, and the text that it was to repeat."""

    start: Start
    job: Job
    before: Writing | None = None

    @property
    def params(self) -> ContinuationParams:
        """What the run was asked for; there is nothing where it was refused."""
        assert isinstance(self.job.params, ContinuationParams)
        return self.job.params

    @property
    def about(self) -> dict[str, Any]:
        """What the run said of itself first; empty until then."""
        return self.job.partials[0]["about"] if self.job.partials else {}

    @property
    def steps(self) -> list[Step]:
        """What has been written so far."""
        return cast(list[Step], self.job.partials[1:])

    @property
    def repeats(self) -> bool:
        """Whether equal settings were asked for once more, on the same model, and gave an equal text."""
        before = self.before
        return (
            before is not None
            and before.job.state == self.job.state == "done"
            and before.job.params == self.job.params
            and before.about == self.about
            and [step["id"] for step in before.steps] == [step["id"] for step in self.steps]
        )


def playground() -> None:
    """The whole page."""
    st.title(t("playground.title"), anchor=False)
    st.markdown(t("playground.lead"))
    prompt.field()
    _settings()
    writing: Writing | None = st.session_state.get(_WRITING)
    live = writing is not None and writing.job.active
    _buttons(writing, live)
    if writing is not None:
        st.fragment(_text, run_every=_POLL_SECONDS if live else None)(live)
        if not live and not writing.job.error:
            _facts(writing)


def _settings() -> None:
    """What is most often turned; every change holds from the next text on."""
    for field, column in zip(("temperature", "top_p", "max_new_tokens"), st.columns(3), strict=True):
        with column:
            controls.control(ContinuationParams, field, _NAME)


def _more_settings() -> None:
    with st.popover(t("playground.more")):
        for field in ("top_k", "min_p", "repetition_penalty", "seed"):
            controls.control(ContinuationParams, field, _NAME)
        _model()


def _model() -> None:
    """The app's own checkpoint, another shipped one, or, for somebody at this machine, any path."""
    labels = {
        name: plain(
            "playground.model_size", model=name, millions=f"{size / 1e6:.1f}", wan=f"{size / 1e4:,.0f}"
        )
        for name, size in _readers().items()
    }
    own = server.worker().status().model_name or DEFAULT_MODEL
    labels = {"": labels.pop(own, PurePath(own).name), **labels}
    st.selectbox(
        t("playground.model"),
        list(labels),
        key=_MODEL,
        help=t("playground.model_help"),
        format_func=lambda name: labels.get(name, name),
        persist_state="session",
        accept_new_options=visitor.at_this_machine(st.context.headers),
    )


def _readers() -> dict[str, int]:
    """Sizes of the shipped checkpoints that were taught to write; the toys of Question 1 were not."""
    sizes = {name: size_of(name) for name in _shipped() if not name.startswith("toy-")}
    return {name: size for name, size in sizes.items() if size is not None}


@cache
def _shipped() -> tuple[str, ...]:
    return tuple(shipped_checkpoints())


def _buttons(writing: Writing | None, live: bool) -> None:
    """Outside the fragment: a click on the way out of the prompt would lose either itself or the prompt."""
    with st.container(horizontal=True, key="playground-buttons"):
        st.button(
            t("playground.write"),
            key=f"{_NAME}.write",
            type="primary",
            on_click=_from_the_prompt,
            shortcut="Ctrl+Enter",
        )
        _more_settings()
        if writing is not None and live:
            jobs.stop_button(writing.job)
        elif writing is not None and writing.job.params is not None:
            st.button(t("playground.new_seed"), key=f"{_NAME}.new_seed", on_click=_new_seed)
            st.button(t("playground.same_seed"), key=f"{_NAME}.same_seed", on_click=_again)


def _from_the_prompt() -> None:
    _write(Start(prompt.text()))


def _new_seed() -> None:
    controls.put(_NAME, "seed", random.randrange(MAX_SEED + 1))
    _write(_same_start())


def _again() -> None:
    """The same start and seed under the settings of now; with equal settings the text has to be equal too."""
    before: Writing = st.session_state[_WRITING]
    controls.put(_NAME, "seed", before.params.seed)
    _write(_same_start(), replace(before, before=None))


def _same_start() -> Start:
    """Where the text on the page starts, its branch included, unless the prompt is another one by now."""
    start: Start = st.session_state[_WRITING].start
    return start if start.prompt == prompt.text() else Start(prompt.text())


def _branch(index: int, token_id: int) -> None:
    writing: Writing = st.session_state[_WRITING]
    start = writing.start.branch(writing.steps, index, token_id)
    if start is not None:
        _write(start)


def _write(start: Start, before: Writing | None = None) -> None:
    """Begin a text with what the controls say; the one on the page stops."""
    if _WRITING in st.session_state:
        st.session_state[_WRITING].job.cancel()
    settings = controls.values(ContinuationParams, _NAME) | {"prompt": start.text}
    model = st.session_state[_MODEL]
    if model not in _readers() and not visitor.at_this_machine(st.context.headers):
        model = ""
    job = server.submit(_EXPERIMENT.id, settings, model=model or None)
    st.session_state[_WRITING] = Writing(start, job, before)


def _text(live: bool) -> None:
    writing: Writing = st.session_state[_WRITING]
    job = writing.job
    if job.active != live:
        st.rerun()
    steps = [*writing.start.kept, *writing.steps]
    token_stream(
        writing.start.prompt,
        steps if live else closed(steps),
        live=live,
        key=f"{_NAME}.text",
        on_branch=_branch,
    )
    if job.error:
        jobs.failure(job)
    elif live and not writing.steps:
        waiting = job.state == "queued" and job.position > 0
        st.caption(t("job.position", position=job.position) if waiting else t("playground.reading"))


def _facts(writing: Writing) -> None:
    """What is unusual about a text that has ended, what it took, and the command that repeats it."""
    if not writing.steps:
        st.caption(t("playground.nothing"))
        return
    notes = [
        t(f"playground.note.{name}", **writing.about) for name, holds in _notes(writing).items() if holds
    ]
    if notes:
        st.markdown(" ".join(notes))
    st.caption(" · ".join(_figures(writing)) + "  \n" + t("playground.legend"))
    with st.expander(t("playground.command")):
        st.code(_command(writing), language=None, wrap_lines=True)
        st.caption(t("playground.command_note"))


def _command(writing: Writing) -> str:
    """What writes this text again, as far as it went. Somebody elsewhere reads no path of this machine."""
    params, about = writing.params, writing.about
    here = visitor.at_this_machine(st.context.headers)
    return generate_command(
        params,
        count=params.max_new_tokens if writing.job.state == "done" else len(writing.steps),
        model=about["checkpoint"] if here else PurePath(about["checkpoint"]).name,
        device=about["device"],
        dtype=about["dtype"],
    )


def _notes(writing: Writing) -> dict[str, bool]:
    length, trained = writing.about["prompt_tokens"], writing.about["trained_length"]
    return {
        "repeated": writing.repeats,
        "greedy": writing.params.temperature == 0,
        "empty": not writing.params.prompt,
        "long_prompt": length > trained,
        "long_text": length <= trained < length + len(writing.steps),
    }


def _figures(writing: Writing) -> list[str]:
    steps, result = writing.steps, writing.job.result
    end = "stopped" if result is None else "ended" if result["ended"] else "limit"
    surprise = -sum(math.log(max(step["probability"], _LEAST)) for step in steps) / len(steps)
    speed = []
    if result:
        speed = [
            t("playground.speed", speed=f"{result['tokens_per_second']:.0f}"),
            t(f"playground.way.{result['way']}"),
        ]
    device = machine_name(writing.job.device_name)
    return [
        t(f"playground.end.{end}", count=len(steps)),
        *speed,
        t("playground.perplexity", perplexity=f"{math.exp(surprise):.1f}"),
        t("playground.seed_used", seed=writing.params.seed),
        *map(literal, (writing.about["model"], writing.about["dtype"], device)),
    ]


playground()
