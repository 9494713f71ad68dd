"""Finds a Chromium that starts: the system's, or the one that playwright brought.

python -m tests.browser.chromium      prints its path; exit code 1 if there is none
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""For a quiet headless browser: nothing of its own leaves the machine."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Path of a browser that answers `--version`; a package that only stands for a snap does not.

    Call it before playwright is started: it may start one to ask for its own browser.
    """
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, _NAMES)]
    return next((path for path in candidates if path and _starts(path)), None) or _bundled()


def _bundled() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _starts(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    found = find_chromium()
    print(found or "no Chromium found")
    sys.exit(found is None)
