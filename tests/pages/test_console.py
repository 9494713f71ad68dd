"""The console on another device: opened by a link of its own, in step with the first, shut out at once."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.interview import kept
from pages.ui.site import visitor
from pages.ui.words.i18n import catalogue
from questions import Renderer, load_question
from study import interview as led
from study.store import Interview, Store
from tests.pages.addresses import addresses, visit
from tests.pages.conftest import OpenApp
from tests.pages.study.test_study_page import sent

Q6 = load_question("q06_gqa")
TICK = f"interview.tick.{{}}.{Q6.key}.{Q6.rubric[0].id}"


@pytest.fixture
def grace(study: Store) -> Interview:
    """An interview that goes on at question 6; its console may be opened elsewhere. There are others."""
    owner = study.profiles.named_or_new("Me").id
    study.interviews.finish(study.interviews.begin(owner, "Alan", 20, (Q6.key,)), led.FINISHED)
    study.interviews.begin(study.profiles.create("Bob").id, "Edsger", 20, (Q6.key,))
    interview = study.interviews.begin(owner, "Grace", 45, (Q6.key,))
    study.interviews.add(interview, led.CONSENTED)
    study.interviews.add(interview, led.SHOWN, Q6.key)
    study.panels.invite(interview, "Barbara")
    return study.interviews.open_console(interview)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes is not at this machine, and brings no cookie: a phone."""
    monkeypatch.setattr(visitor, "at_this_machine", lambda _headers: False)


def phone(open_app: OpenApp, interview: Interview, lang: str = "en") -> AppTest:
    return open_app("console", lang=lang, folded=True, link=interview.console_link)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_its_link_opens_the_console_and_nothing_else(
    open_app: OpenApp, study: Store, grace: Interview, elsewhere: None, lang: str
) -> None:
    profiles = study.profiles.named()
    app = phone(open_app, grace, lang)
    page, renderer = sent(app), Renderer(Q6, lang)
    assert not app.exception and not app.error
    for text in (Q6.cues[0].text, Q6.follow_ups[0].question, Q6.hints[0], Q6.rubric[0].text):
        assert renderer.text(text) in page
    [barbara] = study.panels.of(grace)
    assert not [link for link in (grace.link, grace.console_link, barbara.link) if link in page]
    assert not [name for name in ("Alan", "Edsger", "Barbara") if name in page]
    assert study.profiles.named() == profiles, "whoever only has a link leaves nothing behind"
    for address in addresses(app):
        if address not in ("console", "present", "panel"):
            other = sent(visit(app, address))
            assert not [name for name in ("Grace", "Alan", "Edsger") if name in other], address


def test_no_other_link_opens_it_and_it_opens_no_other_window(open_app: OpenApp, grace: Interview) -> None:
    for link in ("", "x" * 32, grace.link):
        app = open_app("console", link=link)
        assert catalogue("en")["console.no_link"] in sent(app) and "Grace" not in sent(app)
    for window in ("present", "panel"):
        assert "Grace" not in sent(open_app(window, link=grace.console_link))


def test_both_consoles_are_in_step(open_app: OpenApp, study: Store, grace: Interview) -> None:
    console, other = open_app("interview", folded=True), phone(open_app, grace)
    other.checkbox(key=TICK.format(grace.id)).check().run()
    other.toggle(key=f"interview.release.{Q6.key}.hint-1").set_value(True).run()
    kept.save_note(grace, Q6.key, "asks back first", 1)
    other.button(key=f"interview.pin.{Q6.key}").click().run()
    assert not other.exception and not other.error
    console.run()
    assert console.checkbox(key=TICK.format(grace.id)).value and "asks back first" in sent(console)
    other.button(key="interview.end").click().run()
    other.button(key="interview.end_now").click().run()
    assert other.title[0].value == "The interview with Grace is over" and not other.checkbox
    assert console.run().title[0].value == "Scorecard: Grace", "not the way to a new one"


def test_what_the_first_console_does_not_show_yet_is_drawn_at_its_next_look(
    study: Store, grace: Interview
) -> None:
    """A look compares what stands on the page: ticks and notes of another device are among it."""
    from pages.ui.interview import console

    seen = [console._moved(kept.line(grace), Q6)]
    for kind, data in ((led.TICKED, {"line": Q6.rubric[0].id}), (led.NOTE, {"text": "x"})):
        study.interviews.add(grace, kind, Q6.key, data)
        seen.append(console._moved(kept.line(grace), Q6))
    assert len(set(seen)) == 3


@pytest.mark.parametrize("how", ["close", "relink"])
def test_a_device_that_is_shut_out_does_nothing_more(
    open_app: OpenApp, study: Store, grace: Interview, how: str
) -> None:
    other, console = phone(open_app, grace), open_app("interview", folded=True)
    assert grace.console_link in sent(console)
    console.button(key=f"interview.console_{how}").click().run()
    assert grace.console_link not in sent(console) and not console.exception
    other.checkbox(key=TICK.format(grace.id)).check().run()
    assert not kept.line(grace).record(Q6.key).ticks
    assert catalogue("en")["console.no_link"] in sent(other) and not other.checkbox
    if how == "close":
        console.button(key="interview.console_open").click().run()
    again = study.interviews.find(grace.profile, grace.id)
    assert again and again.console_link and 'class="qr"' in sent(console).partition(again.console_link)[2]


@pytest.mark.parametrize("word", ["heads ", "头"])
def test_of_a_long_text_the_end_is_in_sight_and_the_beginning_can_be_opened(
    open_app: OpenApp, study: Store, grace: Interview, word: str
) -> None:
    study.interviews.save_text(grace, led.DRAFT, Q6.key, f"It begins. {word * 900}and ends.", 1)
    app = phone(open_app, grace)
    assert "and ends." in sent(app) and "It begins." not in sent(app)
    app.session_state[f"interview.before.{Q6.key}"] = True
    assert "It begins." in sent(app.run()) and not app.exception
    study.interviews.save_text(grace, led.DRAFT, Q6.key, "It begins. It ends.", 2)
    assert "It begins. It ends." in sent(app.run())
