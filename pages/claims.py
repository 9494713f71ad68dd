"""Claims: every statement of the open reference answers, what decides it, and what this device made of it.

Nothing of a question whose reference is closed: a claim's truth answers predictions.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from labs.runner.job import Job
from labs.tools.budgets import device_class
from pages.ui.experiments import experiment
from pages.ui.lab import jobs
from pages.ui.lab.folded import folded
from pages.ui.progress.kept import Work, all_work
from pages.ui.site import away, server
from pages.ui.study import checked, claim_list, claims_file
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.markdown import Markdown, literal
from pages.ui.words.marks import unbroken
from pages.ui.words.question_text import renderer_of
from questions import Claim, Question
from questions.claims import KINDS, STATUSES
from study.store import StoreError

_ANY = "any"


def claims() -> None:
    """Draw the whole page."""
    st.title(t("claims.page"), anchor=False)
    try:
        work = all_work()
    except StoreError as error:
        away.say(error)
        return
    seen = [one.question for one in work if one.in_sight]
    count = sum(len(one.question.claims) for one in work)
    st.markdown(t("claims.lead", count=count, questions=len(work)))
    if seen:
        _found(seen)
    _closed([one for one in work if not one.in_sight])


def _found(seen: list[Question]) -> None:
    """The search, and a fold for each question that has what is searched for."""
    search, status, kind = _filters()
    found = {question.id: _matching(question, search, status, kind) for question in seen}
    in_sight = [question for question in seen if found[question.id]]
    if not in_sight:
        st.markdown(t("claims.nothing"))
        return
    with st.container(key="claims-found", gap="xsmall"):
        for question in in_sight:
            body = partial(_section, question, found[question.id])
            folded(_label(question, found[question.id]), body, key=f"claims.{question.key}.open")
    st.download_button(
        t("claims.export"),
        partial(claims_file.as_json, [(question, found[question.id]) for question in in_sight]),
        file_name="claims.json",
        mime="application/json",
        key="claims.export",
    )


def _filters() -> tuple[str, str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="claim-filters"):
        search = st.text_input(t("claims.search"), key="claims.search", width=280).strip().casefold()
        status = _choice("status", STATUSES)
        kind = _choice("kind", KINDS)
    return search, status, kind


def _choice(name: str, options: tuple[str, ...]) -> str:
    """One of the options, or any."""
    chosen: str = st.selectbox(
        t(f"claims.by_{name}"),
        (_ANY, *options),
        format_func=lambda option: t("claims.any") if option == _ANY else t(f"claims.{name}.{option}"),
        key=f"claims.{name}",
        width=200,
    )
    return chosen


def _matching(question: Question, search: str, status: str, kind: str) -> list[Claim]:
    return [
        claim
        for claim in question.claims
        if status in (_ANY, claim.status) and kind in (_ANY, claim.kind) and search in _searchable(claim)
    ]


def _searchable(claim: Claim) -> str:
    language = current_language()
    once = (text.get(language, "") for text in (claim.formula, claim.source))
    return "\n".join((claim.id, claim.statement[language], claim.truth[language], *once)).casefold()


def _label(question: Question, claims: list[Claim]) -> str:
    """The question, how many claims, and what this device made of them so far."""
    job = checked.job_of(question)
    known = checked.verdicts(question, job)
    made = [known[claim.id].agrees for claim in claims if claim.id in known]
    facts = [t("claims.count", count=len(claims))]
    facts += [
        t(f"claims.made.{name}", count=made.count(value))
        for name, value in (("agree", True), ("disagree", False), ("undecided", None))
        if value in made
    ]
    return f"**{question.id} · {question.short[current_language()]}**\N{EN SPACE}:small[{' · '.join(facts)}]"


def _section(question: Question, claims: list[Claim]) -> None:
    job = checked.job_of(question)
    if job is not None and job.active:
        jobs.follow(job, _running)
    else:
        _check_button(question)
        _when(job)
    claim_list.legend(claims)
    claim_list.draw(claims, renderer_of(question), checked.verdicts(question, job))


def _check_button(question: Question) -> None:
    checks = experiment("evidence/question")
    params = checks.params.from_dict({"question": question.key})
    seconds = checks.seconds(params, device_class(server.worker().status().device))
    st.button(
        t("claims.check", question=question.id, seconds=jobs.rounded(seconds)),
        key=f"claims.{question.key}.check",
        on_click=checked.start,
        args=(question,),
    )


def _when(job: Job | None) -> None:
    """Where and when the checks that are shown were made, or why there are none."""
    if job is None:
        return
    if job.error:
        jobs.failure(job)
    elif job.result is not None:
        facts = {"device": literal(machine_name(job.device_name)), "date": unbroken(job.measured_at[:10])}
        st.caption(t("claims.checked", torch=literal(job.versions.get("torch", "")), **facts))


def _running(job: Job) -> None:
    jobs.progress(job)
    jobs.stop_button(job)


def _closed(closed: list[Work]) -> None:
    """The questions whose claims are not to be seen yet, each a link."""
    if closed:
        links = [f"[{one.question.id}]({one.question.slug})" for one in closed]
        st.markdown(t("claims.closed", questions=Markdown(plain("claims.comma").join(links))))


claims()
