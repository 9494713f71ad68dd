"""A claim: one statement that can be checked, what is commonly said, and what is true.

Kinds: `exact` follows from a formula; `order` asserts an ordering, a bound or a behaviour; `measured`
depends on weights or device; `literature` is cited and never run. Checks live in the labs, by claim id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from questions.entry import Entry, Localized, both
from questions.values import Tolerance, Value, read_tolerance, read_value

Kind = Literal["exact", "order", "measured", "literature"]
Status = Literal["confirmed", "corrected", "depends", "unsupported", "new"]
KINDS: tuple[Kind, ...] = ("exact", "order", "measured", "literature")
STATUSES: tuple[Status, ...] = ("confirmed", "corrected", "depends", "unsupported", "new")
EXPERIMENT = r"q\d{2}/[a-z][a-z0-9_]*"
_REQUIRED = ("id", "kind", "status", *both("statement", "truth"))
_OPTIONAL = (
    "value",
    "said",
    "unit",
    *both("unit", "common"),
    "formula",
    "formula_zh",
    "source",
    "source_zh",
    "tolerance",
    "check",
    "experiment",
    "measures",
)


@dataclass(frozen=True)
class Claim:
    """One line of the claim ledger. Its texts hold placeholders; `render.py` fills them.

    `value` is what is true and `said` what is commonly said, as numbers; both None where there are none,
    and `value` also where the expected number is our own recorded run. `check` is the key of the labs'
    check (None: never run, or read from a run). `experiment` shows the claim live; `measures` is the
    dotted path in its result where a measured number stands.
    """

    id: str
    kind: Kind
    status: Status
    statement: Localized
    common: Localized | None
    truth: Localized
    value: Value | None
    said: Value | None
    unit: Localized | None
    tolerance: Tolerance | None
    formula: Localized
    source: Localized
    check: str | None
    experiment: str | None
    measures: str | None

    @property
    def number(self) -> int:
        """4 for Q13-C4."""
        return int(self.id.partition("-C")[2])


def read_claim(entry: Entry, question_id: str) -> Claim:
    """Read one `[[claims]]` table of the question "Q13". Raises QuestionError."""
    entry.only(_REQUIRED, _OPTIONAL)
    name = entry.text("id", rf"{question_id}-C[1-9]\d*", f"{question_id}-C and a number")
    kind = entry.one_of("kind", KINDS)
    claim = Claim(
        id=name,
        kind=kind,
        status=entry.one_of("status", STATUSES),
        statement=entry.localized("statement"),
        common=entry.localized_or_none("common"),
        truth=entry.localized("truth"),
        unit=read_unit(entry),
        value=read_value(entry, "value") if "value" in entry.data else None,
        said=read_value(entry, "said") if "said" in entry.data else None,
        tolerance=read_tolerance(entry),
        formula=_with_chinese(entry, "formula"),
        source=_with_chinese(entry, "source"),
        check=_check_name(entry, name, kind),
        experiment=entry.text("experiment", EXPERIMENT, "such as q13/next_token")
        if "experiment" in entry.data
        else None,
        measures=entry.text("measures") if "measures" in entry.data else None,
    )
    _check_evidence(entry, claim)
    return claim


def read_unit(entry: Entry) -> Localized | None:
    """Read `unit`, which holds for both languages, or `unit_en` and `unit_zh`; None where there is none."""
    if "unit" in entry.data:
        unit = entry.text("unit")
        return {"en": unit, "zh": unit}
    return entry.localized_or_none("unit")


def _with_chinese(entry: Entry, key: str) -> Localized:
    """A text for both languages, as names and formulas are, but for one with words and a `key_zh` beside it.

    Empty where there is none.
    """
    if key not in entry.data:
        return {}
    english, chinese = entry.text(key), f"{key}_zh"
    return {"en": english, "zh": entry.text(chinese) if chinese in entry.data else english}


def _check_name(entry: Entry, name: str, kind: Kind) -> str | None:
    """The id of the claim whose check decides this one; None where a run or nothing decides it."""
    if "check" in entry.data:
        return entry.text("check", r"Q\d+-C\d+", "the id of the claim whose check serves this one too")
    return None if kind == "literature" or "measures" in entry.data else name


def _check_evidence(entry: Entry, claim: Claim) -> None:
    """Raise QuestionError unless the claim has what its kind needs: a value, a formula, a source …"""
    needed: dict[Kind, dict[str, object]] = {
        "exact": {"value": claim.value is not None, "formula": claim.formula},
        "order": {"formula": claim.formula or claim.source},
        "measured": {"tolerance": claim.tolerance, "value": claim.value is not None or claim.measures},
        "literature": {"source": claim.source},
    }
    for key, present in needed[claim.kind].items():
        if not present:
            raise entry.fail(key, f"is missing; a claim of kind {claim.kind} needs it.")
    if claim.measures and not claim.experiment:
        raise entry.fail("experiment", "is missing; `measures` is a path in its result.")
    if claim.common is None and claim.status in ("corrected", "unsupported"):
        raise entry.fail("common_en", f"is missing; {claim.status} against what is commonly said?")
