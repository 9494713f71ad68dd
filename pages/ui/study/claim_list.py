"""Claims one below the other, each folded under its statement: what is said, what is true, the evidence.

For an open reference only: a claim's truth answers predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from labs.claims.verdicts import Verdict
from pages.ui.study import evidence
from pages.ui.words.i18n import current_language, t
from questions import Claim, Renderer

MARKS = {"confirmed": "✓", "corrected": "✎", "depends": "◐", "unsupported": "○", "new": "＋"}
_NONE: Mapping[str, Verdict] = {}


def legend(claims: Iterable[Claim]) -> None:
    """What the marks before the statements mean."""
    present = {claim.status for claim in claims}
    st.caption(
        " · ".join(
            f"{mark} {t(f'claims.status.{status}')}" for status, mark in MARKS.items() if status in present
        )
    )


def draw(claims: Iterable[Claim], renderer: Renderer, verdicts: Mapping[str, Verdict] = _NONE) -> None:
    """Draw them; `verdicts` are those known from an earlier check, by claim id."""
    with st.container(key="claim-list", gap="xxsmall"):
        for claim in claims:
            title = f"{MARKS[claim.status]} {renderer.text(claim.statement, claim)}"
            known = verdicts.get(claim.id)
            if known is not None:
                title = f"{title} {evidence.mark(known)}"
            with st.container(key=f"claim-{claim.id}"), st.expander(title):
                _evidence(claim, renderer, known)


def _evidence(claim: Claim, renderer: Renderer, known: Verdict | None) -> None:
    status = t(f"claims.status.{claim.status}")
    st.caption(f"{claim.id} · {status} · {t(f'claims.kind.{claim.kind}')}")
    if claim.common:
        st.markdown(f":orange[**{t('claims.common')}**] {renderer.text(claim.common, claim)}")
    st.markdown(f"**{t('claims.truth')}** {renderer.text(claim.truth, claim)}")
    if claim.formula:
        st.markdown(f":blue[**{t('claims.formula')}**]")
        st.code(claim.formula[current_language()], language=None, wrap_lines=True)
    if claim.source:
        st.markdown(f"**{t('claims.source')}** {claim.source[current_language()]}")
    evidence.section(claim, known)
