"""A machine's name in the reader's language, on every page that says what its numbers were measured on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pages.conftest import CountingClient, OpenApp
from tests.pages.shown_words import shown

NAMES = {"en": "AMD EPYC, 2 threads", "zh": "AMD EPYC（2 线程）"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_threads_are_called_so_in_the_language_of_the_page(
    open_app: OpenApp, worker: CountingClient, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    status = replace(worker.status(), state="ready", device_name="AMD EPYC, 2 threads")
    monkeypatch.setattr(worker, "status", lambda: status)
    for page in ("", "settings"):
        texts = [text for text in shown(open_app(page, lang=lang)) if "EPYC" in text]
        assert texts and all(NAMES[lang] in text for text in texts), texts
