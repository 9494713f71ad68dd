"""The list of keys names what the script can do, in both languages, and takes no key of somebody else's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.ui.site import shortcuts
from pages.ui.words.i18n import catalogue

SCRIPT = Path(shortcuts.__file__).with_suffix(".js").read_text(encoding="utf-8")
STREAMLITS = {"c", "r"}
FIREFOXS = {"/", "'"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_key_is_listed_and_does_something(lang: str) -> None:
    table = SCRIPT.partition("const ACTIONS = {")[2].partition("\n}")[0]
    assert set(re.findall(r"^  (\w+): ", table, re.MULTILINE)) == set(shortcuts.SHORTCUTS.values())
    assert all(catalogue(lang)[f"shortcuts.does.{name}"] for name in shortcuts.SHORTCUTS.values())


def test_no_key_is_the_frameworks_or_the_browsers() -> None:
    assert not set(shortcuts.SHORTCUTS) & (STREAMLITS | FIREFOXS)
    assert all(len(key) == 1 for key in shortcuts.SHORTCUTS)
