"""Search: questions, experiments, terms, the guide, and the claims of open references, each a link.

The field stands in the top bar of every page, and here in large; both have the same words.
"""

from __future__ import annotations

import re

import streamlit as st

from pages.ui.progress.kept import Work, all_work
from pages.ui.search.places import places
from pages.ui.site import away, search_field
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import sentence
from study.search import Entry, excerpt, find
from study.store import StoreError

MOST = 30
"""More are not read."""
LENGTHS = {"en": 160, "zh": 80}
"""Characters of a text around what was found: two lines."""
_FENCE_OR_CODE_OR_SIGN = re.compile(r"```\w*|(`[^`]+`)|^\s*(?:[-*>|#]+|\d+[.)])\s|\*|\|", re.MULTILINE)


def page() -> None:
    """Draw the field and what it finds."""
    st.title(t("search.title"), anchor=False)
    wanted = search_field.large()
    if not wanted:
        st.markdown(t("search.lead"))
        return
    work: list[Work] = []
    try:
        work = all_work()
    except StoreError as error:
        away.say(error)  # what needs no store is found all the same
    found = find(places(work), wanted)
    st.markdown(_counted(found, wanted))
    with st.container(key="found", gap="xsmall"):
        for entry in found[:MOST]:
            st.markdown(_line(entry, wanted))
    if any(not one.in_sight for one in work):
        st.caption(t("search.closed"))


def _counted(found: list[Entry], wanted: str) -> str:
    if not found:
        return t("search.nothing", wanted=wanted)
    return t("search.most" if len(found) > MOST else "search.count", count=len(found), most=MOST)


def _line(entry: Entry, wanted: str) -> str:
    """A link with what kind of thing it leads to, and below it the words around the first that was found."""
    link = f"[{sentence(_bare(entry.name))}]({entry.address}) :small[:gray[{t(f'search.kind.{entry.kind}')}]]"
    around = sentence(excerpt(_bare(entry.text), wanted, LENGTHS[current_language()]))
    return f"{link}  \n:small[{around}]" if around else link


def _bare(text: str) -> str:
    """A text of ours on which no Markdown acts but that of code, which formulas become."""
    return _FENCE_OR_CODE_OR_SIGN.sub(lambda found: found[1] or " ", text).replace("$", "`")


page()
