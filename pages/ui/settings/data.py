"""My data: where they lie, how large they are, out as one file, in again, and gone for good.

What an import and a deletion do is decided in study.store (`transfer.py`, `profiles.py`); here it is drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from pathlib import Path

import streamlit as st

from pages.ui.site import profiles, store, visitor
from pages.ui.site.browser_keys import browser_keys, profile_mark
from pages.ui.site.upload import upload
from pages.ui.words.i18n import t
from pages.ui.words.markdown import code
from study.store import data_folder

_MEGABYTE = 2**20
_MOST_MEGABYTES = 50
"""An export of years of work has a few; the text of a person must always find its way back."""
_ASKED, _DONE, _ROUND = "settings.asked", "settings.done", "settings.round"
_IN_BROWSER = "settings.in_browser"
_BROWSER_DRAFTS = """
// `forget`: what a browser holds of the profile with this mark goes, but nothing written since.
// `move`: what it holds under one person's name goes under another.
export default function ({ data: { forget, move } }) {
  const starts = (key, names) => names.some(name => name && key.startsWith(name))
  const mark = value => { try { return JSON.parse(value)?.profile } catch { return undefined } }
  try {
    for (const key of Object.keys(localStorage)) {
      const value = localStorage.getItem(key)
      if (forget && starts(key, forget.keys) && (mark(value) ?? forget.mark) === forget.mark)
        localStorage.removeItem(key)
      if (move && move.from !== move.to && starts(key, [move.from])) {
        localStorage.setItem(move.to + key.slice(move.from.length), value)
        localStorage.removeItem(key)
      }
    }
  } catch { /* site data are blocked: then nothing is held there */ }
}
"""
_browser_drafts = st.components.v2.component("browser_drafts", js=_BROWSER_DRAFTS)


def section() -> None:
    """Draw where the data lie and their size, export, import and deletion."""
    st.header(t("settings.data.title"), anchor=False)
    _place()
    _contents()
    if what := st.session_state.get(_IN_BROWSER):
        _browser_drafts(key=_IN_BROWSER + ".component", data=what, height=0)
    if done := st.session_state.pop(_DONE, None):
        st.success(done)
    _export_button("export")
    _import()
    st.markdown(t("settings.data.delete_about"))
    delete_button("data", t("settings.data.delete"))
    ask_before_deleting("data", t("settings.data.really"), profiles.empty, t("settings.data.deleted"))


def size(files: Iterable[Path]) -> str:
    """The size of the files in MB, such as "2.0"; one that vanishes or may not be read counts nothing."""
    total = 0
    for path in files:
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return f"{total / _MEGABYTE:.1f}"


def _place() -> None:
    if not visitor.at_this_machine(st.context.headers):
        st.markdown(t("settings.data.on_server"))
    elif store.store().place.startswith("postgresql"):
        st.markdown(t("settings.data.database", place=code(store.store().place), folder=code(data_folder())))
    else:
        database = Path(store.store().place)
        files = sorted(database.parent.glob(f"{database.name}*"))
        st.markdown(t("settings.data.folder", folder=code(database.parent), size=size(files)))
        for aside in files:
            if ".damaged-" in aside.name:
                st.markdown(t("settings.data.damaged", name=code(aside.name)))


def _contents() -> None:
    kept, profile = store.store(), store.known_profile()
    st.markdown(
        t(
            "settings.data.contents",
            drafts=sum(bool(draft.text) for draft in kept.drafts.of(profile)),
            attempts=len(kept.attempts.of(profile)),
            copies=len(kept.drafts.copies(profile)),
        )
    )


def _export_button(name: str) -> None:
    profile = store.known_profile()
    st.download_button(
        t("settings.data.export"),
        partial(store.store().transfer.export, profile),
        f"minimind-lab-{date.today().isoformat()}.json",
        "application/json",
        on_click="ignore",
        disabled=not profile,
        key=f"settings.{name}",
    )


def _import() -> None:
    key = f"settings.upload.{st.session_state.get(_ROUND, 0)}"
    st.markdown(t("settings.data.import_about"))
    uploaded = upload(t("settings.data.file"), ["json"], key=key, megabytes=_MOST_MEGABYTES)
    if uploaded is not None:
        st.button(t("settings.data.import"), type="primary", on_click=store.guarded(_take), args=(key,))


def _take(key: str) -> None:
    imported = store.store().transfer.import_into(store.profile(), st.session_state[key].getvalue())
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1  # an empty field for the next file
    done = [t("settings.data.imported", drafts=imported.drafts, attempts=imported.attempts)]
    if imported.interviews:
        done.append(t("settings.data.interviews", count=imported.interviews))
    if imported.repaired:
        done.append(t("settings.data.repaired", count=imported.repaired))
    st.session_state[_DONE] = "\n\n".join(done)


def delete_button(what: str, label: str) -> None:
    """Draw the button that asks whether to delete `what`; `ask_before_deleting` draws the question."""
    st.button(label, key=f"settings.delete.{what}", on_click=_ask, args=(what,))


def ask_before_deleting(what: str, question: str, delete: Callable[[], None], done: str) -> None:
    """Draw the second question if the button for `what` was pressed: export first, delete, or keep."""
    if st.session_state.get(_ASKED) != what:
        return
    with st.container(border=True, key=f"really-{what}"):
        st.markdown(question)
        with st.container(horizontal=True):
            _export_button(f"export.before.{what}")
            st.button(
                t("settings.data.for_good"),
                key=f"settings.really.{what}",
                type="primary",
                on_click=store.guarded(_delete),
                args=(delete, done),
            )
            st.button(t("settings.data.keep"), key=f"settings.keep.{what}", on_click=_ask, args=(None,))


def _ask(what: str | None) -> None:
    st.session_state[_ASKED] = what


def _delete(delete: Callable[[], None], done: str) -> None:
    store.known_profile()
    what = {"forget": {"keys": browser_keys(), "mark": profile_mark()}}
    delete()  # clears the session too
    st.session_state[_IN_BROWSER], st.session_state[_DONE] = what, done


def move_browser_drafts(before: str, after: str) -> None:
    """Let this browser keep its drafts under another name, where a profile was renamed."""
    st.session_state[_IN_BROWSER] = {"move": {"from": before, "to": after}}
