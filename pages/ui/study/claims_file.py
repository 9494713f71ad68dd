"""Claims as a file to take away: what each says, what decides it, what this device made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from labs.runner.job import Job
from pages.ui.study import checked
from pages.ui.words.question_text import renderer_of
from questions import Claim, Question, Renderer


def as_json(found: Sequence[tuple[Question, Sequence[Claim]]]) -> bytes:
    """The claims in the session's language, `here` what is known of each on this device."""
    entries = []
    for question, claims in found:
        job, renderer = checked.job_of(question), renderer_of(question)
        known = checked.verdicts(question, job)
        for claim in claims:
            here = asdict(known[claim.id]) | _where(job) if claim.id in known else None
            entries.append({"question": question.id, **_texts(claim, renderer), "here": here})
    return json.dumps({"claims": entries}, ensure_ascii=False, indent=2).encode()


def _texts(claim: Claim, renderer: Renderer) -> dict[str, Any]:
    return {
        "id": claim.id,
        "kind": claim.kind,
        "status": claim.status,
        "statement": renderer.text(claim.statement, claim),
        "common": renderer.text(claim.common, claim) if claim.common else None,
        "truth": renderer.text(claim.truth, claim),
        "formula": claim.formula[renderer.language] if claim.formula else "",
        "source": claim.source[renderer.language] if claim.source else "",
    }


def _where(job: Job | None) -> dict[str, str]:
    if job is None or job.record is None:
        return {}
    return {"device": job.device_name, "date": job.measured_at, "torch": job.versions.get("torch", "")}
