"""Pages on a small untrained model that runs in the test's own thread: no worker process, no browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit
from streamlit import config
from streamlit.testing.v1 import AppTest

from labs.contract import Params
from labs.runner.exchange import RunnerExchange, RunnerSettings
from labs.runner.inline import InlineClient
from pages.ui.experiments import registry
from pages.ui.lab import runs
from pages.ui.site import server, store
from questions import load_question
from study.store import Attempt, Store
from tests.pages.addresses import APP, keep_pages_router_off, visit

MODEL = "random:byte-128"
OpenApp = Callable[..., AppTest]


def plots(app: AppTest) -> list[dict[str, Any]]:
    """The figures that a page shows, as plotly's JSON."""
    drawn = [component.proto for component in app.get("bidi_component")]
    return [json.loads(json.loads(proto.json)["figure"]) for proto in drawn if proto.component_name == "plot"]


def experiments(app: AppTest) -> list[str]:
    """The titles of the experiments: the primary one's heading, then those of the rows to open."""
    rows = (row.label.split("**") for row in app.expander if row.label.startswith("**"))
    return [*(heading.value for heading in app.subheader), *(parts[1] for parts in rows)]


def settle_predictions(slug: str, measured: float = 1.0) -> Attempt:
    """Skip a question's predictions as its page would, so that its lab is open; nothing is run for them."""
    kept = store.store()
    attempt = kept.attempts.open(kept.profiles.named_or_new("Me").id, slug.partition("_")[0])
    for prediction in load_question(slug).predictions:
        kept.attempts.predict(attempt, prediction.id, None)
        attempt = kept.attempts.measure(attempt, prediction.id, measured)
    return attempt


def no_run(_experiment: str, _params: Params) -> None:
    """No run is kept."""


class CountingClient:
    """An InlineClient that counts what was submitted."""

    def __init__(self) -> None:
        self._client = client = InlineClient.start("cpu", model=MODEL)
        self.status, self.num_jobs, self.close = client.status, client.num_jobs, client.close
        self.find = client.find
        self.submitted: list[str] = []

    def submit(self, experiment_id, params=None, **options):
        self.submitted.append(experiment_id)
        return self._client.submit(experiment_id, params, **options)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Results and device locks apart from an app that may be running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIMIND_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MINIMIND_TOKEN", "off")
        yield


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of its own for each test, and nobody known from the last one where no page runs."""
    streamlit.session_state.clear()
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path))
    monkeypatch.delenv("MINIMIND_DATABASE", raising=False)
    store.opened.clear()
    opened = store.store()
    yield opened
    opened.close()
    store.opened.clear()


@pytest.fixture(scope="session")
def inline() -> CountingClient:
    return CountingClient()


@pytest.fixture
def worker(inline: CountingClient, monkeypatch: pytest.MonkeyPatch) -> CountingClient:
    inline.submitted.clear()
    exchange = RunnerExchange(RunnerSettings("cpu", "fp32", MODEL), lambda _settings, **_options: inline)
    monkeypatch.setattr(server, "runner", lambda: exchange)
    return inline


@pytest.fixture
def whole_errors() -> Iterator[None]:
    """An error on a page is shown whole, not as one sentence."""
    before = config.get_option("client.showErrorDetails")
    config.set_option("client.showErrorDetails", "full")
    yield
    config.set_option("client.showErrorDetails", before)


@pytest.fixture
def running_server(monkeypatch: pytest.MonkeyPatch, whole_errors: None) -> None:
    """Pages run as our server runs them."""
    keep_pages_router_off(monkeypatch)


@pytest.fixture
def open_app(worker: CountingClient, running_server: None) -> OpenApp:
    """Runs the app in a language, on the page at an address, with what else the address says.

    All experiments are open, unless they shall be `folded` as they are for a visitor.
    """

    def open_page(
        address: str = "",
        *,
        lang: str | None = "en",
        locale: str | None = None,
        folded: bool = False,
        **query: str,
    ) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30)
        for experiment in () if folded else registry():
            app.session_state[f"{runs.state(experiment)}.open"] = True
        app.query_params.update(query | ({"lang": lang} if lang else {}))
        if locale:
            app.context["locale"] = locale
        app.run()
        return visit(app, address) if address else app

    return open_page
