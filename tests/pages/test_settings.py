"""The settings page: what it changes, for whom, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from labs.contract import Params
from labs.runner.exchange import RunnerExchange, RunnerSettings
from labs.runner.inline import InlineClient
from labs.runner.job import WorkerStatus
from pages.ui.progress import sidebar
from pages.ui.site import server, settings_file, visitor
from study.store import Store
from tests.pages.addresses import visit
from tests.pages.conftest import MODEL, CountingClient, OpenApp

OPEN = "settings"
assert sidebar, "what the menu shows is drawn once this is imported, as a server does after its first page"


class Candidate:
    """A runner that was started for other settings and says what became of them."""

    def __init__(self, status: WorkerStatus) -> None:
        self._status, self.farewell = status, None

    def status(self, device: str | None = None) -> WorkerStatus:
        return self._status

    def num_jobs(self) -> int:
        return 0

    def find(self, experiment_id: str, params: Params) -> None:
        return None

    def close(self, farewell: str = "") -> None:
        self.farewell = farewell


@pytest.fixture
def started(worker: CountingClient, monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """The runners that the page had started after the first; "toy-…" ones lack their model."""
    candidates: list[Candidate] = []

    def start(settings: RunnerSettings, **_options: float) -> Candidate:
        error = "weights/x is truncated; fetch it again." if settings.model.startswith("toy") else ""
        candidates.append(
            Candidate(
                WorkerStatus(
                    state="ready",
                    device="cpu",
                    device_name="Test CPU",
                    dtype=settings.dtype,
                    error=error,
                    versions={"torch": "9"},
                    model_name=settings.model,
                    found={"cpu": ["fp32", "bf16"]},
                )
            )
        )
        return candidates[-1]

    exchange = RunnerExchange(RunnerSettings("auto", "fp32", "minimind-26m"), start)
    monkeypatch.setattr(server, "runner", lambda: exchange)
    return candidates


def button(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label)


def texts(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.success, *app.warning, *app.error)
    return "\n".join(one.value for one in shown)


def use(app: AppTest) -> None:
    button(app, "Use these").click().run()
    settled(app)


def settled(app: AppTest) -> None:
    end = time.monotonic() + 20
    while server.runner().trying is not None:
        assert time.monotonic() < end
        time.sleep(0.01)
    app.run()


def write(study: Store, profile: str, text: str) -> None:
    study.drafts.save(profile, "q06", "answer", text, revision=1)


def test_a_choice_reaches_the_labs_and_is_kept(
    open_app: OpenApp, started: list[Candidate], tmp_path: Path
) -> None:
    app = open_app(OPEN)
    assert button(app, "Use these").disabled, "nothing was chosen yet"
    app.segmented_control(key="settings.dtype").set_value("bf16")
    app.selectbox(key="settings.model").set_value("byte-128").run()
    use(app)
    assert "All labs run on these settings now" in app.success[0].value
    assert server.worker() is started[1] and started[0].farewell
    assert "Test CPU · bf16 · torch 9 · byte-128" in texts(app)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept == {"device": "auto", "dtype": "bf16", "model": "byte-128"}
    assert settings_file.runner_settings() == RunnerSettings("auto", "bf16", "byte-128")


def test_a_checkpoint_that_cannot_be_loaded_changes_nothing(
    open_app: OpenApp, started: list[Candidate], tmp_path: Path
) -> None:
    app = open_app(OPEN)
    app.selectbox(key="settings.model").set_value("toy-masked").run()
    use(app)
    assert app.error[0].value == (
        "Nothing was changed: the labs go on as before. weights/x is truncated; fetch it again."
    )
    assert server.worker() is started[0] and started[0].farewell is None
    assert not (tmp_path / "settings.json").exists()


def test_a_try_that_takes_long_can_be_stopped(
    open_app: OpenApp, started: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Candidate, "status", lambda *_: WorkerStatus(state="loading", device="cpu"))
    app = open_app(OPEN)
    app.selectbox(key="settings.model").set_value("byte-128").run()
    button(app, "Use these").click().run()
    assert server.runner().trying is not None and button(app, "Use these").disabled
    button(app, "Stop").click().run()
    settled(app)
    assert "The try was stopped." in app.error[0].value and not button(app, "Use these").disabled
    assert server.worker() is started[0] and started[1].farewell is not None


def test_a_path_that_is_not_there_is_said_at_once(
    open_app: OpenApp, started: list[Candidate], tmp_path: Path
) -> None:
    app = open_app(OPEN)
    app.selectbox(key="settings.model").set_value("own").run()
    assert button(app, "Use these").disabled, "no path yet"
    app.text_input(key="settings.path").set_value(f' "{tmp_path}/gone.pth" ').run()
    use(app)
    assert f"There is no checkpoint at '{tmp_path}/gone.pth'" in app.error[0].value
    assert len(started) == 1


def test_settings_that_cannot_be_kept_hold_and_say_so(
    open_app: OpenApp, started: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_changes: dict[str, str]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings_file, "write", full)
    app = open_app(OPEN)
    app.segmented_control(key="settings.dtype").set_value("bf16").run()
    use(app)
    assert "No space left on device" in app.warning[0].value
    assert server.worker() is started[1]


def test_the_environment_wins_and_is_named(
    open_app: OpenApp, started: list[Candidate], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings_file.write({"device": "cuda", "dtype": "bf16", "model": "byte-128"})
    monkeypatch.setenv("MINIMIND_DEVICE", "cpu")
    monkeypatch.setenv("MINIMIND_MODEL", "minimind-26m")
    assert settings_file.runner_settings() == RunnerSettings("cpu", "bf16", "minimind-26m")
    app = open_app(OPEN)
    assert "settings.device" not in [one.key for one in app.segmented_control] and not app.selectbox
    assert "`cpu`, set for this server by `MINIMIND_DEVICE`" in texts(app)
    assert "`minimind-26m`, set for this server by `MINIMIND_MODEL`" in texts(app)
    assert settings_file.keep(RunnerSettings("cpu", "fp16", "minimind-26m")) == ""
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept == {"device": "cuda", "dtype": "fp16", "model": "byte-128"}, "what was chosen stays for later"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"dtype": 7}', "\0"])
def test_a_damaged_file_counts_as_none(damage: str, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(damage)
    assert settings_file.runner_settings() == RunnerSettings()


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.json")
    assert settings_file.runner_settings() == RunnerSettings()


def test_somebody_elsewhere_reads_the_labs_settings_and_no_path(
    open_app: OpenApp, started: list[Candidate], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.runner().settings = RunnerSettings("cpu", "fp32", "/home/ada/secret/model.pth")
    monkeypatch.setattr(visitor, "at_this_machine", lambda _headers: False)
    monkeypatch.setattr(visitor, "visitor_name", lambda _cookies: None)
    app = open_app(OPEN)
    assert "model.pth" in texts(app) and "/home/ada" not in texts(app) and str(tmp_path) not in texts(app)
    assert not app.selectbox and not any(one.label == "Use these" for one in app.button)
    assert "Clear the kept results" not in [one.label for one in app.button]
    assert "keeps no cookies" in app.warning[0].value


def test_language(open_app: OpenApp) -> None:
    app = open_app(OPEN)
    app.segmented_control(key="settings.lang").set_value("zh").run()
    assert app.title[0].value == "设置" and app.segmented_control(key="lang").value == "zh"
    app.segmented_control(key="lang").set_value("en").run()
    assert app.title[0].value == "Settings" and app.segmented_control(key="settings.lang").value == "en"


def test_profiles_keep_their_work_apart(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    me = study.profiles.named_or_new("Me").id
    write(study, me, "mine")
    assert not [one for one in app.button if one.key == "who"]
    app.text_input(key="settings.new_profile").set_value("Ada *L*")
    button(app, "Create and switch to it").click().run()
    assert app.button(key="who").label == r"Ada \*L\*"
    assert "answers 0" in texts(app) and app.text_input(key="settings.new_profile").value == ""
    ada = app.session_state["profile"]
    app.selectbox(key="settings.profile").set_value(me).run()
    assert app.button(key="who").label == "Me" and "answers 1" in texts(app)
    assert open_app(OPEN).session_state["profile"] == me, "the next window opens with the one chosen last"
    app.text_input(key="settings.profile_name").set_value("ada *l*")
    button(app, "Rename").click().run()
    assert "already: choose another name" in app.error[0].value
    app.text_input(key="settings.profile_name").set_value("Grace")
    button(app, "Rename").click().run()
    assert app.button(key="who").label == "Grace"
    assert {one.name for one in study.profiles.named()} == {"Grace", "Ada *L*"} and ada != me


def test_nothing_of_one_profile_stays_in_the_session_for_the_next(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    app.session_state["q06_gqa.bench"] = "a run of somebody"
    other = study.profiles.create("Ada")
    app.run()
    app.selectbox(key="settings.profile").set_value(other.id).run()
    assert "q06_gqa.bench" not in app.session_state and app.session_state["lang"] == "en"


def test_a_deleted_profile_goes_with_its_work_only(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    me, ada = study.profiles.named_or_new("Me").id, study.profiles.create("Ada").id
    write(study, me, "mine")
    write(study, ada, "Ada's")
    app.run()
    app.selectbox(key="settings.profile").set_value(ada).run()
    button(app, "Delete the profile Ada …").click().run()
    assert "cannot be undone" in texts(app)
    app.button(key="settings.really.profile").click().run()
    assert app.success[0].value == "The profile Ada is deleted."
    assert [one.name for one in study.profiles.named()] == ["Me"] and study.drafts.of(me)
    assert app.session_state["profile"] == me
    assert not [one for one in app.button if one.label.startswith("Delete the profile")]


def test_my_data_are_deleted_after_a_second_yes(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    old = study.profiles.named_or_new("Me").id
    write(study, old, "mine")
    app.run()
    button(app, "Delete my data …").click().run()
    app.button(key="settings.keep.data").click().run()
    assert study.drafts.of(old) and "cannot be undone" not in texts(app)
    button(app, "Delete my data …").click().run()
    app.button(key="settings.really.data").click().run()
    assert app.success[0].value == "Your data are deleted."
    new = study.profiles.named_or_new("Me").id
    assert new != old, "an open window would write into the old one"
    assert study.profiles.find(old) is None and not study.drafts.of(new)
    assert app.session_state["profile"] == new


def test_an_import_adds_and_a_damaged_file_changes_nothing(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    me = study.profiles.named_or_new("Me").id
    other = study.profiles.create("Ada").id
    write(study, me, "mine")
    study.drafts.save(other, "q13", "answer", "from the file", revision=1)
    exported = study.transfer.export(other).encode()
    upload(app, exported[:-20])
    assert "nothing was imported" in app.error[0].value and len(study.drafts.of(me)) == 1
    upload(app, exported)
    assert app.success[0].value.startswith("Added from the file: answers 1, attempts 0.")
    assert [draft.text for draft in study.drafts.of(me)] == ["mine", "from the file"]


def upload(app: AppTest, content: bytes) -> None:
    app.file_uploader[0].set_value(("export.json", content, "application/json"))
    app.run()
    button(app, "Add to my data").click().run()


def test_a_profile_deleted_in_another_window_is_one_sentence(open_app: OpenApp, study: Store) -> None:
    app = open_app(OPEN)
    study.profiles.delete(app.session_state["profile"])
    app.run()
    assert "no longer exists: reload the page" in app.error[0].value and not app.exception
    assert app.header[-1].value == "About this app", "the rest of the page is there"


def test_kept_results_can_be_cleared(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINIMIND_LAB_CACHE", str(tmp_path / "cache"))
    results = tmp_path / "cache" / "results"
    results.mkdir(parents=True)
    (results / "k.json").write_text("{}" * 2**20)
    app = open_app(OPEN)
    assert "2.0 MB" in texts(app)
    button(app, "Clear the kept results").click().run()
    assert not list(results.iterdir()) and button(app, "Clear the kept results").disabled


@pytest.fixture
def logged_in(open_app: OpenApp) -> Callable[[dict[str, object]], AppTest]:
    """The settings page of somebody whom the server's login knows so."""

    def open_as(user: dict[str, object]) -> AppTest:
        app = open_app()
        app.user = user
        if "profile" in app.session_state:
            del app.session_state["profile"]
        return visit(app, OPEN)

    return open_as


