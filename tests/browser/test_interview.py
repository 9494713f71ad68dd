"""An interview in two windows of a real Chromium: what the candidate's window receives, frame by frame.

Every frame of its websocket and its whole document are searched for what the interviewer sees and writes. The
server is killed in the middle; both windows go on where they were.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from questions import Renderer, load_question
from study import interview as led
from study.store import Interview, Store, open_store
from tests.browser.conftest import free_port, running_app, see_plot, wait_until
from tests.browser.processes import web_process
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(600)

PATIENCE = 60_000
Q6 = load_question("q06_gqa")
NOTE = "hesitates at the byte formula"


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
    chromium: Browser, tmp_path: Path
) -> None:
    port = free_port()
    with running_app(tmp_path, port) as address:
        store = open_store(f"sqlite:///{tmp_path}/study.sqlite3")
        interview = begun(store)
        console = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
        console_frames = Frames(console)
        window = chromium.new_context(viewport={"width": 1024, "height": 768}).new_page()
        frames = Frames(window)
        window.goto(f"{address}/present?link={interview.link}&lang=en")
        window.get_by_role("button", name="I agree, let us begin").click(timeout=PATIENCE)
        window.get_by_role("heading", name=Q6.title["en"]).wait_for(timeout=PATIENCE)
        console.goto(f"{address}/interview?lang=en")
        see(console, Renderer(Q6, "en").text(Q6.cues[0].text)[:32])
        release_and_note(console, window)
        server = web_process(address)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(10)
    with running_app(tmp_path, port):
        console.reload()
        see(console, NOTE)
        see(console, "fewer KV heads")
        store.interviews.add(interview, led.RELEASED, Q6.key, {"part": led.hint(2)})
        see(window, Renderer(Q6, "en").text(Q6.hints[1])[:32])
        nothing_private(window, frames)
        check_page(window)
        assert size(window, 1920) > 1.25 * size(window, 1024), "the whole window is read from afar"
        store.interviews.add(interview, led.RELEASED, Q6.key, {"part": led.LAB})
        window.get_by_role("button", name="Skip all").click(timeout=PATIENCE)
        see_plot(window)
        assert heights(window, 1920) == [pytest.approx(540)] * 2, "so are the plots, and none is cut"
        assert all(console_frames.hold(text) for text in private()[:3]), "the search finds what is there"
        window.context.close()
        console.context.close()
    assert store.attempts.of(interview.profile) == ()
    store.close()


def size(window: Page, width: int) -> float:
    """Height of the letters in the field of the answer, in pixels, on a screen this wide."""
    window.set_viewport_size({"width": width, "height": 768})
    field = window.get_by_role("textbox", name="Your answer")
    return field.evaluate("field => parseFloat(getComputedStyle(field).fontSize)")


def heights(window: Page, width: int) -> list[float]:
    """Of the first plot and of what holds it, in pixels; the lab asks for 360 on a laptop."""
    window.set_viewport_size({"width": width, "height": 768})
    plot = window.locator(".plot").first
    holder = window.get_by_test_id("stElementContainer").filter(has=plot).last
    return [part.evaluate("part => part.getBoundingClientRect().height") for part in (plot, holder)]


def release_and_note(console: Page, window: Page) -> None:
    """A hint is released, the candidate writes, a note is pinned and a line ticked."""
    console.locator(f"[class*='interview-release-{Q6.key}-hint-1'] label").click(timeout=PATIENCE)
    see(window, Renderer(Q6, "en").text(Q6.hints[0])[:32])
    window.get_by_role("textbox", name="Your answer").fill("fewer KV heads")
    see(console, "fewer KV heads")
    console.get_by_role("textbox", name="Note").fill(NOTE)
    console.get_by_role("button", name="Pin to this moment").click()
    see(console, NOTE)
    line = Renderer(Q6, "en").text(Q6.rubric[0].text)
    console.get_by_test_id("stMain").get_by_role("checkbox", name=line[:30]).first.press("Space")
    expect(console.get_by_test_id("stMain").get_by_role("checkbox", name=line[:30]).first).to_be_checked(
        timeout=PATIENCE
    )
