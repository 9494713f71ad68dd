"""Signing in at a real OpenID Connect provider that runs here: who is let in, and each sees their own work.

The provider is another origin, as it is in life; the way back from it has to pass the app's own guard.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import free_port, running_app
from tests.browser.login import PATIENCE, answer_of, secrets, sign_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MINE = "fewer KV heads, said Ada"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def app(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("login"), free_port()
    with running_app(folder, port, "--secrets.files", str(secrets(folder, port, provider))) as address:
        yield address


def opened(chromium: Browser, app: str) -> Page:
    """Question 6 in a browser that nobody knows."""
    page = chromium.new_context(locale="en-US").new_page()
    page.goto(f"{app}/q06_gqa", timeout=PATIENCE)
    return page


def test_each_person_signs_in_and_finds_their_own_work_alone(app: str, chromium: Browser) -> None:
    ada = opened(chromium, app)
    ada.get_by_role("button", name="Sign in").wait_for(timeout=PATIENCE)
    assert ada.get_by_role("textbox", name="Your answer").count() == 0, "before it nothing can be lost"
    sign_in(ada, "ada")
    assert answer_of(ada, app) == ""
    ada.get_by_role("textbox", name="Your answer").fill(MINE)
    expect(ada.get_by_text("Saved", exact=False).first).to_be_visible(timeout=PATIENCE)
    bob = opened(chromium, app)
    sign_in(bob, "bob")
    assert answer_of(bob, app) == "" and MINE not in bob.content()
    elsewhere = opened(chromium, app)
    sign_in(elsewhere, "ada")
    assert answer_of(elsewhere, app) == MINE, "the same person in another browser"
    for page in (ada, bob, elsewhere):
        page.context.close()


def test_who_is_refused_by_the_provider_stays_outside(app: str, chromium: Browser) -> None:
    page = opened(chromium, app)
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE)
    page.get_by_role("button", name="Deny").click(timeout=PATIENCE)
    page.goto(f"{app}/q06_gqa", timeout=PATIENCE)
    page.get_by_role("button", name="Sign in").wait_for(timeout=PATIENCE)
    assert page.get_by_role("textbox", name="Your answer").count() == 0
    page.context.close()