def test_a_login_is_asked_for_before_anything_else(logged_in: Callable[[dict[str, object]], AppTest]) -> None:
    app = logged_in({"is_logged_in": False})
    assert [one.label for one in app.button] == ["Sign in"] and not app.header and not app.exception
    app.button[0].click().run()
    assert app.error[0].value.startswith("This server's login is not set up: ") and not app.exception


def test_a_login_finds_its_work_and_no_list_of_others(
    logged_in: Callable[[dict[str, object]], AppTest], study: Store
) -> None:
    study.profiles.create("Ada")
    one = logged_in({"is_logged_in": True, "iss": "https://id", "sub": "1", "name": "Grace *H*"})
    again = logged_in({"is_logged_in": True, "iss": "https://id", "sub": "1", "name": "Grace *H*"})
    other = logged_in({"is_logged_in": True, "iss": "https://other", "sub": "1", "name": "Grace *H*"})
    assert one.session_state["profile"] == again.session_state["profile"] != other.session_state["profile"]
    assert r"Grace \*H\*" in texts(one) and "Ada" not in texts(one) and not one.exception
    assert "settings.profile" not in [box.key for box in one.selectbox]


def test_the_inline_runner_can_be_exchanged_too() -> None:
    client = InlineClient.start("cpu", model=MODEL)
    assert client.num_jobs() == 0 and client.status().found["cpu"][0] == "fp32"
