"""About: what runs here, in which versions, and the results that the labs keep."""

from __future__ import annotations

import platform

import streamlit as st

from labs.runner.store import ResultStore
from pages.ui.settings.data import size
from pages.ui.site import server, visitor
from pages.ui.site.device import model_name, worker_status
from pages.ui.words.i18n import t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.markdown import code, literal


def section() -> None:
    """Draw the facts as a table, and the kept results."""
    st.header(t("settings.about.title"), anchor=False)
    status = worker_status()
    num_jobs = server.worker().num_jobs()
    running = t("settings.about.running", jobs=num_jobs) if num_jobs else t("settings.about.idle")
    rows = {
        t("settings.about.device"): literal(machine_name(status.device_name)),
        t("settings.about.dtype"): literal(status.dtype),
        t("settings.about.model"): literal(model_name(status)),
        t("settings.about.jobs"): running,
        t("settings.about.versions"): literal(", ".join(_versions(dict(status.versions)))),
    }
    with st.container(key="about"):
        st.table(rows, border="horizontal", alt=t("settings.about.title"))
    if status.unused_gpu:
        st.markdown(t("settings.about.unused_gpu"))
    _kept_results()


def _versions(worker: dict[str, str]) -> list[str]:
    names = {"torch": "PyTorch", "cuda": "CUDA"}
    return [
        f"Python {platform.python_version()}",
        f"Streamlit {st.__version__}",
        *(f"{names[name]} {worker[name]}" for name in names if name in worker),
    ]


def _kept_results() -> None:
    kept = ResultStore()
    files = list(kept.folder.glob("*"))
    if not visitor.at_this_machine(st.context.headers):
        st.markdown(t("settings.about.results_elsewhere", size=size(files)))
        return
    st.markdown(t("settings.about.results", folder=code(kept.folder), size=size(files)))
    st.button(t("settings.about.clear"), on_click=kept.forget, disabled=not files)
