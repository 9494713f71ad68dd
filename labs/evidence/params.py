"""Which claim is checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from labs.contract import ParamError, Params, text
from questions import Claim, Question, load_questions


@dataclass(frozen=True)
class ClaimParams(Params):
    """A claim by its id, which begins with its question's."""

    claim: str = text("Q13-C1", label="evidence.claim", max_length=12)

    def check_together(self) -> None:
        """Raise ParamError for a claim that does not exist or has no check."""
        self.found()

    def found(self) -> tuple[Question, Claim]:
        """The claim and its question."""
        if self.claim not in _checked():
            raise ParamError(
                "choice",
                "claim",
                f"There is no claim {self.claim!r} with a check.",
                given=self.claim,
                choices="",
            )
        return _checked()[self.claim]


@cache
def _checked() -> dict[str, tuple[Question, Claim]]:
    """Every claim that has a check, by id. The question bank takes a tenth of a second to read."""
    return {
        claim.id: (question, claim)
        for question in load_questions()
        for claim in question.claims
        if claim.check is not None
    }
