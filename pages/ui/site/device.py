"""The device and model badge: what the numbers on every page were measured on.

Polls the worker while it is still starting, and goes quiet once it is ready or dead.
"""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from labs.runner.client import WorkerStatus
from pages.ui.site import server
from pages.ui.words import errors
from pages.ui.words.i18n import plain, t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.markdown import literal

_POLL_SECONDS = 1.0
_SETTLED = ("ready", "dead")


def worker_status() -> WorkerStatus:
    """The state, device and model that the worker reports now."""
    return server.worker().status()


def device_badge() -> None:
    """Draw one quiet line: device, number format, torch version, model. Redraws the page once it settles."""
    settled = worker_status().state in _SETTLED
    st.fragment(_badge, run_every=None if settled else _POLL_SECONDS)(settled)


def _badge(settled_before: bool) -> None:
    status = worker_status()
    if status.state in _SETTLED and not settled_before:
        st.rerun()
    st.caption(_line(status))


def _line(status: WorkerStatus) -> str:
    if status.state != "ready":
        return f":gray[○] {t(f'device.{status.state}')}"
    dot = ":orange[●]" if status.error else ":green[●]"
    named = (machine_name(status.device_name), status.dtype, _torch(status), model_name(status))
    return f"{dot} {' · '.join(map(literal, named))}"


def model_name(status: WorkerStatus) -> str:
    """The name of the checkpoint that was loaded, or the last part of its path."""
    return plain("device.no_model") if status.error else PurePath(status.model_name).name


def _torch(status: WorkerStatus) -> str:
    return f"torch {status.versions['torch']}"


def device_sentence() -> None:
    """Draw the device as a sentence, for a first visit; if there is an error, that instead."""
    status = worker_status()
    if status.error:
        st.markdown(t("device.failed", error=errors.said(status.error)))
    elif status.state == "ready":
        device = machine_name(status.device_name)
        st.markdown(t("device.found", device=device, dtype=status.dtype, torch=_torch(status)))
    else:
        st.markdown(t("device.looking"))
