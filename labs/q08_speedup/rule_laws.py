"""What each rule emits on the question's example, and how far that is from the target's law. No torch."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from labs.claims.checks import given_list
from labs.q08_speedup.draft_rules import CRITICAL, RULES, Floats, chi_square, typical_draws, typical_threshold
from questions import load_question

DRAWS = 20_000


class Laws(TypedDict):
    """First tokens by each rule on the question's example, and their statistic against the target's law."""

    target: list[float]
    shares: dict[str, list[float]]
    statistic: dict[str, float]
    critical: float
    draws: int


class TypicalLaw(TypedDict):
    """The same for typical acceptance; `kept` of the drafts, and the most that an exact rule can keep."""

    threshold: float
    shares: list[float]
    statistic: float
    kept: float
    possible: float


def laws(seed: int) -> Laws:
    """Draws by both rules where the question says what target and draft are."""
    p, q = _example()
    random = np.random.default_rng(seed)
    counts = {name: np.bincount(rule(p, q, DRAWS, random), minlength=len(p)) for name, rule in RULES.items()}
    return {
        "target": p.tolist(),
        "shares": {name: (count / DRAWS).tolist() for name, count in counts.items()},
        "statistic": {name: chi_square(count, p) for name, count in counts.items()},
        "critical": CRITICAL,
        "draws": DRAWS,
    }


def typical_law(epsilon: float, seed: int) -> TypicalLaw:
    """Draws by typical acceptance with that threshold, as many and there."""
    p, q = _example()
    count = np.bincount(typical_draws(p, q, DRAWS, np.random.default_rng(seed), epsilon), minlength=len(p))
    threshold = typical_threshold(p, epsilon)
    return {
        "threshold": threshold,
        "shares": (count / DRAWS).tolist(),
        "statistic": chi_square(count, p),
        "kept": float(q[p > threshold].sum()),
        "possible": float(np.minimum(p, q).sum()),
    }


def _example() -> tuple[Floats, Floats]:
    """The question's target and draft."""
    question = load_question("q08_speedup")
    target, draft = (np.array(given_list(question, name), float) for name in ("target", "draft"))
    return target, draft
