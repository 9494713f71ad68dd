"""Sums in three formats: against NumPy's own rounding, and where they must stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labs.q09_accumulation.precision import ENTRIES, FORMATS, Precision, PrecisionParams, lost
from labs.tools.number_formats import to_bf16
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]


def test_equal_terms_stop_where_the_formula_says(result: Result) -> None:
    seen = result("precision", spread=0.0, terms_power=13)
    formula = Precision().formula(PrecisionParams(spread=0.0, terms_power=13))
    for name in FORMATS:
        assert seen["errors"][name] == pytest.approx(formula["errors"][name], abs=1e-12), name
    assert seen["errors"]["bf16"][8] == 0 and seen["errors"]["bf16"][9] == 0.5  # 256 and 512 terms
    assert seen["unchanged_percent"] == {"bf16": 100, "fp16": 100, "fp32": 0}


def test_a_sum_is_that_of_numpy_rounded_after_every_term(result: Result) -> None:
    seen = result("precision", terms_power=7)
    random = torch.Generator().manual_seed(0)
    terms = [(1 + 0.5 * torch.randn(ENTRIES, generator=random)).numpy() for _ in range(128)]
    total, true = np.zeros(ENTRIES, np.float32), np.sum(terms, axis=0, dtype=np.float64)
    half = np.zeros(ENTRIES, np.float16)
    for term in terms:
        total = to_bf16(total + to_bf16(term))
        half = half + term.astype(np.float16)
    for name, ours in (("bf16", total), ("fp16", half)):
        error = np.linalg.norm(ours - true) / np.linalg.norm(true)
        assert seen["errors"][name][-1] == pytest.approx(float(error), rel=1e-6)


def test_longer_windows_lose_more_and_fp32_hardly_anything(result: Result) -> None:
    seen = result("precision", terms_power=12)
    late = seen["errors"]["bf16"][7:]
    assert late == sorted(late) and late[-1] > 0.3 and max(seen["errors"]["fp32"]) < 1e-5
    for few, many in (("fp32", "fp16"), ("fp16", "bf16")):
        assert seen["errors"][few][-1] < seen["errors"][many][-1]
    notes = shown("q09/precision", seen).notes
    assert "After 4,096 terms" in notes[0] and f"{100 * lost(8, 4096):.3g}%" in notes[2]
