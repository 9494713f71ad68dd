"""Where and when a prediction was measured, kept with the attempt beside the number itself."""

from __future__ import annotations

from typing import Any

from labs.runner.job import Job
from pages.ui.site.desk import Desk
from questions import Question
from study.store import Attempt

_NAME = "run:{}"


def note(desk: Desk, question: Question, prediction: str, job: Job) -> None:
    """Keep device, number format, versions and date of the run that measured a prediction."""
    about = {
        "device": job.device_name,
        "dtype": job.dtype,
        "versions": dict(job.versions),
        "date": job.measured_at,
    }
    desk.record_measurement(question, _NAME.format(prediction), about)


def where(attempt: Attempt, prediction: str) -> str:
    """What the run was made on, such as "NVIDIA H200, bf16, torch 2.13.0"; "" where nobody noted it.

    An import may have brought in anything: only texts are taken.
    """
    about: Any = attempt.measurements.get(_NAME.format(prediction))
    if not isinstance(about, dict):
        return ""
    versions = about.get("versions")
    named = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    first = [about.get("device"), about.get("dtype")]
    return ", ".join(part for part in (*first, *named) if isinstance(part, str) and part)
