"""Who is on the panel of an interview: invite somebody by name, their links, what all ticked in the end."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.ui.interview import kept, panel_differences
from pages.ui.interview.kept import Line
from pages.ui.interview.way_in import address_of, qr_code
from pages.ui.lab.folded import folded
from pages.ui.site import store, too_long
from pages.ui.site.navigate import PANEL
from pages.ui.words.i18n import plain, t
from pages.ui.words.markdown import literal
from study.panel import revealed
from study.store import MAX_NAME, Interview, Member

_NAME = "panel.name"


def draw(line: Line) -> None:
    """Draw the panel of an interview: folded while it goes on; revealed once it is over and all are done."""
    members = store.store().panels.of(line.interview)
    marks = revealed(line.interview, line.events, members)
    if marks is not None:
        st.header(t("panel.head"), anchor=False)
        panel_differences.draw(kept.asked(line.interview), marks)
    fold = st.expander(
        t("panel.members")
    )  # a label that changed would fold it at the moment of an invitation
    with fold, st.container(key="panel-members"):
        st.markdown(t("panel.about"))
        for member in members:
            _member(member)
        _invite(line.interview)


def _member(member: Member) -> None:
    state = plain("panel.done" if member.handed is not None else "panel.ticking")
    st.markdown(f"**{literal(member.name)}** · {state}")
    if member.link is not None and member.handed is None:
        address = address_of(PANEL, member.link)
        st.code(address, language=None, wrap_lines=True)
        code = partial(qr_code, address, plain("panel.qr", name=member.name))
        folded(t("panel.on_a_phone", name=member.name), code, key=f"panel.qr.{member.id}")
    st.button(
        t("panel.remove", name=member.name),
        key=f"panel.remove.{member.id}",
        type="tertiary",
        on_click=store.guarded(lambda: store.store().panels.remove(member)),
    )


def _invite(interview: Interview) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(t("panel.name"), key=_NAME, max_chars=MAX_NAME, width=240)
        st.button(t("panel.invite"), key="panel.invite", on_click=store.guarded(lambda: _invited(interview)))
    too_long.guard(_NAME, t("panel.name"), MAX_NAME)


def _invited(interview: Interview) -> None:
    store.store().panels.invite(interview, st.session_state[_NAME])
    st.session_state[_NAME] = ""
