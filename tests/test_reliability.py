"""What the documents about faults and threats promise names a test that exists."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [path for name in ("reliability", "security") if (path := ROOT / f"docs/{name}.md").is_file()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_promise_names_a_test_that_exists(document: Path) -> None:
    content = document.read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", content)
    assert named
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).is_file() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing
    lines = content.splitlines()
    rows = [line for line, after in pairwise([*lines, ""]) if line[:2] == "| " and after[:4] != "|---"]
    assert [row for row in rows if "tests/" not in row] == []
