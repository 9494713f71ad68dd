"""Finds digits that a text may not hold: every figure has to come from a claim or from given data."""

from __future__ import annotations

import re

_CODE = re.compile(r"```.*?```|\$\$.*?\$\$|`[^`\n]+`|\$[^$\n]+\$", re.DOTALL)
_ALLOWED = re.compile(
    r"""
    \{[^{}\s]+\}                                  # placeholders
    | \]\([^)\s]*\)                               # the address of a link
    | pass@\d+
    | https?://\S+
    | (?:(?<=\s)|^)\d{1,2}\.(?=\s)                # list numbers
    | arXiv[:\s]\d{4}\.\d{4,5}
    | (?:Table|Section|Figure|Appendix|表|图|第)\s?\d{1,2}(?!\d|[.,]\d)
    | (?<![\d.,])(?:19[5-9]\d|20[0-2]\d)(?![\d.,]\d|\d)   # years
    | (?<![\d.,])\d{1,3}(?:\.\d)?[BM](?![A-Za-z])         # sizes that name a model: the 26M, 7B
    | (?<![A-Za-z0-9])[A-Za-z][A-Za-z_]*(?:[-_.+]?[A-Za-z0-9]+)*   # names: FP16, LLaMA-2, top-k, Q6
    """,
    re.VERBOSE | re.MULTILINE,
)
_NUMBER = re.compile(r"\d[\d.,]*")


def stray_digits(text: str) -> list[str]:
    """Numbers in prose that are no placeholder, code, citation or name."""
    return _NUMBER.findall(_ALLOWED.sub(" ", _CODE.sub(" ", text)))


def code_numbers(text: str) -> list[str]:
    """Numbers inside code and formulas, sorted: they must be the same in both languages."""
    without_comments = re.sub(r"#[^\n]*$", "", text, flags=re.MULTILINE)
    return sorted(
        number.rstrip(".,") for code in _CODE.findall(without_comments) for number in _NUMBER.findall(code)
    )
