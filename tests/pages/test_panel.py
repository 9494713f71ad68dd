"""A panel on its pages: invited, ticked blind by own links, revealed once all have handed in, compared."""

from __future__ import annotations

import pytest

from pages.ui.interview import panel_differences
from pages.ui.interview.panel_lines import to_tick
from questions import Renderer, load_question
from study import interview as led
from study.store import Interview, Store
from tests.pages.conftest import OpenApp
from tests.pages.study.test_study_page import sent

Q6 = load_question("q06_gqa")
FIRST, SECOND = (line.id for line in to_tick(Q6)[:2])
NOTE = "only for the one who leads"


def me(study: Store) -> str:
    return study.profiles.named_or_new("Me").id


@pytest.fixture
def grace(study: Store) -> Interview:
    """An interview that goes on at question 6, with a tick and a note of who leads it."""
    interview = study.interviews.begin(me(study), "Grace", 45, (Q6.key,))
    study.interviews.add(interview, led.SHOWN, Q6.key)
    study.interviews.add(interview, led.TICKED, Q6.key, {"line": FIRST})
    study.interviews.add(interview, led.NOTE, Q6.key, {"text": NOTE})
    return interview


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_members_tick_blind_and_all_is_shown_once_everybody_has_handed_in(
    open_app: OpenApp, study: Store, grace: Interview, lang: str
) -> None:
    console = open_app("interview", lang=lang, folded=True)
    for name in ("Barbara", "Charles"):
        console.text_input(key="panel.name").set_value(name).run()
        console.button(key="panel.invite").click().run()
    assert not console.exception and not console.error
    barbara, charles = study.panels.of(grace)
    assert (
        barbara.link
        and barbara.link in sent(console)
        and 'class="qr"' not in sent(console).rpartition(barbara.link)[2]
    )
    console.session_state[f"panel.qr.{barbara.id}"] = True
    assert 'class="qr"' in sent(console.run()).rpartition(barbara.link)[2]
    app = open_app("panel", lang=lang, folded=True, link=barbara.link)
    boxes = [box.key for box in app.checkbox]
    assert len(boxes) == len(to_tick(Q6)) and not any(box.value for box in app.checkbox)
    app.checkbox(key=f"panel.tick.{barbara.id}.q06.{SECOND}").check().run()
    assert study.panels.of(grace)[0].ticks == {"q06": (SECOND,)}
    other = open_app("panel", lang=lang, folded=True, link=charles.link)
    assert not any(box.value for box in other.checkbox), "nobody sees the ticks of another"
    app.button(key="panel.hand_in").click().run()
    app.button(key="panel.hand_in_now").click().run()
    assert not app.checkbox and not app.table and not app.exception
    study.interviews.finish(grace, led.FINISHED)
    after = open_app("interview", lang=lang, folded=True)
    after.button(key=f"interview.show.{grace.id}").click().run()
    assert NOTE in sent(after) and "α" not in sent(after), "one has still to hand in"
    study.panels.hand_in(charles)
    page = open_app("panel", lang=lang, folded=True, link=barbara.link)
    after.run()
    said = Renderer(Q6, lang).text(to_tick(Q6)[0].text)
    for shown in (page, after):
        assert "α" in sent(shown) and not shown.exception
    assert NOTE not in sent(page) and barbara.name in page.table[0].value.columns
    rows = {row[0]: list(row[1:]) for row in page.table[0].value.itertuples(index=False)}
    assert rows[said] == ["✓", "–", "–"] and len(rows) == 2, "only where they differ"
    page.toggle(key="panel.only").set_value(False).run()
    assert len(page.table[0].value) == len(to_tick(Q6))


@pytest.mark.parametrize(("alpha", "written"), [(-0.2551, "−0.26"), (-0.001, "0.00"), (0.8, "0.80")])
def test_agreement_is_written_with_a_minus_sign_and_never_as_minus_nothing(
    alpha: float, written: str
) -> None:
    assert f"**α = {written}**" in panel_differences._agreement(alpha, 12, 3, 4)


def test_a_link_that_opens_nothing_says_so_and_gives_nothing_away(
    open_app: OpenApp, grace: Interview
) -> None:
    for link in ("", "wrong", grace.link or ""):
        app = open_app("panel", link=link)
        assert "ask the interviewer for a new one" in sent(app) and not app.checkbox


def test_a_tick_after_handing_in_elsewhere_is_a_sentence(
    open_app: OpenApp, study: Store, grace: Interview
) -> None:
    barbara = study.panels.invite(grace, "Barbara")
    app = open_app("panel", folded=True, link=barbara.link)
    study.panels.hand_in(barbara)
    app.checkbox(key=f"panel.tick.{barbara.id}.q06.{FIRST}").check().run()
    assert [error.value for error in app.error] == ["You have handed in: your ticks stay as they are."]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_interviews_are_compared_and_lines_ordered_by_difficulty(
    open_app: OpenApp, study: Store, grace: Interview, lang: str
) -> None:
    study.interviews.finish(grace, led.FINISHED)
    bob = study.profiles.create("Bob").id
    other = study.interviews.begin(bob, "Alan", 20, (Q6.key,))
    study.interviews.add(other, led.SHOWN, Q6.key)
    study.interviews.finish(other, led.FINISHED)
    app = open_app("interview", lang=lang, folded=True)
    app.toggle(key="compare.shown").set_value(True).run()
    assert not app.exception and not app.error
    candidates = app.table[0].value
    app.session_state["compare.q06"] = True
    app.run()
    assert candidates.iloc[:, 0].tolist() == ["Grace"], "another's candidates are not shown"
    assert "Alan" not in sent(app)
    lines = app.table[-1].value
    said = Renderer(Q6, lang).text(next(line for line in to_tick(Q6) if line.id == FIRST).text)
    assert lines.iloc[-1, 0] == said and lines.iloc[-1, 1] in ("1 of 2", "2 次中 1 次")
    assert lines.iloc[0, 1] in ("0 of 2", "2 次中 0 次")
