"""The glossary: every term in both languages, what it means, and the question that explains it."""

from __future__ import annotations

from itertools import starmap

import streamlit as st

from pages.ui.site import question_list
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import literal
from questions.glossary import Term, glossary


def page() -> None:
    """Draw the search and what it finds."""
    st.title(t("glossary.title"), anchor=False)
    st.markdown(t("glossary.lead", count=len(glossary())))
    wanted = st.text_input(t("glossary.search"), key="glossary.search", width=360).strip().casefold()
    found = [(index, term) for index, term in enumerate(glossary(), 1) if wanted in _searchable(term)]
    if not found:
        st.markdown(t("glossary.nothing", wanted=literal(wanted)))
        return
    with st.container(key="glossary"):
        st.markdown("\n\n".join(starmap(_paragraph, found)), unsafe_allow_html=True)


def _searchable(term: Term) -> str:
    return " ".join((*term.name.values(), *term.meaning.values(), term.question)).casefold()


def _paragraph(index: int, term: Term) -> str:
    """Its name in the reader's language, then in the other one where that differs; below, what it means.

    A link to the place `term-` and the number of the term in the glossary leads to it.
    """
    language = current_language()
    another = "zh" if language == "en" else "en"
    name, other = term.name[language], term.name[another]
    question = question_list.question(term.question)
    link = f"[{question.id}]({question.slug})"  # relative, so that it holds below a base path
    aside = f'<span lang="{another}">:gray[{other}]</span>'
    names = f"**{name}**" if name == other else f"**{name}** {aside}"
    return f'<span id="term-{index}"></span>{names} :small[{link}]  \n{term.meaning[language]}'


page()
