"""What the web server does besides serving pages.

It starts the worker, checks the questions, warms slow imports, reports errors, serves plotly's script and
names browsers that come from elsewhere.

The web process never loads torch; the model lives in the worker process that `worker()` starts.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import importlib.resources
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from labs.runner.client import WorkerClient
from labs.runner.exchange import RunnerExchange
from pages.ui.site import callbacks, settings_file
from pages.ui.site.visitor import VisitorCookie
from questions import QuestionError

PLOTLY_ADDRESS = f"/plotly-{importlib.metadata.version('plotly')}.min.js"
_LOAD_AFTER_SECONDS, _WARM_AFTER_SECONDS, _FREEZE_AFTER_SECONDS = 2.5, 3.0, 4.0
"""The first page comes first; loading torch beside it cost 0.6 s of three on two cores."""
_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def runner() -> RunnerExchange:
    """The one runner of this server, and its exchange for one with other settings.

    Started at the first call with the kept settings (`settings_file.py`). Does not wait for the model.
    """
    return RunnerExchange(settings_file.runner_settings(), wait_seconds=_LOAD_AFTER_SECONDS)


def worker() -> WorkerClient:
    """What runs the labs now. Ask again for each run: a change of settings replaces it."""
    return runner().client


def prepare() -> None:
    """Before the server listens: check the questions, leave the pages router, let callbacks run whole.

    A broken question file ends the server with one sentence that names file, key and reason.
    """
    from pages.ui.site.frame import questions

    try:
        questions()
    except QuestionError as error:
        sys.exit(f"A question cannot be used. {error}")
    leave_pages_router()
    callbacks.run_whole()


def leave_pages_router() -> bool:
    """Turn off Streamlit's own routing of the `pages/` folder; True if it was on.

    Until a session has called st.navigation, a fresh server routes `/q13_sampling` to the page file
    alone, without app.py. The flag is private; without it the frame's own check still works.
    """
    try:
        from streamlit.runtime.pages_manager import PagesManager
    except ImportError:
        return False
    was_on = getattr(PagesManager, "uses_pages_directory", False)
    PagesManager.uses_pages_directory = False
    return bool(was_on)


def routes() -> list[Route]:
    """What this server answers beside Streamlit's own addresses."""
    return [Route(PLOTLY_ADDRESS, _plotly_script)]


def middleware() -> list[Middleware]:
    """What goes around every answer of this server."""
    return [Middleware(VisitorCookie)]


async def _plotly_script(_request: Request) -> FileResponse:
    """The script that the plotly package brings. Its address has its version, so browsers keep it.

    "identity" keeps Streamlit from compressing five megabytes for a browser on the same machine.
    """
    script = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return FileResponse(
        str(script),
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "identity"},
    )


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Around the server's life: the worker and the slow imports start with it."""
    threading.Thread(target=worker, daemon=True).start()
    threading.Thread(target=_warm, daemon=True).start()
    yield


def _warm() -> None:
    """Import what study pages need, and later spare all that is loaded from Streamlit's collections.

    Not at once: the first page comes first. Streamlit collects garbage after each script run; frozen objects
    are not looked at again.
    """
    time.sleep(_WARM_AFTER_SECONDS)
    for module in ("pages.ui.lab.charts", "pages.ui.study.study_page"):
        importlib.import_module(module)
    time.sleep(_FREEZE_AFTER_SECONDS)
    gc.collect()
    gc.freeze()


def on_script_error(error: Exception) -> bool:
    """One sentence on the page; the traceback goes to the terminal."""
    from pages.ui.words.i18n import t

    _log.error("A page failed", exc_info=error)
    st.error(t("error.unexpected"))
    return True
