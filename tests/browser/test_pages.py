"""What a person does, in a real Chromium: read both languages, move sliders, let the model write, stop it."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser import soak
from tests.browser.conftest import OpenPage, see_plot, settle, wait_until, written
from tests.browser.processes import at_a_crawl, web_process, worker_of

pytestmark = pytest.mark.timeout(300)

Q13 = "/q13_sampling"
PATIENCE = 90_000
"""Milliseconds for what the worker does: it is polite, so beside busy tests it is slow."""
FRAMEWORK = {"list", "listitem"}
"""Rules that Streamlit's own sectioned navigation breaks."""


def sentence(page: Page) -> str:
    """What the settings leave of the model's tokens; the typed numbers below have a sentence like it."""
    said = page.get_by_text(re.compile("of 6,400 tokens|6,400 个词元中保留"))
    return said.inner_text(timeout=PATIENCE)


def open_lab(open_page: OpenPage, path: str) -> Page:
    """Question 13 with its lab open: whoever comes first skips the predictions."""
    page = open_page(path)
    skip_predictions(page)
    return page


def skip_predictions(page: Page) -> None:
    """Skip them where that was not done, and wait for the lab: a fresh server draws both a run later."""
    skip, lab = page.get_by_role("button", name=re.compile("^(Skip all|全部跳过)$")), page.locator("#lab")
    expect(skip.or_(lab).first).to_be_visible(timeout=PATIENCE)
    if skip.count():
        skip.click()
    expect(lab).to_be_visible(timeout=PATIENCE)
    settle(page)


def check_locked(page: Page, *secrets: str) -> None:
    """No plot is drawn, and nothing is written of what the predictions ask for."""
    assert page.locator(".js-plotly-plot").count() == 0
    assert not [secret for secret in secrets if secret in written(page)]


def commit_predictions(page: Page, question: str, *answers: str) -> None:
    """Type an answer into every field of a question such as "q12", in their order, and commit to them."""
    boxes = page.locator(f".st-key-{question}-predictions input[type=text]")
    expect(boxes).to_have_count(len(answers), timeout=PATIENCE)
    for box, answer in zip(boxes.all(), answers, strict=True):
        box.fill(answer)
        box.press("Tab")
    settle(page)
    page.locator(f".st-key-{question}-predictions-commit button").click()


def open_experiments(page: Page, *names: str) -> None:
    """Open the rows of these experiments, such as "cache"; the primary one of a lab is no row."""
    for name in names:
        fold = page.locator(f".st-key-lab-{name} details").first
        fold.wait_for(timeout=PATIENCE)
        if not fold.evaluate("fold => fold.open"):
            fold.locator("summary").first.click()
            settle(page)


BROKEN_HEADS = """() => [...document.querySelectorAll('[data-testid=stMain] th')]
    .filter(head => !document.querySelector('[class*=st-key-lab-]'))
    .filter(head => /^[\u4e00-\u9fff]+$/.test(head.innerText.trim()))
    .filter(head => {
        const text = document.createRange()
        text.selectNodeContents(head.querySelector('p') ?? head)
        return text.getClientRects().length > 1
    }).map(head => head.innerText)"""
"""Heads of a Chinese word that stands in several lines; tables of a lab may be too wide for that."""


CUT_TABLES = """() => [...document.querySelectorAll('[data-testid=stMarkdownContainer] table')]
    .filter(table => table.checkVisibility() && !table.closest('.wall'))
    .filter(table => table.getBoundingClientRect().right
        > table.closest('[data-testid=stMarkdownContainer]').getBoundingClientRect().right + 1)
    .map(table => table.innerText.slice(0, 80))"""
"""Tables that end beyond their column, where nobody can scroll to."""


BROKEN_VALUES = """() => [...document.querySelectorAll('[data-testid=stSliderThumbValue] p')]
    .filter(value => value.offsetHeight > 1.9 * parseFloat(getComputedStyle(value).fontSize))
    .map(value => value.innerText)"""
