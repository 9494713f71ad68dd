"""Shows a running job: how far it is, what it does, a button that stops it. Knows no experiment.

A job ends in another process; a fragment looks at it a few times a second and redraws the page once,
when it has ended. Fragments are short, so their buttons answer at once.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from labs.contract import Data
from labs.runner.job import Job
from pages.ui.words import errors
from pages.ui.words.i18n import t, words_of_lab
from pages.ui.words.markdown import markdown_of

_POLL_SECONDS = 0.25
_QUICK_SECONDS = 0.3


def rounded(seconds: float) -> str:
    """An estimate with as many digits as it deserves.

    >>> rounded(0.02), rounded(3.44), rounded(118.8)
    ('0.1', '3.4', '120')
    """
    return f"{float(f'{max(seconds, 0.1):.2g}'):g}"


def result_of(job: Job) -> Data | None:
    """The result; until it is there how far the run is, and if it never will be, why.

    A run that is nearly instant gets the time to end, so that no progress bar flashes by.
    """
    job.wait(_QUICK_SECONDS)
    if job.active:
        follow(job, progress)
    elif job.result is None:
        failure(job)
    return job.result


def follow(job: Job, draw: Callable[[Job], None]) -> None:
    """Draw an active job again and again with `draw`; when it has ended, run the page again."""

    def look() -> None:
        if job.active:
            draw(job)
        else:
            st.rerun()

    st.fragment(look, run_every=_POLL_SECONDS)()


def progress(job: Job) -> None:
    """The bar with its place in the queue or what the run does now."""
    waiting = job.state == "queued" and job.position > 0
    text = t("job.position", position=job.position) if waiting else _doing(job)
    st.progress(job.progress, text=text)


def _doing(job: Job) -> str:
    """What the run does now, in the session's language."""
    key, values = job.doing
    lab = job.experiment_id.partition("/")[0]
    return markdown_of(words_of_lab(lab)(f"progress.{key}", **values)) if key else t("job.running")


def stop_button(job: Job) -> None:
    """Ends the job at once; a run that nobody else waits for stops with it."""
    st.button(t("job.stop"), key=f"stop-{job.id}", on_click=job.cancel)


def failure(job: Job) -> None:
    """Why there is no result, in one sentence."""
    st.error(errors.said(job.error))
