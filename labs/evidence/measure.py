"""Runs the check of a claim. Checks may import torch and the real core: worker and command line only."""

from __future__ import annotations

from dataclasses import asdict

from labs.claims.checks import checks_of
from labs.claims.verdicts import NO_CHECK, by_check, undecided
from labs.contract.columns import Context, Result
from labs.evidence.params import ClaimParams


def claim(params: ClaimParams, ctx: Context) -> Result:
    """The verdict of `labs verify` on this claim, here and now (`labs.claims.verdicts.Verdict`)."""
    ctx.progress(0.0, params.claim)
    question, found = params.found()
    assert found.check is not None
    checks = checks_of(question.slug)
    if found.check not in checks:
        return asdict(undecided(found, NO_CHECK))
    return asdict(by_check(found, checks[found.check]))