"""Values of sliders that stand in several lines."""


CUT_NAMES = """() => [...document.querySelectorAll('body *')]
    .filter(name => getComputedStyle(name).textOverflow === 'ellipsis' && name.scrollWidth > name.clientWidth)
    .filter(name => name.checkVisibility() && name.getBoundingClientRect().right > 0 && name.innerText.trim())
    .map(name => name.innerText.slice(0, 80))"""
"""Names on screen that end in an ellipsis, because their line was too short for them."""


CUT_ROWS = """() => {
  const right = one => one.getBoundingClientRect().right
  const cut = row => [...row.querySelectorAll('button, [role=radio]')]
    .some(one => one.scrollWidth > one.clientWidth + 1 || right(one) > right(row.parentElement) + 1)
  return [...document.querySelectorAll('[data-testid=stButtonGroup]')]
    .filter(row => row.checkVisibility() && cut(row)).map(row => row.innerText)
}"""
"""Rows of buttons that run out of their column, or whose words run out of a button."""


MARKED_NAMES = r"""() => [...document.querySelectorAll('body *')]
    .flatMap(one => ['aria-label', 'title', 'placeholder', 'alt'].map(name => one.getAttribute(name)))
    .filter(name => /`|\*\*|\*\w[^*]*\*|\$[^\s$][^$]*\$|:\w+\[|\\[^\w\s]/.test(name ?? ''))"""
"""Names that a screen reader says with signs of Markdown in them."""


HYPHENS = """() => [...document.querySelectorAll('[data-testid=stSlider] *')]
    .flatMap(one => [one.getAttribute('aria-valuetext'), ...[...one.childNodes].map(node => node.data)])
    .filter(text => /(^|\\s)-\\d/.test(text ?? ''))"""
"""Numbers below zero beside a slider that begin with a hyphen."""


def check_page(page: Page) -> None:
    """No sideways scrolling; no name, table, row of buttons or slider cut; names and numbers as in a text;
    nothing that axe calls serious.
    """
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not (cut := page.evaluate(CUT_TABLES)), cut
    assert not page.evaluate(BROKEN_HEADS), "a word of a table's head is broken"
    assert not (broken := page.evaluate(BROKEN_VALUES)), broken
    assert not (cut := page.evaluate(CUT_NAMES)), cut
    assert not (cut := page.evaluate(CUT_ROWS)), cut
    wait_until(page, f"({MARKED_NAMES})().length === 0")  # what says them without is a script of its own
    assert not (hyphens := page.evaluate(HYPHENS)), hyphens
    found = [
        f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for rule in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        if rule["impact"] in ("serious", "critical") and rule["id"] not in FRAMEWORK
        for node in rule["nodes"]
    ]
    assert not found, "\n".join(found)


def test_a_deep_link_opens_its_page_on_a_fresh_server(open_page: OpenPage) -> None:
    page = open_lab(open_page, f"{Q13}?q13_temperature=9&q13_top_p=0.5")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Temperature and top-p")
    assert page.get_by_text("Page not found").count() == 0
    expect(page.get_by_text("The address asks for 9")).to_be_visible(timeout=PATIENCE)


FETCHED_LATE = """async () => {
    const named = await (await fetch(location.origin, { headers: { accept: "text/html" } })).text()
    const scripts = performance.getEntriesByType("resource").map(one => one.name.split("/static/js/")[1])
    return scripts.filter(name => name && !named.includes(name))
}"""
"""Scripts of Streamlit's that the document did not name at its beginning."""


