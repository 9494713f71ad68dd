"""What the documents about faults and threats promise names a test that exists."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))}


def test_every_fault_names_a_test_that_exists() -> None:
    content = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", content)
    assert named
    assert [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in TESTS.get(ROOT / file, "")
    ] == []
    lines = content.splitlines()
    rows = [line for line, after in pairwise([*lines, ""]) if line[:2] == "| " and after[:4] != "|---"]
    assert [row for row in rows if "tests/" not in row] == []


def test_every_claim_about_security_names_a_test_that_exists() -> None:
    """By its name, or by the beginning of a long one before an ellipsis."""
    content = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)(_…)?`", content)
    assert named
    missing = [
        name
        for name, cut in named
        if not any(f"def {name}{'_' if cut else '('}" in text for text in TESTS.values())
    ]
    assert missing == []
