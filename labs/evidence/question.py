"""The checks of all claims of one question, one after the other in the worker, so that the result is kept."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TypedDict, cast

from labs.claims.checks import checks_of
from labs.claims.verdicts import NO_CHECK, by_check, undecided
from labs.contract import Context, DeviceClass, Experiment, ParamError, Params, Partials, text
from labs.evidence.claim import ClaimResult
from questions import Claim, Question, load_questions

_SECONDS_A_CHECK = 0.5
"""Most take less, a few train something for a second or two."""


@dataclass(frozen=True)
class QuestionParams(Params):
    """A question by its key."""

    question: str = text("q06", max_length=3)

    def check_together(self) -> None:
        """Raise ParamError for a question that does not exist."""
        self.find()

    def find(self) -> Question:
        """The question itself."""
        known = {question.key: question for question in load_questions()}
        if self.question not in known:
            sentence = f"There is no question {self.question!r}; they are {', '.join(known)}."
            raise ParamError("choice", "question", sentence, given=self.question, choices=", ".join(known))
        return known[self.question]


class QuestionResult(TypedDict):
    """A verdict for each claim with a check, in order, and what was checked (`digest`)."""

    verdicts: list[ClaimResult]
    digest: str


class QuestionCheck(Experiment[QuestionParams, QuestionResult]):
    """The verdicts on a question's claims, here and now."""

    def seconds(self, params: QuestionParams, device: DeviceClass) -> float:
        """Grows with the checks that there are."""
        return _SECONDS_A_CHECK * len(checked_claims(params.find()))

    def measure(self, params: QuestionParams, ctx: Context) -> QuestionResult:
        """Runs each check, which may import torch and the real core."""
        question = params.find()
        claims, checks = checked_claims(question), checks_of(question.slug)
        verdicts: list[ClaimResult] = []
        for claim, part in ctx.parts(claims):
            part("checking", claim=claim.id)
            check = checks.get(claim.check or "")
            verdict = asdict(by_check(claim, check) if check else undecided(claim, NO_CHECK))
            verdicts.append(cast(ClaimResult, verdict))
            ctx.emit({"verdict": verdict})
        return {"verdicts": verdicts, "digest": digest(question)}

    def so_far(self, params: QuestionParams, partials: Partials) -> QuestionResult:
        """The verdicts until now."""
        verdicts = [partial["verdict"] for partial in partials]
        return {"verdicts": verdicts, "digest": digest(params.find())}


def checked_claims(question: Question) -> list[Claim]:
    """The claims that a check decides."""
    return [claim for claim in question.claims if claim.check is not None]


def digest(question: Question) -> str:
    """Changes whenever a claim of the question does; a verdict kept from before is then none of it."""
    return hashlib.sha256(repr(question.claims).encode()).hexdigest()[:16]