def test_the_first_page_fetches_no_script_after_it_was_told_what_to_draw(open_page: OpenPage) -> None:
    page = open_page("/?lang=en")
    assert page.evaluate(FETCHED_LATE) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "theme", "width", "lang", "title"),
    [
        ("en-US", "light", 1280, "en", "Temperature and top-p"),
        ("zh-CN", "dark", 390, "zh-Hans", "温度与 Top-p"),
    ],
)
def test_from_home_to_two_questions(
    open_page: OpenPage, locale: str, theme: str, width: int, lang: str, title: str
) -> None:
    page = open_page(locale=locale, theme=theme, width=width)
    assert page.evaluate("document.documentElement.lang") == lang
    see_plot(page)
    page.locator(".js-plotly-plot .bars").first.wait_for(timeout=PATIENCE)
    check_page(page)
    page.get_by_test_id("stMain").get_by_role("link", name=re.compile("^Q1 ")).click()
    wait_until(page, "location.pathname === '/q01_loss_mask'", timeout=PATIENCE)
    page.get_by_role("textbox", name=re.compile("Your answer|你对")).wait_for(timeout=PATIENCE)
    settle(page)
    check_page(page)
    page.goto(page.url.partition("/q01_loss_mask")[0] + f"{Q13}?lang={lang[:2]}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(title, timeout=PATIENCE)
    settle(page)
    skip_predictions(page)
    assert sentence(page)
    see_plot(page)
    page.locator(".js-plotly-plot .bars").first.wait_for(timeout=PATIENCE)
    settle(page)
    check_page(page)
    assert f"lang={lang[:2]}" in page.url


def test_a_slider_redraws_the_bars_and_goes_into_the_address(open_page: OpenPage) -> None:
    page = open_lab(open_page, Q13)
    before = sentence(page)
    page.locator(".st-key-q13_top_p").get_by_role("slider").press("ArrowLeft")  # others have the same name
    expect(page.get_by_text(before)).to_have_count(0)
    assert "q13_top_p=0.89" in page.url


WATCH_LENGTHS = """() => {
  window.lengths = new Set()
  new MutationObserver(() => lengths.add(document.querySelector(".sample")?.textContent.length ?? 0))
    .observe(document.body, { childList: true, subtree: true, characterData: true })
}"""


@pytest.mark.slow
def test_a_text_streams_and_stops(open_page: OpenPage, server: str) -> None:
    page = open_lab(open_page, f"{Q13}?q13_max_new_tokens=400")
    sentence(page)
    page.evaluate(WATCH_LENGTHS)
    write = page.get_by_role("button", name="Write", exact=True)
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True)
    soak.write_once(server)
    with at_a_crawl(worker_of(web_process(server))):
        write.click()
        wait_until(page, "lengths.size > 3", timeout=PATIENCE)  # the text comes piece by piece
    expect(stop).to_have_count(0, timeout=PATIENCE)
    settle(page)
    whole = page.locator(".sample").first.inner_text()
    with at_a_crawl(worker_of(web_process(server))):
        write.click()
        stop.click(timeout=PATIENCE)
        expect(stop).to_have_count(0, timeout=30_000)
    settle(page)
    part = page.locator(".sample").first.inner_text()
    assert len(part) < len(whole) and whole.startswith(part)


@pytest.mark.slow
def test_what_is_measured_again_is_dimmed_meanwhile(open_page: OpenPage, server: str) -> None:
    page = open_lab(open_page, Q13)
    open_experiments(page, "bugs")
    output, run = (page.locator(f".st-key-q13_bugs-bench-{part}") for part in ("output", "run"))
    expect(output).to_have_css("opacity", "1")
    soak.write_once(server)
    with at_a_crawl(worker_of(web_process(server))):
        run.get_by_role("button").click()
        expect(page.get_by_test_id("stProgress")).to_be_visible(timeout=PATIENCE)
        expect(output).to_have_css("opacity", "0.6")
    expect(run).to_be_visible(timeout=PATIENCE)
    expect(output).to_have_css("opacity", "1")


def test_the_language_is_switched_and_remembered(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("radio", name="zh").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("面试实验室")
    settle(page)
    assert "lang=zh" in page.url
    page.goto(page.url.partition("?")[0])
    expect(page.get_by_role("heading", level=1)).to_contain_text("面试实验室", timeout=PATIENCE)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("面试实验室", timeout=PATIENCE)
    settle(page)
