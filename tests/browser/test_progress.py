"""What was done is seen again, in a real Chromium: home, menu, progress, and a document to take away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from questions import load_question
from study.store import open_store
from tests.browser.conftest import free_port, look_through, running_app, settle, wait_until, watch
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
HOSTILE = "<script>document.title='caught'</script><img src='https://a.example/x.png'>\n| 2·L·H·d·S·b |"
SAID = {
    "en": ("1 of 14 scored, median 60", "Go on with Q13: predictions"),
    "zh": ("已评分 1 道", "继续 Q13：预测"),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("progress")
    fill(folder)
    with running_app(folder, free_port()) as address:
        yield address


def fill(folder: Path) -> None:
    """One question scored, one begun."""
    kept = open_store(f"sqlite:///{folder}/study.sqlite3")
    me = kept.profiles.named_or_new("Me").id
    attempt = kept.attempts.open(me, "q06")
    for prediction in load_question("q06_gqa").predictions:
        number = prediction.kind == "number"
        attempt = kept.attempts.predict(attempt, prediction.id, 4.0 if number else None)
        attempt = kept.attempts.measure(attempt, prediction.id, 1.25 if number else None)
    attempt = kept.attempts.update(attempt, text=HOSTILE, help_used=["reference"], seconds=431)
    kept.attempts.finish(attempt, 60)
    kept.drafts.save(me, "q13", "answer", "Divide by T", 1)
    kept.attempts.update(kept.attempts.open(me, "q13"), seconds=70)
    kept.close()


def visit(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
    settle(page)


@pytest.mark.parametrize(
    ("lang", "theme", "width"),
    [("en", "light", 1280), pytest.param("zh", "dark", 390, marks=pytest.mark.slow)],
)
def test_progress_is_seen_and_a_finished_attempt_taken_away(
    app: str, chromium: Browser, tmp_path: Path, lang: str, theme: str, width: int
) -> None:
    wrong: list[str] = []
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    watch(page, app, wrong)
    head, go_on = SAID[lang]
    visit(page, f"{app}/?lang={lang}")
    expect(page.get_by_text(head)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name=go_on)).to_be_visible(timeout=PATIENCE)
    check_page(page)
    mark = "getComputedStyle(document.querySelector(`[href$='/q06_gqa']`), '::after').content"
    wait_until(page, f"{mark}.includes('✓ 60')", timeout=PATIENCE)
    visit(page, f"{app}/progress?lang={lang}")
    look_through(page)
    page.locator(".js-plotly-plot .scatterlayer .point").first.wait_for(timeout=PATIENCE)
    check_page(page)
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("button", name=re.compile("HTML")).click()
    document = tmp_path / "attempt.html"
    download.value.save_as(document)
    read_document(context.new_page(), document, lang)
    visit(page, f"{app}/?lang={lang}")
    page.get_by_role("button", name=go_on).click()
    page.wait_for_url("**/q13_sampling?**", timeout=PATIENCE)
    context.close()
    assert not wrong, "\n".join(wrong)


def read_document(page: Page, document: Path, lang: str) -> None:
    """It stands alone: nothing is asked for, nothing in it acts, and it can be read at any width."""
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(document.as_uri())
    expect(page.locator(".written")).to_have_text(HOSTILE)
    assert page.title() == f"Q6 · {load_question('q06_gqa').title[lang]}"
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[lang]
    assert requests == [document.as_uri()]
    check_page(page)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
