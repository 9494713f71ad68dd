"""A question's exercise in code: what to write, and the signature that it must have.

Read from the table `[kata]`. What judges a solution is not part of the content.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from questions.entry import Entry, Localized, both


@dataclass(frozen=True)
class Kata:
    """`task` says what the function must do; `signature` is Python with a docstring and no body."""

    task: Localized
    signature: str


def read_kata(entry: Entry) -> Kata | None:
    """Read the table `[kata]`; None where the question has none. Raises QuestionError."""
    table = entry.table("kata")
    if not table.data:
        return None
    table.only((*both("task"), "signature"))
    signature = table.text("signature")
    try:
        ast.parse(signature)
    except SyntaxError as error:
        raise table.fail("signature", f"is not Python: {error.msg}, line {error.lineno}.") from error
    return Kata(table.localized("task"), signature)
