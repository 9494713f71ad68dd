"""An interview in two windows of a real Chromium: what the candidate's window receives, frame by frame.

Every frame of its websocket and its whole document are searched for what the interviewer sees and writes. The
server is killed in the middle; both windows go on where they were. At the end there is a report to take away.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from pages.ui.words.i18n import catalogue
from questions import Renderer, load_question
from study import interview as led
from study.store import Interview, Store, open_store
from tests.browser.conftest import READERS, free_port, reader, running_app, see_plot, settle, wait_until
from tests.browser.processes import web_process
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(600)

PATIENCE = 60_000
Q6 = load_question("q06_gqa")
NOTE = "hesitates at the byte formula"
WRITTEN = "fewer KV heads"


def private() -> list[str]:
    """The beginnings of what only an interviewer reads of question 6, in both languages."""
    texts = [*(line.text for line in Q6.rubric), *(cue.text for cue in Q6.cues)]
    texts += [*(each.answer for each in Q6.follow_ups), *(each.question for each in Q6.follow_ups)]
    filled = [Renderer(Q6, lang).text(text) for text in texts for lang in ("en", "zh")]
    return [NOTE, "interview.tick", "interview.note", *(text[:32] for text in filled)]


class Frames:
    """All that a page's websockets received, as one run of bytes."""

    def __init__(self, page: Page) -> None:
        self.received = b""
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._take)

    def _take(self, payload: str | bytes) -> None:
        self.received += payload.encode() if isinstance(payload, str) else payload

    def hold(self, text: str) -> bool:
        return text.encode() in self.received


def begun(store: Store) -> Interview:
    """An interview at question 6, not agreed to yet."""
    owner = store.profiles.named_or_new("Me").id
    interview = store.interviews.begin(owner, "Grace", 45, (Q6.key,))
    store.interviews.add(interview, led.SHOWN, Q6.key)
    return interview


def see(page: Page, text: str) -> None:
    wait_until(page, "text => document.body.textContent.includes(text)", arg=text, timeout=PATIENCE)


def nothing_private(page: Page, frames: Frames) -> None:
    document = page.content()
    assert not [text for text in private() if frames.hold(text) or text in document]


def test_nothing_private_reaches_the_candidates_window_and_both_outlive_the_server(
    chromium: Browser, tmp_path: Path, language: str
) -> None:
    port, word = free_port(), catalogue(language).__getitem__
    with running_app(tmp_path, port) as address:
        store = open_store(f"sqlite:///{tmp_path}/study.sqlite3")
        interview = begun(store)
        console = reader(chromium, **READERS[language]).new_page()
        console_frames = Frames(console)
        window = chromium.new_context(viewport={"width": 1024, "height": 768}).new_page()
        frames = Frames(window)
        window.goto(f"{address}/present?link={interview.link}&lang={language}")
        window.get_by_role("button", name=word("present.agree")).click(timeout=PATIENCE)
        window.get_by_role("heading", name=Q6.title[language]).wait_for(timeout=PATIENCE)
        console.goto(f"{address}/interview?lang={language}")
        see(console, Renderer(Q6, language).text(Q6.cues[0].text)[:32])
        release_and_note(console, window, language)
        server = web_process(address)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(10)
    with running_app(tmp_path, port):
        console.reload()
        see(console, NOTE)
        see(console, WRITTEN)
        store.interviews.add(interview, led.RELEASED, Q6.key, {"part": led.hint(2)})
        see(window, Renderer(Q6, language).text(Q6.hints[1])[:32])
        nothing_private(window, frames)
        check_page(window)
        assert size(window, 1920) > 1.25 * size(window, 1024), "the whole window is read from afar"
        store.interviews.add(interview, led.RELEASED, Q6.key, {"part": led.LAB})
        window.get_by_role("button", name=word("predict.skip")).click(timeout=PATIENCE)
        see_plot(window)
        assert heights(window, 1920) == [pytest.approx(540)] * 2, "so are the plots, and none is cut"
        nothing_private(window, frames)
        assert all(console_frames.hold(text) for text in private()[:3]), "the search finds what is there"
        end(console, window, language)
        nothing_private(window, frames)
        window.context.close()
        take_the_report(console, tmp_path, language)
        console.context.close()
    assert store.attempts.of(interview.profile) == ()
    store.close()


def size(window: Page, width: int) -> float:
    """Height of the letters in the field of the answer, in pixels, on a screen this wide."""
    window.set_viewport_size({"width": width, "height": 768})
    return answer_of(window).evaluate("field => parseFloat(getComputedStyle(field).fontSize)")


def heights(window: Page, width: int) -> list[float]:
    """Of the first plot and of what holds it, in pixels; the lab asks for 360 on a laptop."""
    window.set_viewport_size({"width": width, "height": 768})
    plot = window.locator(".plot").first
    holder = window.get_by_test_id("stElementContainer").filter(has=plot).last
    return [part.evaluate("part => part.getBoundingClientRect().height") for part in (plot, holder)]


def release_and_note(console: Page, window: Page, language: str) -> None:
    """A hint is released, the candidate writes, a note is pinned and a line ticked."""
    word, renderer = catalogue(language).__getitem__, Renderer(Q6, language)
    console.locator(f"[class*='interview-release-{Q6.key}-hint-1'] label").click(timeout=PATIENCE)
    see(window, renderer.text(Q6.hints[0])[:32])
    answer_of(window).fill(WRITTEN)
    see(console, WRITTEN)
    console.get_by_role("textbox", name=word("interview.note"), exact=True).fill(NOTE)
    console.get_by_role("button", name=word("interview.pin")).click()
    see(console, NOTE)
    line = renderer.text(Q6.rubric[0].text)[:16].replace("`", "")
    box = console.get_by_test_id("stMain").get_by_role("checkbox", name=line).first
    box.press("Space")
    expect(box).to_be_checked(timeout=PATIENCE)


def answer_of(window: Page) -> Locator:
    return window.get_by_role("textbox", name=re.compile("Your answer|你对"))


def end(console: Page, window: Page, language: str) -> None:
    """The interviewer ends it; the candidate reads so, and the scorecard can be rewound by keyboard."""
    word = catalogue(language).__getitem__
    for key in ("interview.end", "interview.end_now"):
        settle(console)
        console.get_by_role("button", name=word(key), exact=True).click()
    see(window, word("present.over_about").format(name="Grace"))
    console.get_by_role("heading", name=word("interview.scorecard").format(name="Grace")).wait_for()
    settle(console)
    check_page(console)
    moment = console.get_by_role("slider")
    expect(moment).to_have_count(1)
    rewound = console.locator(".st-key-rewind")
    expect(rewound).to_contain_text(NOTE)
    moment.press("Home")
    expect(rewound).not_to_contain_text(NOTE)
    settle(console)


def take_the_report(console: Page, folder: Path, language: str) -> None:
    """It has the evidence, stands alone, asks for nothing, and can be read at any width."""
    with console.expect_download() as download:
        console.get_by_role("button", name=catalogue(language)["interview.as_html"]).click()
    document, requests = folder / "interview.html", list[str]()
    download.value.save_as(document)
    page = console.context.new_page()
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(document.as_uri())
    for text in (NOTE, WRITTEN, "Grace", Q6.title[language]):
        assert text in page.inner_text("body"), text
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    assert requests == [document.as_uri()]
    check_page(page)
