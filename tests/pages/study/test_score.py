"""The score says where it comes from, what it lacks, what is out of reach; another attempt is another."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.site import question_list
from questions import Question, load_question
from study.store import Attempt, Store
from tests.pages.conftest import OpenApp, settle_predictions

Q13 = "q13_sampling"
QUESTION = load_question(Q13)


def current(study: Store) -> Attempt:
    return study.attempts.of(study.profiles.named()[0].id, "q13")[0]


def line(name: str, question: Question = QUESTION) -> str:
    return next(each.text["en"] for each in question.rubric if each.id == name)


def score_of(app: AppTest) -> str:
    """All that the page says, from its points on."""
    said = [element.value for element in app.markdown]
    start = next(index for index, text in enumerate(said) if text.startswith("## "))
    return "\n".join(said[start:])


def begin(study: Store, survivors: float | None, top: float | None) -> Attempt:
    """An attempt whose first two predictions, lines of tier 80, were made and measured."""
    attempt = study.attempts.open(study.profiles.named_or_new("Me").id, "q13")
    for name, answer, measured in (
        ("survivors", survivors, 4.0),
        ("top-probability", top, 0.661187),
        ("hot-entropy", None, 6.8),
    ):
        study.attempts.predict(attempt, name, answer)
        attempt = study.attempts.measure(attempt, name, measured)
    return study.attempts.update(attempt, help_used=["reference"])


def tick(app: AppTest, study: Store, *names: str) -> None:
    for name in names:
        app.checkbox(key=f"q13.tick.{name}.{current(study).id[:8]}").check().run()


def of_tier(tier: int | str) -> list[str]:
    return [each.id for each in QUESTION.rubric if each.tier == tier]


def test_a_decided_line_says_why_and_what_would_have_won_it(open_app: OpenApp, study: Store) -> None:
    begin(study, 3, 0.65)
    said = "\n".join(element.value for element in open_app(Q13).markdown)
    lost = "you said 3\N{NO-BREAK SPACE}tokens, and it is 4\N{NO-BREAK SPACE}tokens. Only exactly this wins"
    assert f"**✗** {line('nucleus-size')}" in said and lost in said
    won = "Won by your prediction: you said 0.65, and it is 0.6612."
    assert f"**✓** {line('softmax-by-hand')}" in said and won in said


def test_what_is_missing_is_named_and_what_is_out_of_reach_is_said(open_app: OpenApp, study: Store) -> None:
    begin(study, 3, 0.65)
    app = open_app(Q13)
    said = score_of(app)
    assert "Nothing is ticked by hand: the 40 come from lines that your predictions decided." in said
    assert "Still missing for 60" in said and all(f"- {line(name)}" in said for name in of_tier(60))
    gone = "80 is out of reach in this attempt, because a prediction decided otherwise:"
    assert f"{gone}\n- {line('nucleus-size')}" in said
    tick(app, study, *of_tier(60))
    said = score_of(app)
    assert said.startswith("## 60 of 100") and "Nothing is ticked" not in said
    assert f"\n- {line('softmax-by-hand')}" not in said, "it is won"


def test_nothing_is_out_of_reach_after_right_predictions(open_app: OpenApp, study: Store) -> None:
    begin(study, 4, 0.661)
    assert "out of reach" not in score_of(open_app(Q13))


def test_bonus_lines_are_counted(open_app: OpenApp, study: Store) -> None:
    begin(study, 4, 0.661)
    app = open_app(Q13)
    tick(app, study, *of_tier("bonus")[:2])
    assert "bonus ×2]" in score_of(app)


def test_a_kept_score_says_what_it_lacked(open_app: OpenApp, study: Store) -> None:
    study.attempts.finish(begin(study, 4, 0.661), 40)
    app = open_app(Q13)
    assert "What was missing for 60:" in score_of(app) and not app.checkbox


def test_after_a_kept_score_the_next_question_is_what_is_next(open_app: OpenApp, study: Store) -> None:
    study.attempts.finish(begin(study, 4, 0.661), 40)
    app = open_app(Q13)
    [accented] = [button for button in app.button if button.proto.type == "primary"]
    assert accented.key == "q13.next" and accented.label == "Next: Q14 An inference service"
    assert question_list.following(load_question("q14_serving")) is None


def test_an_empty_attempt_cannot_be_kept(open_app: OpenApp, study: Store) -> None:
    settle_predictions(Q13)
    app = open_app(Q13)
    app.button(key="q13.reference").click().run()
    assert app.button(key="q13.keep").disabled and "There is nothing to score yet" in score_of(app)
    tick(app, study, of_tier(60)[0])
    assert not app.button(key="q13.keep").disabled and "nothing to score" not in score_of(app)


@pytest.mark.parametrize(
    ("lang", "notice"), [("en", "Attempt 2; attempt 1: 40"), ("zh", "第 2 次作答；第 1 次：40 分")]
)
def test_answering_again_begins_the_whole_page_anew(
    open_app: OpenApp, study: Store, lang: str, notice: str
) -> None:
    first = begin(study, 4, 0.661)
    study.drafts.save(first.profile, "q13", "answer", "the old words", 3)
    app = open_app(Q13, lang=lang)
    app.button(key="q13.keep").click().run()
    app.button(key="q13.again").click().run()
    said = [element.value for element in app.markdown]
    assert notice in said and not app.checkbox and not [text for text in said if text.startswith("## ")]
    draft = study.drafts.get(first.profile, "q13", "answer")
    assert draft is not None and draft.text == "" and current(study).id != first.id
    assert app.text_input(key="q13.predict.survivors").value == ""


@pytest.mark.parametrize("action", ["tick", "keep"])
def test_a_stale_tab_says_so_and_changes_nothing(open_app: OpenApp, study: Store, action: str) -> None:
    first = begin(study, 4, 0.661)
    stale = open_app(Q13)
    study.attempts.finish(first, 40)
    before = study.attempts.of(first.profile)
    if action == "tick":
        tick(stale, study, of_tier(60)[0])
    else:
        stale.button(key="q13.keep").click().run()
    assert "This attempt was finished in another tab; nothing was changed." in stale.error[0].value
    assert study.attempts.of(first.profile) == before
