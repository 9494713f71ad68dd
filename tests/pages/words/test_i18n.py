"""Both catalogues say the same things, and nothing in them is unused."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.ui.experiments import registry
from pages.ui.words.i18n import LANGUAGES, catalogue, preferred_language

UNITS = {"millions", "wan"}
"""Chinese counts in ten thousands, English in millions; each takes its own."""
PAGES = Path(__file__).resolve().parents[3] / "pages"


def own_keys(language: str) -> set[str]:
    """The keys of the pages' catalogue, without those of the labs."""
    return set(catalogue(language)) - set(registry().strings(language))


def asked_for() -> Iterator[str]:
    """Each key that a page asks `t` for, as a pattern; `t(f"part.{n}")` asks for `part\\..+`."""
    for path in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("t", "plain", "words", "self")
            ):
                yield from patterns(node.args[0])


def patterns(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(str(text)):
            yield re.escape(text)
        case ast.JoinedStr(values):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[^.\n]+"
                for part in values
            )
        case ast.IfExp(body=first, orelse=second):
            yield from patterns(first)
            yield from patterns(second)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert set(catalogue("en")) == set(catalogue("zh"))


@pytest.mark.parametrize("key", sorted(own_keys("en")))
def test_both_languages_fill_in_the_same_values(key: str) -> None:
    english, chinese = placeholders(catalogue("en")[key]), placeholders(catalogue("zh")[key])
    assert english - UNITS == chinese - UNITS, (english, chinese)


def test_every_key_is_used_and_every_used_key_exists() -> None:
    wanted, known = set(asked_for()), "\n".join(catalogue("en"))
    any_wanted = re.compile("|".join(wanted))
    assert not [key for key in own_keys("en") if not any_wanted.fullmatch(key)]
    assert not [pattern for pattern in wanted if not re.search(f"^{pattern}$", known, re.MULTILINE)]


def test_chinese_is_chinese() -> None:
    latin = [key for key in own_keys("zh") if not re.search(r"[\u4e00-\u9fff]", catalogue("zh")[key])]
    signs_alone = {"bench.row.number", "controls.with_unit", "home.and", "on_machine.line", "rail.predicted"}
    signs_alone |= {
        "bench.on",
        "bench.and",
        "rail.is.said",
        "claims.comma",
        "history.of",
        "mock.sentence_gap",
        "review.percent",
    }
    names_alone = {"question.page", "site.page", "unit.GB"}
    assert set(latin) <= signs_alone | names_alone


def test_chinese_and_latin_words_stand_apart() -> None:
    shown = {key: re.sub(r"`[^`]*`|\$[^$]*\$|\{[^}]*\}", "", text) for key, text in catalogue("zh").items()}
    close = re.compile(r"[\u4e00-\u9fff][A-Za-z]|[A-Za-z][\u4e00-\u9fff]")
    assert not {key: text for key, text in shown.items() if close.search(text)}


def test_chinese_ends_what_begins_a_text_in_bold_and_counts_points() -> None:
    texts = {key: catalogue("zh")[key] for key in own_keys("zh")}
    assert not [key for key, text in texts.items() if re.match(r"\*\*[^*]*[^*：。？！]\*\* ", text)]
    assert not [key for key, text in texts.items() if re.search(r"\{points\}(?! 分)", text)]


@pytest.mark.parametrize(
    ("cookie", "locale", "language"),
    [
        (None, None, "en"),
        (None, "fr-FR", "en"),
        (None, "zh-CN", "zh"),
        (None, "zh-TW", "zh"),
        ("en", "zh-CN", "en"),
        ("zh", "en-US", "zh"),
        ("xx", "zh", "zh"),
    ],
)
def test_first_language(cookie: str | None, locale: str | None, language: str) -> None:
    assert preferred_language(cookie, locale) == language
    assert language in LANGUAGES
