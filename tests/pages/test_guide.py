"""The guide: the same for everybody, but for examples whose question is still closed."""

from __future__ import annotations

import pytest

from pages.ui.site import store
from pages.ui.words.i18n import catalogue
from questions import load_questions
from questions.guide import guide
from tests.pages.conftest import OpenApp, settle_predictions


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_says_how_long_the_questions_take_and_gives_no_answer_away(open_app: OpenApp, lang: str) -> None:
    app = open_app("guide", lang=lang)
    words = "\n".join(element.value for element in app.markdown)
    minutes = [question.minutes for question in load_questions()]
    for total in (sum(shortest for shortest, _ in minutes), sum(longest for _, longest in minutes)):
        assert str(total) in words
    assert [heading.value for heading in app.header] == [part.title for part in guide().parts[lang][1:]]
    assert len([caption for caption in app.caption if "](q" in caption.value]) == len(guide().examples)
    assert ":orange[" not in words and "{" not in words


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_levels_are_called_as_on_every_other_page(lang: str) -> None:
    text = "\n".join(part.body for part in guide().parts[lang])
    for level, dots in enumerate(("●○○", "●●○", "●●●"), 1):
        assert f"| {dots}&nbsp;{catalogue(lang)[f'level.{level}']}" in text


def test_an_example_is_shown_once_its_reference_is_open(open_app: OpenApp) -> None:
    attempt = settle_predictions("q14_serving")
    store.store().attempts.update(attempt, help_used=[store.REFERENCE])
    app = open_app("guide")
    words = "\n".join(element.value for element in app.markdown)
    assert words.count(":orange[") == 1 and "Sleep a hundredth of a second" in words
    assert len([caption for caption in app.caption if "](q" in caption.value]) == len(guide().examples) - 1
