"""What all labs run on: device, dtype, checkpoint. Tried on new workers before they replace the old ones.

The settings are the server's, so only who sits at its machine may change them; others read them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePath

import streamlit as st

from labs.contract import DEFAULT_MODEL
from labs.runner.exchange import RunnerExchange, RunnerSettings
from labs.runner.job import WorkerStatus
from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint_config import locate, shipped_checkpoints
from pages.ui.site import server, settings_file, visitor
from pages.ui.site.checkpoints import size_of
from pages.ui.site.device import worker_status
from pages.ui.words import errors
from pages.ui.words.i18n import plain, t
from pages.ui.words.markdown import Markdown, code, literal

_DEVICE, _DTYPE, _MODEL, _PATH = "settings.device", "settings.dtype", "settings.model", "settings.path"
_TRIED, _NOT_THERE = "settings.tried", "settings.not_there"
_OWN = "own"
"""The choice of a checkpoint that is not shipped."""
_DTYPES = ("fp32", "bf16", "fp16")
_POLL_SECONDS = 0.5


def section() -> None:
    """Draw the three choices, and what became of the last try."""
    st.header(t("settings.labs.title"), anchor=False)
    exchange, status = server.runner(), worker_status()
    if not visitor.at_this_machine(st.context.headers):
        st.markdown(t("settings.labs.elsewhere", settings=_in_words(exchange.settings)))
        return
    trying = exchange.trying is not None
    wanted = _controls(exchange.settings, status, disabled=trying)
    nothing_new = wanted == exchange.settings and not status.error
    st.button(
        t("settings.labs.use"),
        type="primary",
        on_click=_use,
        args=(wanted,),
        disabled=trying or nothing_new or not wanted.model,
    )
    _outcome(exchange)


def _in_words(settings: RunnerSettings) -> Markdown:
    """The settings on one line, without the folder of a checkpoint."""
    named = (_device_name(settings.device), settings.dtype, PurePath(settings.model).name)
    return Markdown(" · ".join(map(literal, named)))


def _controls(now: RunnerSettings, status: WorkerStatus, *, disabled: bool) -> RunnerSettings:
    """Draw the widgets; returns their values. What the environment decides has a sentence instead."""
    fixed = settings_file.fixed()
    for key, value in zip((_DEVICE, _DTYPE, _MODEL, _PATH), _first_values(now), strict=True):
        st.session_state.setdefault(key, value)
    device = fixed.get("device") or st.segmented_control(
        t("settings.labs.device"),
        _with(("auto", *status.found), st.session_state[_DEVICE]),
        key=_DEVICE,
        format_func=_device_name,
        required=True,
        disabled=disabled,
    )
    computes = status.found.get(status.device if device == "auto" else device, _DTYPES)
    dtype = st.segmented_control(
        t("settings.labs.dtype"),
        _with(tuple(computes), st.session_state[_DTYPE]),
        key=_DTYPE,
        required=True,
        disabled=disabled,
    )
    model = fixed.get("model") or _checkpoint(disabled)
    for name, value in fixed.items():
        st.markdown(
            t(f"settings.labs.fixed_{name}", variable=code(settings_file.VARIABLES[name]), value=code(value))
        )
    return RunnerSettings(device, dtype, model, now.runner)


def _checkpoint(disabled: bool) -> str:
    """Draw the choice of checkpoint; returns a shipped name or a path, "" while there is no path yet."""
    names = {name: _model_name(name) for name in _shipped()} | {_OWN: t("settings.labs.own")}
    model = st.selectbox(
        t("settings.labs.model"), list(names), key=_MODEL, format_func=names.__getitem__, disabled=disabled
    )
    if model != _OWN:
        return model
    path = st.text_input(
        t("settings.labs.path"), key=_PATH, placeholder="~/minimind/full_sft_512.pth", disabled=disabled
    )
    st.caption(t("settings.labs.checked"))
    return _absolute(path)


def _first_values(now: RunnerSettings) -> tuple[str, str, str, str]:
    shipped = now.model in _shipped()
    return now.device, now.dtype, now.model if shipped else _OWN, "" if shipped else now.model


def _with(options: tuple[str, ...], value: str) -> tuple[str, ...]:
    """The options, and `value` too where this machine does not offer it now."""
    return options if value in options else (*options, value)


def _device_name(device: str) -> str:
    return plain("settings.labs.auto") if device == "auto" else device.upper()


def _model_name(name: str) -> str:
    size = size_of(name)
    if size is None:
        return name
    return plain("settings.labs.shipped", name=name, millions=f"{size / 1e6:.3g}", wan=f"{size / 1e4:.4g}")


@cache
def _shipped() -> tuple[str, ...]:
    return tuple(sorted(shipped_checkpoints(), key=lambda name: (name != DEFAULT_MODEL, name)))


def _absolute(path: str) -> str:
    """The path in full, since the worker may run in another folder; without the quotes some systems copy."""
    path = path.strip().strip("\"'")
    return str(Path(path).expanduser().absolute()) if path else ""


def _use(wanted: RunnerSettings) -> None:
    st.session_state.pop(_NOT_THERE, None)
    try:
        locate(wanted.model)  # a slip of the pen is said at once
    except CheckpointError as error:
        st.session_state[_NOT_THERE] = error.sentence
        return
    st.session_state[_TRIED] = wanted
    server.runner().change(wanted, settings_file.keep)


def _outcome(exchange: RunnerExchange) -> None:
    if exchange.trying is not None:
        st.fragment(_trying, run_every=_POLL_SECONDS)(exchange)
    elif problem := st.session_state.get(_NOT_THERE):
        st.error(t("settings.labs.refused", problem=errors.said(problem)))
    elif (tried := st.session_state.get(_TRIED)) is None:
        return
    elif tried != exchange.settings:
        st.error(t("settings.labs.refused", problem=errors.said(exchange.problem)))
    elif exchange.problem:
        st.warning(errors.said(exchange.problem))
    else:
        st.success(t("settings.labs.done"))


def _trying(exchange: RunnerExchange) -> None:
    settings = exchange.trying
    if settings is None:
        st.rerun()
    else:
        st.markdown(t("settings.labs.trying", settings=_in_words(settings)))
        st.button(t("job.stop"), key="settings.stop", on_click=exchange.stop)
