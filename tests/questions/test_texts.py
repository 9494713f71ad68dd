"""The house rules for texts: no figure but from a claim, the same facts in both languages."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pages.ui.words.question_text import LinkedRenderer
from questions import Question, Renderer, load_questions
from tests.questions.listings import listings

WRITTEN = [question for question in load_questions() if question.written]
_spec = importlib.util.spec_from_file_location("prose_digits", Path(__file__).with_name("prose_digits.py"))
assert _spec is not None and _spec.loader is not None
prose_digits = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(prose_digits)

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def pairs(question: Question) -> Iterator[tuple[str, str, str]]:
    """Every text of a question with its place, English and Chinese."""
    for name, text in (("title", question.title), ("short", question.short)):
        yield name, text["en"], text["zh"]
    for key, localized, _ in question.texts():
        yield key, localized["en"], localized["zh"]
    for (title, english), (_, chinese) in zip(
        question.prose["en"].texts(), question.prose["zh"].texts(), strict=True
    ):
        yield title, english, chinese


@pytest.mark.parametrize(
    ("text", "stray"),
    [
        ("`T = 2` gives {Q13-C2} and {given.logits.1}", []),
        ("pass@100, FP16, LLaMA-2, Q6, GQA-2, T5-XXL, top-k, the 26M, 7B, int8, UTF-8 and H200", []),
        ("Fan et al. 2018, arXiv 2506.13681, Table 18, [a link](https://x.org/1234)", []),
        ("1. a list\n2. with numbers\n\n$x_1 = 2$\n\n```python\nx = 3\n```", []),
        ("用 FP16 时，LLaMA-2 的第1层（2024）", []),
        ("it takes 3 tokens, 33.6 MB or 87.5 %", ["3", "33.6", "87.5"]),
        ("2,048 tokens, 2048 tokens, 16.8M", ["2,048", "2048"]),
        ("快了4倍，占26.7MB", ["4", "26.7"]),
    ],
)
def test_the_search_for_digits(text: str, stray: list[str]) -> None:
    assert [number.rstrip(".,") for number in prose_digits.stray_digits(text)] == stray


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_no_digit_stands_in_prose(question: Question) -> None:
    """A title has no placeholders, so it may show the problem's own data as they are."""
    data = {str(value) for value in question.given.values() if isinstance(value, int)}
    found = {
        f"{key} ({language})": stray
        for key, *texts in pairs(question)
        for language, text in zip(("en", "zh"), texts, strict=True)
        if (
            stray := [
                number
                for number in prose_digits.stray_digits(text)
                if key != "title" or number.replace(",", "") not in data
            ]
        )
    }
    assert not found


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_code_and_formulas_hold_the_same_numbers_in_both_languages(question: Question) -> None:
    different = {
        key: numbers
        for key, english, chinese in pairs(question)
        if (numbers := (prose_digits.code_numbers(english), prose_digits.code_numbers(chinese)))
        and numbers[0] != numbers[1]
    }
    assert not different


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_each_language_is_itself(question: Question) -> None:
    """No Chinese left in English, no English sentence left in Chinese, Chinese punctuation in Chinese."""
    for key, english, chinese in pairs(question):
        assert not CHINESE.search(re.sub(r"```.*?```|\(.*?\)", "", english, flags=re.DOTALL)), key
        assert re.search(r"[\u3000-\u9fff\uff00-\uffef]", chinese), key
        ascii_marks = re.findall(r"[\u4e00-\u9fff][,;:?!](?:\s|$|[\u4e00-\u9fff])", chinese)
        assert not ascii_marks, (key, ascii_marks)
        close = re.findall(r".?[\u4e00-\u9fff][A-Za-z]+|[A-Za-z]+[\u4e00-\u9fff].?", without_code(chinese))
        assert not close, (key, close)


SPELT_OUT = {
    "en": re.compile(
        r"\b(?:batch|temperature|stride|position|step) (?:zero|one|two|four|eight|sixteen)\b"
        r"|\bheads? of (?:two|four|eight|sixteen) dimensions",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"(?:batch|温度|步长) ?(?:为|又是|取) ?[零一二两四八]|[零二四八]号?位置|第零"),
}
"""A setting, shape or index in words; it is written as the field writes it, `batch=1`."""
SPEECH = re.compile(r'"[^"]*"|“[^”]*”|one empty one|step two')
"""What somebody says, and what only looks like a setting."""


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_setting_is_written_and_not_spelt_out(question: Question) -> None:
    found = {
        key: words[0]
        for key, *texts in pairs(question)
        for language, text in zip(("en", "zh"), texts, strict=True)
        if (words := SPELT_OUT[language].search(SPEECH.sub("", text)))
    }
    assert not found


