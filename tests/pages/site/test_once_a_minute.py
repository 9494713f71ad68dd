"""The web server's own warnings are said once a minute, whoever sends nonsense."""

from __future__ import annotations

import logging
import time

import pytest

from pages.ui.site import once_a_minute


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """One of the server's, limited."""
    name = once_a_minute._LOGGERS[0]
    logger = logging.getLogger(name)
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "propagate", True)
    for _ in range(2):
        once_a_minute.limit_warnings()
    assert len(logger.filters) == 1
    return logger


def test_a_sentence_comes_once_a_minute_whatever_its_values(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(500):
        logger.warning("Invalid request %d.", number)
        logger.error("Exception in ASGI application")
    assert [record.getMessage() for record in caplog.records] == [
        "Invalid request 0.",
        "Exception in ASGI application",
    ]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + once_a_minute._SILENT_SECONDS + 1)
    logger.warning("Invalid request %d.", 7)
    assert caplog.records[-1].getMessage() == "Invalid request 7."


def test_sentences_made_of_what_somebody_sends_are_bounded_too(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5000):
        logger.warning(f"Invalid request {number}.")
    assert len(caplog.records) == once_a_minute._MOST_SENTENCES
