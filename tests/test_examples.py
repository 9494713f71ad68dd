"""What a docstring shows after >>> is what one gets."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("labs", "minimind_core", "pages", "questions", "study")
NEEDS_TRITON = ("minimind_core.decoding.fused_kernels", "minimind_core.decoding.fused_step")
"""Found only where torch is a CUDA build."""
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    if name in NEEDS_TRITON and importlib.util.find_spec("triton") is None:
        pytest.skip("triton comes with a CUDA build of torch")
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted and not outcome.failed
