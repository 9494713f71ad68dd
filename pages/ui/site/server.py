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
from collections.abc import AsyncIterator, Callable, Sequence

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from labs.runner.client import WorkerClient
from labs.runner.exchange import RunnerExchange
from pages.ui.site import question_list, settings_file, streamlit_inside
from pages.ui.site.visitor import VisitorCookie
from questions import QuestionError

PLOTLY_ADDRESS = f"/plotly-{importlib.metadata.version('plotly')}.min.js"
_LOAD_AFTER_SECONDS, _WARM_AFTER_SECONDS, _FREEZE_AFTER_SECONDS = 2.5, 3.0, 4.0
"""The first page comes first; loading torch beside it cost 0.6 s of three on two cores."""
_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def runner() -> RunnerExchange:
    """The one runner of this server, which can be exchanged for one with other settings.

    The first call starts it with the kept settings (`settings_file.py`) and does not wait for the model.
    """
    return RunnerExchange(settings_file.runner_settings(), wait_seconds=_LOAD_AFTER_SECONDS)


def worker() -> WorkerClient:
    """The client that runs the labs now. Ask for it again for each run: a change of settings replaces it."""
    return runner().client


def prepare() -> None:
    """Make ready before the server listens: check the questions, and change what Streamlit does otherwise.

    A broken question file ends the server with one sentence that names file, key and reason.
    """
    try:
        question_list.questions()
    except QuestionError as error:
        sys.exit(f"A question cannot be used. {error}")
    streamlit_inside.leave_pages_router()
    streamlit_inside.run_callbacks_whole()


def routes() -> list[Route]:
    """The addresses that this server answers besides Streamlit's own."""
    return [Route(PLOTLY_ADDRESS, _plotly_script)]


def middleware() -> list[Middleware]:
    """What every answer of this server passes through."""
    return [Middleware(VisitorCookie)]


async def _plotly_script(_request: Request) -> FileResponse:
    """The script of the plotly package. Its address contains its version, so that browsers may keep it.

    "identity" keeps Streamlit from compressing five megabytes for a browser on the same machine.
    """
    script = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return FileResponse(
        str(script),
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "identity"},
    )


def lifespan(slow_imports: Sequence[str]) -> Callable[[st.App], contextlib.AbstractAsyncContextManager[None]]:
    """What surrounds the server's life: the worker and the import of these modules start with it."""

    @contextlib.asynccontextmanager
    async def live(_app: st.App) -> AsyncIterator[None]:
        threading.Thread(target=worker, daemon=True).start()
        threading.Thread(target=_warm, args=(slow_imports,), daemon=True).start()
        yield

    return live


def _warm(slow_imports: Sequence[str]) -> None:
    """Import the modules, and later exempt all that is loaded from garbage collection.

    Not at once: the first page comes first. Streamlit collects garbage after each run of a page, and frozen
    objects are not looked at again.
    """
    time.sleep(_WARM_AFTER_SECONDS)
    for module in slow_imports:
        importlib.import_module(module)
    time.sleep(_FREEZE_AFTER_SECONDS)
    gc.collect()
    gc.freeze()


def on_script_error(error: Exception) -> bool:
    """Show one sentence on the page; the traceback goes to the terminal.

    A store that fails while only a part of a page is drawn anew has a sentence of its own.
    """
    from pages.ui.words import errors
    from pages.ui.words.i18n import t
    from study.store.errors import StoreError

    if isinstance(error, StoreError):
        st.error(errors.said(error))
        return True
    _log.error("A page failed", exc_info=error)
    st.error(t("error.unexpected"))
    return True
