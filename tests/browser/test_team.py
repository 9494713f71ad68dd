"""Two processes of the app, one PostgreSQL, a login and a balancer: what a team sees, and of one's end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.login import PATIENCE, answer_of, sign_in
from tests.browser.team import Team, running_team
from tests.serving.scaleout.balancer import COOKIE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FIRST, THEN = "fewer KV heads, said Ada", "; and she went on"
MANY = 64


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with running_team(tmp_path_factory.mktemp("team")) as running:
        yield running


def signed_in(chromium: Browser, team: Team, person: str) -> Page:
    """Question 6 in a browser that nobody has seen before."""
    page = chromium.new_context(locale="en-US").new_page()
    page.goto(f"{team.address}/q06_gqa", timeout=PATIENCE)
    sign_in(page, person)
    return page


def home(page: Page, team: Team) -> int:
    """The port of the process that answered its browser last."""
    [name] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE]
    return team.balancer.answered(name)


def browser_elsewhere(chromium: Browser, team: Team, port: int) -> Page:
    """Bob's, in the other process than this one."""
    for _ in range(MANY):
        context = chromium.new_context(locale="en-US")
        page = context.new_page()
        page.goto(f"{team.address}/_stcore/health", timeout=PATIENCE)
        if home(page, team) != port:
            page.goto(f"{team.address}/q06_gqa", timeout=PATIENCE)
            sign_in(page, "bob")
            return page
        context.close()
    raise AssertionError("one process gets everybody")


def test_browsers_stay_with_their_process_and_what_is_typed_survives_its_end(
    team: Team, chromium: Browser
) -> None:
    ada = signed_in(chromium, team, "ada")
    process = home(ada, team)
    bob = browser_elsewhere(chromium, team, process)
    assert answer_of(ada, team.address) == "" == answer_of(bob, team.address)
    assert home(ada, team) == process != home(bob, team), "through login and all"
    ada.get_by_role("textbox", name="Your answer").fill(FIRST)
    expect(ada.get_by_text("Saved", exact=False).first).to_be_visible(timeout=PATIENCE)

    team.processes[process].kill()
    ada.get_by_role("textbox", name="Your answer").press("End")
    ada.keyboard.type(THEN)
    assert answer_of(ada, team.address) == FIRST + THEN, "no second login, and nothing is lost"
    assert home(ada, team) == home(bob, team) != process
    elsewhere = signed_in(chromium, team, "ada")
    assert answer_of(elsewhere, team.address) in (FIRST, FIRST + THEN), "the database has what was saved"
    assert answer_of(bob, team.address) == "", "who was in the other process noticed nothing"
    for page in (ada, bob, elsewhere):
        page.context.close()
