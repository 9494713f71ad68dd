"""A claim checked again on this machine, when asked for: its check or its experiment, run by the worker.

Says agrees, disagrees or cannot be checked here, with what was measured and what was expected, as
`python -m labs verify` does. Drawn only where the reference is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas
import streamlit as st

from labs.claims.verdicts import DOES_NOT_HOLD, Verdict, by_run
from labs.runner.job import Job
from labs.tools.budgets import device_class
from pages.ui.experiments import experiment, registry
from pages.ui.lab import findings, jobs
from pages.ui.site import server
from pages.ui.words import errors
from pages.ui.words.i18n import t
from questions import Claim

_CHECK = "evidence/claim"
_MARKS = {True: ":green[**✓ {}**]", False: ":red[**✗ {}**]", None: ":gray[**○ {}**]"}
_MOST_ROWS = 24


def mark(verdict: Verdict) -> str:
    """What a verdict says, in one word with its sign."""
    words = {True: t("evidence.agrees"), False: t("evidence.disagrees"), None: t("evidence.undecided")}
    return _MARKS[verdict.agrees].format(words[verdict.agrees])


def section(claim: Claim, known: Verdict | None = None) -> None:
    """Draw where the lab shows the claim, the button that checks it, and the verdict.

    `known` is the verdict of an earlier check, shown until there is a newer one. The button is a fragment:
    only its claim is redrawn.
    """
    shown_live = claim.experiment in registry()
    if shown_live:
        st.caption(t("evidence.live", title=t(experiment(claim.experiment or "").title)))
    if claim.check is None and claim.kind == "literature":
        return
    if claim.check is None and not shown_live:
        st.caption(t("evidence.to_come"))
        return
    st.fragment(_body, key=f"evidence-{claim.id}")(claim, known)


def _body(claim: Claim, known: Verdict | None) -> None:
    job: Job | None = st.session_state.get(_state(claim))
    if job is not None and job.active:
        jobs.follow(job, _running)
        return
    st.button(_label(claim), key=f"{_state(claim)}.run", on_click=_run, args=(claim,))
    if job is not None and job.error:
        jobs.failure(job)
    elif job is not None and job.result is not None:
        _verdict(_judged(claim, job))
    elif known is not None:
        _verdict(known)


def _label(claim: Claim) -> str:
    if claim.check is not None:
        return t("evidence.check")
    measuring = experiment(claim.experiment or "")
    seconds = measuring.seconds(measuring.params(), device_class(server.worker().status().device))
    return t("evidence.run", seconds=jobs.rounded(seconds))


def _run(claim: Claim) -> None:
    if claim.check is not None:
        job = server.submit(_CHECK, {"claim": claim.id})
    else:
        job = server.submit(claim.experiment or "")
    st.session_state[_state(claim)] = job


def _running(job: Job) -> None:
    jobs.progress(job)
    jobs.stop_button(job)


def _judged(claim: Claim, job: Job) -> Verdict:
    if claim.check is not None:
        return Verdict(**(job.result or {}))
    return by_run(claim, experiment(claim.experiment or ""), job)


def _verdict(verdict: Verdict) -> None:
    st.markdown(mark(verdict))
    if verdict.reason and verdict.reason != DOES_NOT_HOLD:
        st.caption(errors.said(verdict.sentence))
    measured, expected = dict(_leaves(verdict.measured)), dict(_leaves(verdict.expected))
    rows = [
        {
            t("evidence.of"): name,
            t("evidence.measured"): measured.get(name, "–"),
            t("evidence.expected"): expected.get(name, "–"),
        }
        for name in {**expected, **measured}
    ]
    if rows:
        nameless = all(not name for name in {**expected, **measured})
        frame = pandas.DataFrame(rows[:_MOST_ROWS])
        st.table(frame.iloc[:, 1:] if nameless else frame, border="horizontal", hide_index=True)
    for kind, amount in (verdict.tolerance or {}).items():
        st.caption(t(f"evidence.tolerance.{kind}", amount=f"{amount:g}"))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each single value after its path, such as "probabilities.1"; the first of a list is 1."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for name, item in items:
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif value is not None:
        yield path, findings.cell(value, digits=6)


def _state(claim: Claim) -> str:
    return f"evidence.{claim.id}"