WORDY = re.compile(
    r"(?:\b[a-z][a-z'-]+[ ,;]+){2,}[a-z]+|"
    r"(?<![\w.(])(?:as|with|without|of|over|or|and|among|times|against|each|bytes|for|at|to|smallest)(?![\w(=_])"
)
"""Words of a sentence, which names and symbols are not."""


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_formula_with_words_has_them_in_chinese(question: Question) -> None:
    """Symbols and numbers are the same in both; what is said beside them is not English in Chinese."""
    for claim in question.claims:
        if not claim.formula:
            continue
        english, chinese = claim.formula["en"], claim.formula["zh"]
        assert not WORDY.search(chinese), claim.id
        numbers = [sorted(re.findall(r"\d+(?:[.,]\d+)*", each)) for each in (english, chinese)]
        assert numbers[0] == numbers[1], claim.id


SPOKEN_LENGTH = {"en": (150, 220), "zh": (350, 500)}
"""Of 90 seconds: words in English; in Chinese characters, a Latin word or a number counting as one."""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_the_spoken_answer_takes_90_seconds(question: Question, language: str) -> None:
    spoken = Renderer(question, language).fill(question.prose[language].spoken)
    assert not re.search(r"^(?:[-*#|>]|\d+\.) ", spoken, flags=re.MULTILINE), "it is spoken: no list"
    words = (
        spoken.split() if language == "en" else re.findall(r"[\u4e00-\u9fff]|[A-Za-z0-9][\w.,%/-]*", spoken)
    )
    shortest, longest = SPOKEN_LENGTH[language]
    assert shortest <= len(words) <= longest


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_emphasis_is_closed(question: Question, language: str) -> None:
    """CommonMark leaves a star as it is where a punctuation mark stands inside and a letter outside."""
    for key, *both in pairs(question):
        tokens = MarkdownIt().parse(both[("en", "zh").index(language)])
        texts = [child.content for token in tokens for child in token.children or [] if child.type == "text"]
        assert not any("**" in text for text in texts), (key, texts)


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_every_listing_is_run_and_is_the_same_code_in_both_languages(question: Question) -> None:
    """Comments and docstrings differ; a question with listings is named in a test that runs them."""
    english, chinese = (
        [ast.dump(_without_docstrings(ast.parse(code))) for code in listings(question.slug, language)]
        for language in ("en", "zh")
    )
    assert english == chinese
    runners = Path(__file__).parent.glob("test_listings_*.py")
    assert not english or any(question.slug in path.read_text(encoding="utf-8") for path in runners)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return tree


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_everything_renders_to_the_last_placeholder(question: Question) -> None:
    for language in ("en", "zh"):
        renderer = Renderer(question, language)
        for text in rendered(question, renderer):
            assert not re.search(r"[{}]", without_code(text)), text


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_list_is_a_sentence_or_code(question: Question) -> None:
    """Brackets of a program stand in backticks only, and there numbers have no thousands apart."""
    for language in ("en", "zh"):
        for renderer in (Renderer(question, language), LinkedRenderer(question, language)):
            for text in rendered(question, renderer):
                prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", without_code(text))
                assert not re.search(r"\[\s*[-\d\[]", prose), text
                code = "\n".join(re.findall(r"`[^`\n]*`", text))
                assert not re.search(r"\d,\d{3}|\]\(#|\d and \d|、", code), code


def rendered(question: Question, renderer: Renderer) -> list[str]:
    """Every text of a question in the renderer's language, its placeholders filled."""
    texts = [renderer.text(text, claim) for _, text, claim in question.texts()]
    return texts + [renderer.fill(text) for _, text in question.prose[renderer.language].texts()]


def without_code(text: str) -> str:
    """The words of a Markdown text, without code and formulas."""
    return re.sub(r"```.*?```|\$\$.*?\$\$|`[^`]*`|\$[^$]*\$", "", text, flags=re.DOTALL)
