"""What the web server does besides serving pages.

It starts the worker, checks the questions, warms slow imports, reports errors, serves plotly's script, says
where it listens, refuses foreign requests and names browsers that come from elsewhere.

The web process never loads torch; the model lives in the worker process that `worker()` starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import importlib.resources
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse
from starlette.routing import Route

from labs.contract.registry import WordsError
from labs.runner.client import WorkerClient
from labs.runner.cluster import cluster_of
from labs.runner.exchange import RunnerExchange
from labs.runner.job import Job
from minimind_core.errors import ConfigError
from pages.ui import streamlit_inside
from pages.ui.experiments import registry
from pages.ui.site import (
    access,
    announce,
    descriptors,
    later,
    once_a_minute,
    origin,
    question_list,
    settings_file,
)
from pages.ui.site.first_paint import FirstPaint
from pages.ui.site.guard import Guard
from pages.ui.site.visitor import VisitorCookie
from pages.ui.words import errors
from pages.ui.words.i18n import LANGUAGES, catalogue, check_catalogues, t
from questions import QuestionError

PLOTLY_ADDRESS = f"plotly-{importlib.metadata.version('plotly')}.min.js"
"""Relative to a page: all pages stand side by side, below whatever path a proxy or Streamlit puts them."""
_LOAD_AFTER_SECONDS = 2.5
"""The first page comes first; loading torch beside it cost 0.6 s of three on two cores."""
_BREAK_SECONDS = 0.02
"""Between two files that nobody has asked for yet: a page that is drawn meanwhile waits for one at most."""
_WARM_AT_LAST_SECONDS = 15.0
"""Imports that questions need are done by then, if no browser has drawn a page."""
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


def submit(experiment_id: str, params: Mapping[str, Any] | None = None, **options: Any) -> Job:
    """Run an experiment for this session, as `WorkerClient.submit` does; sessions are served in turn."""
    return worker().submit(experiment_id, params, session=streamlit_inside.session_id(), **options)


def prepare() -> None:
    """Make ready before the server listens: check what all pages show, change what Streamlit does otherwise.

    A broken header of a question, catalogue of the pages or setting ends the server with one sentence that
    names what is wrong. What a question or a lab holds is read once the first page is there (`_warm`).
    """
    try:
        question_list.headers()
        check_catalogues()
        for language in LANGUAGES:
            errors.sentences(language)
    except QuestionError as error:
        sys.exit(f"A question cannot be used. {error}")
    except WordsError as error:
        sys.exit(f"A text of the pages cannot be used. {error}")
    try:
        origin.public(), _key()
        cluster_of(settings_file.runner_settings().runner)
    except (ValueError, ConfigError) as error:
        sys.exit(str(error))
    descriptors.raise_limit()
    once_a_minute.limit_warnings()
    streamlit_inside.is_served()
    streamlit_inside.leave_pages_router()
    streamlit_inside.run_callbacks_whole()
    gc.freeze()  # Streamlit collects garbage after each run of a page: not in what is loaded by now


def routes() -> list[Route]:
    """The addresses that this server answers besides Streamlit's own."""
    base = st.get_option("server.baseUrlPath").strip("/")
    plotly = Route(f"/{base}/{PLOTLY_ADDRESS}".replace("//", "/"), _plotly_script)
    short = [
        Route(f"/{base}/{name}".replace("//", "/"), partial(_to_question, slug=question.slug))
        for question in question_list.headers()
        for name in {question.id, question.id.lower(), question.key, question.key.upper()}
    ]
    return [plotly, *short]


def middleware() -> list[Middleware]:
    """What every request to this server and every answer passes through, the outermost first."""
    return [Middleware(Guard, key=_key()), Middleware(VisitorCookie), Middleware(FirstPaint)]


@cache
def _key() -> access.Key | None:
    """The key of this server, one for its whole life."""
    return access.key()


async def _to_question(request: Request, slug: str) -> RedirectResponse:
    """From a short address such as /q6 to the page itself, with what else the address says."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{slug}{query}")


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


def lifespan(
    first_imports: Sequence[str], slow_imports: Sequence[str]
) -> Callable[[st.App], contextlib.AbstractAsyncContextManager[None]]:
    """What surrounds the server's life: the worker and the import of these modules start with it."""

    @contextlib.asynccontextmanager
    async def live(_app: st.App) -> AsyncIterator[None]:
        threading.Thread(target=worker, daemon=True).start()
        threading.Thread(target=_warm, args=(first_imports, slow_imports), daemon=True).start()
        threading.Thread(target=_announce, daemon=True).start()
        asyncio.get_running_loop().set_exception_handler(descriptors.Exhaustion())
        yield

    return live


def _announce() -> None:
    """Say in the terminal where the server is. In a thread: a database may be slow to answer."""

    def open_store() -> None:
        from pages.ui.site import store

        store.store()

    print("", *announce.lines(_key(), open_store), "", sep="\n  ", flush=True)


def _warm(first_imports: Sequence[str], slow_imports: Sequence[str]) -> None:
    """Import the modules, read what is not read yet, and exempt all of it from garbage collection.

    Only the first imports come before the first page is there.
    """
    _import(first_imports)
    later.first_page.wait(_WARM_AT_LAST_SECONDS)
    _import(slow_imports)
    for what, read in _unread():
        try:
            read()
        except Exception as error:
            _log.error("%s cannot be used. %s", what, error)
        time.sleep(_BREAK_SECONDS)
    gc.collect()
    gc.freeze()


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def _unread() -> Iterator[tuple[str, Callable[[], object]]]:
    """All that the pages of questions read when they need it, by what to call it where it is broken."""
    yield "A question", question_list.questions
    for lab in registry().labs:
        for language in LANGUAGES:
            yield f"A text of the lab {lab}", partial(catalogue(language).of_lab, lab)
        for name in registry().names(lab):
            yield f"The experiment {lab}/{name}", partial(registry().find, f"{lab}/{name}")


def on_script_error(error: Exception) -> bool:
    """Show one sentence on the page; the traceback goes to the terminal.

    A store that fails while only a part of a page is drawn anew has a sentence of its own.
    """
    from study.store.errors import StoreError

    if isinstance(error, StoreError):
        st.error(errors.said(error))
        return True
    _log.error("A page failed", exc_info=error)
    st.error(t("error.unexpected"))
    return True
