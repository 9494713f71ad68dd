"""What is due on the page of progress, at home and below a kept score; and the plan towards an interview."""

from __future__ import annotations

import datetime
import time

import pytest

from pages.ui.progress.reviews import coming_interview
from pages.ui.progress.words import Words
from study.store import Store
from tests.pages.conftest import OpenApp
from tests.pages.progress.conftest import Answered

DAY = 86_400.0


def texts(app) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


@pytest.fixture
def long_ago(study: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is scored in this test was scored forty days ago."""
    now = time.time()
    monkeypatch.setattr("study.store.attempts.now", lambda: now - 40 * DAY)


@pytest.mark.parametrize(("lang", "due"), [("en", "Due now: Q6."), ("zh", "现在该复习：Q6。")])
def test_what_is_due_stands_on_progress_and_at_home(
    open_app: OpenApp, answered: Answered, long_ago: None, lang: str, due: str
) -> None:
    answered("q06_gqa", points=60)
    app = open_app("progress", lang=lang)
    assert not app.exception and due in texts(app)
    row = app.table[0].value.iloc[0].tolist()
    assert row[0].startswith("Q6") and row[1] == "60" and row[3] in ("now", "现在")
    assert 0 < float(row[2].rstrip("%")) < 90
    home = open_app("", lang=lang)
    assert "Q6" in home.button(key="home.next").label
    assert any("due" in link.proto.label or "该复习" in link.proto.label for link in home.get("page_link"))


def test_a_fresh_score_says_when_it_is_due_and_nothing_is_due_yet(
    open_app: OpenApp, answered: Answered
) -> None:
    answered("q06_gqa", points=80)
    assert "Nothing is due now." in texts(open_app("progress"))
    page = open_app("q06_gqa")
    days = [line for line in texts(page).split() if line.startswith("202") and line.endswith(".]")]
    day = datetime.date.fromisoformat(days[0][:10])
    assert datetime.timedelta(days=1) <= day - datetime.date.today() <= datetime.timedelta(days=4)


def test_a_day_for_the_interview_is_kept_and_planned_for(open_app: OpenApp, answered: Answered) -> None:
    answered("q06_gqa", points=60)
    on = datetime.date.today() + datetime.timedelta(days=12)
    app = open_app("progress").date_input(key="progress.interview").set_value(on).run()
    assert not app.exception and "12 days to go." in texts(app)
    reviews, plan = app.table[0].value, app.table[1].value
    now, on_the_day = reviews["Would recall now → on the day"].iloc[0].split(" → ")
    assert 0 < float(on_the_day.rstrip("%")) < float(now.rstrip("%")) <= 100
    once_more = ", ".join(plan["Once more"]).replace("–, ", "")
    assert all(f"Q{number}" in once_more.split(", ") for number in range(1, 15))
    assert coming_interview(Words("en")) == on
    again = open_app("progress")
    assert again.date_input(key="progress.interview").value == on
    again.date_input(key="progress.interview").set_value(None).run()
    assert coming_interview(Words("en")) is None


@pytest.mark.parametrize("kept", ["soon", "2000-01-01", "9999-12-31"])
def test_a_day_that_is_none_or_past_is_as_good_as_not_set(open_app: OpenApp, study: Store, kept: str) -> None:
    study.drafts.save(study.profiles.named_or_new("Me").id, "plan", "interview", kept, 1)
    app = open_app("progress")
    assert not app.exception and app.date_input(key="progress.interview").value is None
