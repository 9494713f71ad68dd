"""A store that fails takes no editor away, and stored values that make no sense close no page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.site import settings_file, store
from questions import load_question
from study.predictions import calibrate, judge, readable
from study.store import Store, StoreError, attempts, data_folder, drafts, opening
from tests.pages.conftest import OpenApp, settle_predictions

Q6, Q13 = "q06_gqa", "q13_sampling"
AWAY = "The database does not answer: check that it runs and lets us in."


def fail(*_arguments: object, **_named: object) -> None:
    raise StoreError(AWAY)


def field(app: AppTest) -> dict[str, Any]:
    """What the answer's field is drawn with."""
    components = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "draft"]
    assert len(components) == 1 and not app.exception
    data: dict[str, Any] = json.loads(components[0].json)
    return data


@pytest.mark.parametrize(
    "broken",
    [
        [(drafts.Drafts, "get")],
        [(drafts.Drafts, "copies")],
        [(attempts.Attempts, "of")],
        [(drafts.Drafts, "get"), (drafts.Drafts, "copies"), (attempts.Attempts, "of")],
        [(opening.Database, "read"), (opening.Database, "write")],
        [(opening.Database, "openings")],
    ],
    ids=["draft", "copies", "attempts", "reads", "all", "opening"],
)
def test_no_failed_read_takes_the_field_away_and_it_comes_back_by_itself(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch, broken: list[tuple[Any, str]]
) -> None:
    app = open_app(Q6)
    before = field(app)
    with monkeypatch.context() as away:
        for owner, name in broken:
            away.setattr(owner, name, property(fail) if name == "openings" else fail)
        app.run()
        during = field(app)
        assert during["storage"] == before["storage"] and [each.value for each in app.error] == [AWAY]
        assert not during["known"]
    app.run()
    assert field(app) == before and not app.error and before["known"] and app.button(key="q06.hint")


