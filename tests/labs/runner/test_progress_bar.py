"""The bar of a long command: what it shows, and where it shows nothing."""

from __future__ import annotations

import io
import sys

import pytest

from labs.runner.job import Job
from labs.runner.progress_bar import ProgressBar

STRINGS = {"q00.progress.step": "step {step}"}


def test_finished_steps_and_the_share_of_the_current_one_are_shown_and_wiped_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    job = Job("q00/wait", None, lambda _job: None)
    job.progress, job.doing = 0.5, ("step", {"step": 3})
    with ProgressBar(4, STRINGS, visible=True) as bar:
        bar._bar.mininterval = 0  # draw at every change
        bar.watch(job)
        assert screen.getvalue().endswith("q00/wait step 3") and " 12% |" in screen.getvalue()
        bar.advance()
        bar.watch(job)
        assert " 25% |" in screen.getvalue() and " 38% |" in screen.getvalue()
        bar.write("a line of output")
    assert screen.getvalue().endswith("\r") and capsys.readouterr().out == "a line of output\n"


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    job = Job("q00/wait", None, lambda _job: None)
    with ProgressBar(4, STRINGS, visible=False) as bar:
        bar.watch(job)
        bar.advance()
        bar.write("a line of output")
    assert capsys.readouterr() == ("a line of output\n", "")
