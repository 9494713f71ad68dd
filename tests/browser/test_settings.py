"""The settings in a real Chromium: data out and in again, profiles apart, another checkpoint, a cookie.

Each test has a server of its own, as all of them change what belongs to the whole server.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from minimind_core.tokenizer import load_tokenizer
from pages.ui.site.visitor import COOKIE
from tests.browser.conftest import ROOT, free_port, in_menu, running_app, settle, wait_until
from tests.browser.test_pages import check_page
from tests.browser.test_study_page import PATIENCE, answer
from tests.minimind_core.checkpoint_samples import save_upstream_minimind2

pytestmark = pytest.mark.timeout(300)

SAVED = re.compile("Saved on this machine|已保存在本机")
DRAFTS = "Object.keys(localStorage).filter(key => key.startsWith('minimind.draft.')).length"
EVERYWHERE = ("--server.address", "0.0.0.0")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with running_app(tmp_path, free_port()) as address:
        yield address


def visit(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
    settle(page)
    return page


def go(page: Page, link: str) -> None:
    """By the sidebar: a page that is loaded anew costs seconds."""
    settle(page)
    found = in_menu(page, link)
    found.click()
    found.and_(page.locator("[aria-current=page]")).wait_for(timeout=PATIENCE)
    settle(page)


def check_at(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)
    check_page(page)
    page.set_viewport_size({"width": 1280, "height": 900})


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def write(page: Page, text: str) -> None:
    answer(page).click()
    page.keyboard.type(text)
    expect(page.get_by_text(SAVED)).to_be_visible(timeout=PATIENCE)


@pytest.mark.slow  # quick in `tests/pages/test_settings.py`, without a browser
@pytest.mark.parametrize(
    ("lang", "theme", "width", "words"),
    [
        (
            "en",
            "light",
            1280,
            (
                "Q2 The empty text",
                "Settings",
                "Export my data",
                "Delete my data …",
                "Delete for good",
                "Your data are deleted.",
                "Add to my data",
                "Added from the file: answers 1, attempts 1.",
            ),
        ),
        (
            "zh",
            "dark",
            390,
            (
                "Q2 空文本的后果",
                "设置",
                "导出我的数据",
                "删除我的数据……",
                "彻底删除",
                "你的数据已删除。",
                "加入我的数据",
                "已从文件加入：答案 1 份，作答记录 1 次。",
            ),
        ),
    ],
)
def test_data_go_out_are_deleted_and_come_back(
    address: str, chromium: Browser, tmp_path: Path, lang: str, theme: str, width: int, words: tuple[str, ...]
) -> None:
    question, settings, export, delete, really, deleted, take, taken = words
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    page = visit(context, f"{address}/q02_empty_text?lang={lang}")
    text = f"An empty text has one target. 空文本 {lang}"
    write(page, text)
    go(page, settings)
    check_at(page, width)
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("button", name=export, exact=True).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    press(page, delete)
    check_at(page, width)
    press(page, really)
    expect(page.get_by_text(deleted)).to_be_visible(timeout=PATIENCE)
    wait_until(page, f"{DRAFTS} === 0")
    go(page, question)
    expect(answer(page)).to_have_value("")
    go(page, settings)
    page.locator("input[type=file]").set_input_files(file)
    press(page, take)
    expect(page.get_by_text(taken)).to_be_visible(timeout=PATIENCE)
    go(page, question)
    expect(answer(page)).to_have_value(text, timeout=PATIENCE)
    context.close()


def switch_profile(page: Page, name: str, other: str) -> None:
    """By the name in the frame, which leads to the settings."""
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_url("**/settings?**", timeout=PATIENCE)
    settle(page)
    profile = page.get_by_role("combobox", name="Profile")
    profile.scroll_into_view_if_needed()
    settle(page)  # a plot that comes into sight moves what is below it, and a list that is open closes
    profile.click()
    page.get_by_role("option", name=other).click()
    expect(page.get_by_role("button", name=other, exact=True)).to_be_visible(timeout=PATIENCE)


@pytest.mark.slow
def test_profiles_keep_drafts_apart(address: str, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = visit(context, f"{address}/settings?lang=en")
    page.get_by_text("Manage profiles").click()
    page.get_by_role("textbox", name="A new profile's name").fill("Ada")
    press(page, "Create and switch to it")
    question = "Q4 Text beyond the trained length"
    go(page, question)
    answer(page).click()
    page.keyboard.type("Ada's, typed to the very")
    page.keyboard.insert_text(" end")
    switch_profile(page, "Ada", "Me")
    go(page, question)
    expect(answer(page)).to_have_value("", timeout=PATIENCE)
    settle(page)
    write(page, "Mine")
    page.reload()
    expect(answer(page)).to_have_value("Mine", timeout=PATIENCE)
    switch_profile(page, "Me", "Ada")
    go(page, question)
    expect(answer(page)).to_have_value("Ada's, typed to the very end", timeout=PATIENCE)
    context.close()


def use_checkpoint(page: Page, path: Path) -> None:
    field = page.get_by_role("textbox", name="Folder or .pth file")
    if not field.count():
        page.get_by_role("combobox", name="Checkpoint").click()
        page.get_by_role("option", name="My own checkpoint …").click()
    field.fill(str(path))
    field.press("Enter")
    settle(page)
    press(page, "Use these")


def damaged(folder: Path) -> list[tuple[Path, str]]:
    """Checkpoints that cannot be used, each with a part of its sentence."""
    cut, foreign, code = folder / "cut", folder / "notes.pth", folder / "code.pth"
    shutil.copytree(ROOT / "weights" / "byte-128", cut)
    os.truncate(cut / "model.safetensors", 5000)
    foreign.write_text("not weights")
    code.write_bytes(pickle.dumps(os.getcwd))
    return [
        (folder / "gone", "There is no checkpoint at"),
        (cut, "truncated"),
        (foreign, str(foreign)),
        (code, str(code)),
    ]


@pytest.mark.slow
def test_a_checkpoint_is_checked_and_then_used_by_all(tmp_path: Path, chromium: Browser) -> None:
    port, context = free_port(), chromium.new_context(viewport={"width": 1280, "height": 900})
    good = tmp_path / "full_sft_512.pth"
    save_upstream_minimind2(good)
    load_tokenizer(ROOT / "weights" / "tokenizers" / "6.4k.json.xz").save(tmp_path / "tokenizer.json")
    with running_app(tmp_path, port, model="") as address:
        page = visit(context, f"{address}/settings?lang=en")
        badge = page.get_by_text(re.compile(r"torch \S+ · "))
        expect(badge).to_contain_text("minimind-26m", timeout=PATIENCE)
        for path, words in damaged(tmp_path):
            use_checkpoint(page, path)
            alert = page.get_by_role("alert")
            expect(alert).to_contain_text(words, timeout=PATIENCE)
            expect(alert).to_contain_text("the labs go on as before")
            expect(badge).to_contain_text("minimind-26m")
        check_page(page)
        use_checkpoint(page, good)
        expect(page.get_by_text("All labs run on these settings now.")).to_be_visible(timeout=PATIENCE)
        expect(badge).to_contain_text("full_sft_512.pth")
        other = visit(chromium.new_context(), f"{address}/?lang=en")
        expect(other.get_by_text("full_sft_512.pth")).to_be_visible(timeout=PATIENCE)
        other.context.close()
    with running_app(tmp_path, port, model="") as address:
        page.reload()
        expect(badge).to_contain_text("full_sft_512.pth", timeout=PATIENCE)
        context.close()


@pytest.mark.slow
def test_browsers_from_elsewhere_keep_their_own_work(tmp_path: Path, chromium: Browser) -> None:
    port, texts = free_port(), ("first visitor's", "second visitor's")
    contexts = [chromium.new_context(viewport={"width": 1280, "height": 900}) for _ in texts]
    with running_app(tmp_path, port, *EVERYWHERE) as address:
        pages = [visit(context, f"{address}/q02_empty_text?lang=en") for context in contexts]
        for page, text in zip(pages, texts, strict=True):
            write(page, text)
        for page, text in zip(pages, texts, strict=True):
            page.evaluate("localStorage.clear()")
            page.reload()
            expect(answer(page)).to_have_value(text, timeout=PATIENCE)
    cookies = [one for context in contexts for one in context.cookies() if one["name"] == COOKIE]
    assert cookies[0]["value"] != cookies[1]["value"]
    assert all(one["httpOnly"] and one["sameSite"] == "Lax" for one in cookies)
    with running_app(tmp_path, port, *EVERYWHERE) as address:
        for page, text in zip(pages, texts, strict=True):
            page.evaluate("localStorage.clear()")
            page.reload()
            expect(answer(page)).to_have_value(text, timeout=PATIENCE)
            assert COOKIE not in page.evaluate("document.cookie")
        page = pages[0]
        go(page, "Settings")
        expect(page.get_by_text("Your work belongs to this browser")).to_be_visible()
        assert not page.get_by_role("combobox").count() and not page.get_by_text(str(tmp_path)).count()
        check_page(page)
        for context in contexts:
            context.close()