def test_a_page_that_opens_while_the_store_is_away_has_the_field_under_the_same_name(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = study.profiles.create("Ada Łovelace")
    settings_file.write({settings_file.PROFILE: ada.id})
    known = field(open_app(Q6))
    store.opened.clear()
    with monkeypatch.context() as away:
        away.setattr(store, "open_store", fail)
        app = open_app(Q6)
        during = field(app)
        assert not during["known"] and during["storage"] == known["storage"]
        assert [each.value for each in app.error] == [AWAY]
    app.run()
    assert field(app) == known and not app.error


@pytest.mark.parametrize("name", ["Me", "Ada"])
def test_a_new_database_changes_the_mark_and_not_the_name_in_the_browser(
    open_app: OpenApp, study: Store, name: str
) -> None:
    settings_file.write({settings_file.PROFILE: study.profiles.named_or_new(name).id})
    app = open_app(Q6)
    before = field(app)
    for path in data_folder().glob("study.sqlite3*"):
        path.unlink()
    app.run()
    running = field(app)
    assert study.notice and [profile.name for profile in study.profiles.named()] == [name]
    study.close()
    store.opened.clear()
    for path in data_folder().glob("study.sqlite3*"):
        path.unlink()
    started = field(open_app(Q6))
    assert before["storage"] == running["storage"] == started["storage"]
    assert len({before["profile"], running["profile"], started["profile"]}) == 3
    assert store.store().profiles.named()[0].name == name


def test_deleted_data_do_not_come_back_into_a_window_that_is_still_open(
    open_app: OpenApp, study: Store
) -> None:
    app = open_app(Q6)
    before = field(app)
    study.profiles.delete(app.session_state["profile"])
    study.profiles.create("Me")
    app.run()
    assert field(app)["profile"] == before["profile"], "it is not taken for a database that began anew"


def test_a_renamed_profile_takes_its_drafts_in_the_browser_along(open_app: OpenApp, study: Store) -> None:
    app = open_app(Q6)
    before = field(app)["storage"].removesuffix("q06")
    app = open_app("settings")
    app.text_input(key="settings.profile_name").set_value("Grace")
    next(button for button in app.button if button.label == "Rename").click().run()
    [moving] = [
        each.proto for each in app.get("bidi_component") if each.proto.component_name == "browser_drafts"
    ]
    after = field(open_app(Q6))["storage"].removesuffix("q06")
    assert json.loads(moving.json) == {"move": {"from": before, "to": after}} and before != after


def taking(sent: dict[str, Any]) -> AppTest:
    """What `take` makes of a message of the field."""

    def script(sent) -> None:
        import streamlit as st

        from pages.ui.site import store
        from pages.ui.study import draft
        from questions import load_question

        question = load_question("q06_gqa")
        st.session_state.setdefault("lang", "en")
        st.session_state["q06.answer"] = {"draft": sent}
        store.guarded(lambda: draft.take(question))()
        st.text(store.trouble() or "no trouble")

    return AppTest.from_function(script, args=(sent,), default_timeout=30).run()


MESSAGE = {"text": "text", "revision": 1, "base": 0, "seconds": 3, "nonce": 1}


@pytest.mark.parametrize("seconds", [1e300, -5, "x", None, float("nan"), True, [], ...])
def test_whatever_the_clock_says_the_text_is_saved(study: Store, seconds: Any) -> None:
    message = MESSAGE | {"seconds": seconds}
    if seconds is ...:
        del message["seconds"]
    app = taking(message)
    [me] = study.profiles.named()
    assert not app.exception and app.text[0].value == "no trouble"
    assert [draft.text for draft in study.drafts.of(me.id)] == ["text"]
    assert all(0 <= attempt.seconds <= 1e7 for attempt in study.attempts.of(me.id))


@pytest.mark.parametrize(("help_used", "seconds"), [("reference", 99), ("mock", 3)])
def test_the_time_at_which_the_clock_stopped_is_kept_though_the_reference_is_open(
    study: Store, help_used: str, seconds: int
) -> None:
    """The browser learns of the open reference after the store; an interview's time is its own."""
    taking(MESSAGE)
    [me] = study.profiles.named()
    [attempt] = study.attempts.of(me.id)
    study.attempts.update(attempt, help_used={help_used})
    taking(MESSAGE | {"seconds": 99, "nonce": 2})
    [attempt] = study.attempts.of(me.id)
    assert attempt.seconds == seconds


def test_a_time_that_cannot_be_kept_is_no_word_beside_a_saved_text(
    study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts.Attempts, "update", fail)
    assert taking(MESSAGE).text[0].value == "no trouble"
    assert study.drafts.of(study.profiles.named()[0].id)


@pytest.mark.parametrize("other_fails", [False, True])
def test_what_failed_in_a_run_that_was_cut_off_is_not_said_beside_a_later_success(
    study: Store, other_fails: bool
) -> None:
    def script(other_fails: bool) -> None:
        import streamlit as st

        from pages.ui.site import store
        from study.store import StoreError

        def save() -> None:
            if not st.session_state.get("back"):
                raise StoreError("Another program holds it.")

        def other() -> None:
            if other_fails:
                raise StoreError("The disk is full.")

        st.session_state.setdefault("lang", "en")
        store.guarded(other)()
        store.guarded(save)()
        if not st.session_state.get("back"):
            st.session_state["back"] = True
            st.stop()  # as when the next message of the browser cuts a run off
        st.text(store.trouble() or "no trouble")

    app = AppTest.from_function(script, args=(other_fails,), default_timeout=30).run()
    expected = "The disk is full." if other_fails else "no trouble"
    assert [each.value for each in app.run().text] == [expected]


JUNK: list[Any] = [[], {"value": 1.0}, None, True, "![a](https://evil.example/q.png)", 10**299]


@pytest.mark.parametrize(("slug", "scored"), [(Q6, False), (Q13, True)], ids=["open", "scored"])
def test_no_stored_prediction_or_measurement_closes_a_page(
    open_app: OpenApp, study: Store, slug: str, scored: bool
) -> None:
    question = load_question(slug)
    me = study.profiles.named_or_new("Me").id
    for junk in JUNK:
        attempt = study.attempts.open(me, question.key)
        for prediction in question.predictions:
            attempt = study.attempts.predict(attempt, prediction.id, junk)
            attempt = study.attempts.measure(attempt, prediction.id, junk)
        attempt = study.attempts.update(attempt, help_used=[store.REFERENCE])
        if scored:
            study.attempts.finish(attempt, 40)
        app = open_app(slug)
        assert not app.exception and not app.error, junk
        assert not any("evil" in each.value for each in (*app.markdown, *app.caption))
        assert app.button(key=f"{question.key}.{'again' if scored else 'keep'}")
        if isinstance(junk, str):
            assert any("counts as skipped" in caption.value for caption in app.caption)
        if not scored:
            study.attempts.finish(study.attempts.open(me, question.key), 40)


def test_a_question_is_answered_again_and_kept_after_an_import_from_the_future(
    open_app: OpenApp, study: Store
) -> None:
    attempt = settle_predictions(Q6)
    study.attempts.finish(attempt, 80, help_used=[store.REFERENCE])
    data = json.loads(study.transfer.export(attempt.profile))
    data["attempts"][0] |= {"id": "later", "started": 2.5e11, "finished": 2.5e11, "changed": 2.5e11}
    study.transfer.import_into(attempt.profile, json.dumps(data))
    app = open_app(Q6)
    app.button(key="q06.again").click().run()
    newest = study.attempts.of(attempt.profile, "q06")[0]
    assert newest.finished is None and not [each for each in app.button if each.key == "q06.again"]
    settle_predictions(Q6)
    app.run()
    app.button(key="q06.reference").click().run()
    app.checkbox[0].check().run()
    app.button(key="q06.keep").click().run()
    assert study.attempts.of(attempt.profile, "q06")[0].tier is not None and app.button(key="q06.again")


def test_a_visitor_without_a_cookie_leaves_no_profile_by_looking(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "identity", lambda: "session")
    made: list[object] = []

    def refuse(*given: object) -> None:
        made.append(given)
        fail()

    monkeypatch.setattr(type(study.profiles), "for_identity", refuse)
    app = open_app(Q6)
    data = field(app)
    assert data["known"] and data["profile"] == "" and not made and not app.error
    app.run()
    assert field(app)["storage"] == data["storage"]
    app.button(key="q06.hint").click().run()
    assert made, "the first word makes one"


def test_numbers_at_the_ends_of_their_type_are_judged_and_summed_up() -> None:
    question = load_question(Q13)
    prediction = next(each for each in question.predictions if each.kind != "choice")
    ends = [5e-324, 1e-300, 1.0, 1e299, -1e299, 0.0]
    outcomes = [judge(prediction, answer, measured) for answer in ends for measured in ends]
    summary = calibrate(outcomes)
    assert summary.made == len(ends) ** 2 and summary.bias and summary.spread
    for value in (10**400, 1e300, float("nan"), float("inf"), True, "1", None, [1.0]):
        assert readable(prediction, value) is None
    assert readable(prediction, 10**299) == 1e299
