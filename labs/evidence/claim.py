"""The check of one claim: what `python -m labs verify` does for all, in the worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, TypedDict, cast

from labs.claims.checks import checks_of
from labs.claims.verdicts import NO_CHECK, by_check, undecided
from labs.contract import Context, Experiment, ParamError, Params, text
from questions import Claim, Question, load_questions


@dataclass(frozen=True)
class ClaimParams(Params):
    """A claim by its id, which begins with its question's."""

    claim: str = text("Q13-C1", max_length=12)

    def check_together(self) -> None:
        """Raise ParamError for a claim that does not exist or has no check."""
        self.find()

    def find(self) -> tuple[Question, Claim]:
        """The claim and its question."""
        if self.claim not in _checked_claims():
            sentence = f"There is no claim {self.claim!r} with a check."
            raise ParamError("choice", "claim", sentence, given=self.claim, choices="")
        return _checked_claims()[self.claim]


class ClaimResult(TypedDict):
    """The fields of `labs.claims.verdicts.Verdict`."""

    id: str
    kind: str
    agrees: bool | None
    measured: Any
    expected: Any
    tolerance: dict[str, float] | None
    reason: str
    key: str
    values: dict[str, Any]


class ClaimCheck(Experiment[ClaimParams, ClaimResult]):
    """The verdict on one claim, here and now."""

    keep = False
    takes = 2.0
    """Most checks take less."""

    def measure(self, params: ClaimParams, ctx: Context) -> ClaimResult:
        """Runs the check, which may import torch and the real core."""
        ctx.progress(0.0, "checking", claim=params.claim)
        question, claim = params.find()
        assert claim.check is not None
        check = checks_of(question.slug).get(claim.check)
        return cast(ClaimResult, asdict(by_check(claim, check) if check else undecided(claim, NO_CHECK)))


@cache
def _checked_claims() -> dict[str, tuple[Question, Claim]]:
    """Every claim that has a check, by id. The question bank takes a tenth of a second to read."""
    return {
        claim.id: (question, claim)
        for question in load_questions()
        for claim in question.claims
        if claim.check is not None
    }
