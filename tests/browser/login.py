"""Signing in at an OpenID Connect provider, as README.md and deploy/README.md set it up."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import settle

PATIENCE = 90_000


def secrets(folder: Path, port: int, provider: str) -> Path:
    """What the guides ask for, `[auth]` in Streamlit's secrets, for an app that browsers see at this port."""
    values = {
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
        "cookie_secret": "a secret of this test alone, long enough for it",
        "client_id": "minimind-lab",
        "client_secret": "not checked by this provider",
        "server_metadata_url": f"{provider}/.well-known/openid-configuration",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path = folder / "secrets.toml"
    path.write_text("\n".join(["[auth]", *lines]), encoding="utf-8")
    return path


def sign_in(page: Page, person: str) -> None:
    """At the provider that asks for no more than a name."""
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE)
    page.get_by_placeholder("sub").fill(person, timeout=PATIENCE)
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0, timeout=PATIENCE)


def answer_of(page: Page, app: str) -> str:
    """What stands in the field for the answer to question 6, on a page that was opened anew."""
    page.goto(f"{app}/q06_gqa", timeout=PATIENCE)
    field = page.get_by_role("textbox", name="Your answer")
    field.wait_for(timeout=PATIENCE)
    settle(page)
    return field.input_value()
