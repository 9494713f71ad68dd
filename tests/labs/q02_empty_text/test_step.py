"""One training step on bad rows: targets, NaN, and what a scaler, a clip and an untied head change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q02_empty_text.row_kinds import DATASETS, KINDS, LoadedRow, bad_row, has_target, padded
from labs.q02_empty_text.step import Step, StepParams
from minimind_core.errors import DataError
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import num_parameters
from minimind_core.tokenizer import load_tokenizer
from tests.labs.one_lab import Run

Result = Callable[..., dict[str, Any]]
CONFIG = PRESETS["toy"].replace(vocab_size=PRESETS["byte-128"].vocab_size)
"""Of random:toy, whose tokenizer is one of bytes."""
PARAMETERS = num_parameters(CONFIG)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_targets_are_the_ids_but_the_first_of_each_row(lengths: list[int]) -> None:
    rows = [LoadedRow([5] * length, [True] * length) for length in lengths]
    ids, mask = padded(rows, 0, 9)
    assert {len(row) for row in ids} == {10} and {len(row) for row in mask} == {9}
    assert sum(map(sum, mask)) == sum(max(0, length - 1) for length in lengths)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "null"])
def test_a_kind_has_a_target_where_counting_says_so(kind: str, dataset: str) -> None:
    tokenizer = load_tokenizer("6.4k")
    row = bad_row(kind, tokenizer, dataset, 16)
    assert len(row.ids) <= 17
    assert (row.num_targets(tokenizer.pad_id) > 0) == has_target(kind, dataset)
    assert row.num_targets(0) == sum(map(sum, padded([row], 0, 16)[1]))


@pytest.mark.parametrize(
    ("settings", "nan", "printed"),
    [
        ({}, 0, "number"),
        ({"empty_rows": 4}, PARAMETERS, "nan"),
        ({"empty_rows": 4, "accumulation": 3}, PARAMETERS, "nan"),
        ({"empty_rows": 1, "formula": "per_sample"}, PARAMETERS, "nan"),
        ({"empty_rows": 4, "formula": "ignore_index"}, 0, "nan"),
        ({"empty_rows": 4, "formula": "clamped"}, 0, 0.0),
        ({"empty_rows": 4, "formula": "disconnected_zero"}, 0, 0.0),
        ({"empty_rows": 4, "precision": "bf16"}, PARAMETERS, "nan"),
        ({"empty_rows": 4, "precision": "fp16"}, 0, "nan"),
        ({"empty_rows": 4, "dataset": "with_specials"}, 0, "number"),
        ({"empty_rows": 4, "kind": "cut_answer", "dataset": "with_specials"}, PARAMETERS, "nan"),
    ],
    ids=str,
)
def test_the_weights_that_die_are_those_that_counting_says(
    result: Result, settings: dict[str, Any], nan: int, printed: object
) -> None:
    step = result("step", length=16, **settings)
    assert step["weights"]["nan"] == step["counted"] == nan
    assert step["weights"]["total"] == PARAMETERS
    loss = step["loss"]
    assert ("nan" if loss is None else loss or 0.0 if loss == 0 else "number") == printed
    assert step["nan_moments"] == 2 * nan
    after = step["losses"][step["at"] + 1 :]
    assert after and all((value is None) == (nan > 0) for value in after), "every later loss is lost, or none"


def test_an_untied_head_spares_all_rows_of_the_embedding_but_that_of_padding(result: Result) -> None:
    """Until the gradients are clipped: the norm is NaN, and multiplies every one of them."""
    config = CONFIG.replace(tie_word_embeddings=False)
    plain = result("step", length=16, empty_rows=4, tied=False)
    clipped = result("step", length=16, empty_rows=4, tied=False, clip=True)
    spared = (config.vocab_size - 1) * config.hidden_size
    assert plain["weights"]["nan"] == plain["counted"] == num_parameters(config) - spared
    assert clipped["weights"]["nan"] == clipped["counted"] == num_parameters(config)


def test_a_scaler_skips_the_step_and_halves_its_scale(result: Result) -> None:
    step = result("step", length=16, empty_rows=4, precision="fp16")
    assert step["scales"] == [65536, 32768] and step["weights"]["changed"] == 0


def test_a_scaler_refuses_a_new_zero_unless_an_ordinary_micro_batch_came_first(result: Result) -> None:
    settings = {"length": 16, "empty_rows": 4, "precision": "fp16", "formula": "disconnected_zero"}
    alone, second = result("step", **settings), result("step", **settings, accumulation=2)
    assert alone["error"].startswith("AssertionError: No inf checks") and len(alone["losses"]) == 1
    assert alone["gradients"]["none"] == PARAMETERS
    assert second["error"] == "" and second["gradients"]["none"] == 0 and second["weights"]["changed"] > 0


def test_zero_gradients_move_the_weights_and_none_do_not(result: Result) -> None:
    settings = {"length": 16, "empty_rows": 4, "warm_steps": 2}
    zeros, none = (result("step", **settings, formula=name) for name in ("clamped", "disconnected_zero"))
    assert zeros["mean_move"] > 1e-5 and none["mean_move"] == 0 and none["weights"]["changed"] == 0


def test_the_heat_map_tells_four_moments_of_every_tensor(result: Result) -> None:
    tensors = result("step", length=16, empty_rows=4, formula="clamped")["tensors"]
    assert {tuple(tensor["states"]) for tensor in tensors} >= {("zeros", "zeros", "numbers", "numbers")}
    assert sum(tensor["entries"] for tensor in tensors) == PARAMETERS


def test_the_26m_dies_whole_by_counting() -> None:
    assert Step().formula(StepParams(empty_rows=4)) == {"weights": {"nan": 25_829_888}}
    assert Step().formula(StepParams(empty_rows=4, tied=False)) == {"weights": {"nan": 25_830_400}}
    assert Step().formula(StepParams(empty_rows=4, tied=False, clip=True)) == {"weights": {"nan": 29_106_688}}


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"rows": 0}, "A batch needs at least one row."), ({"empty_rows": 5}, "at most 4 bad ones, not 5")],
)
def test_a_batch_that_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamError, match=said):
        StepParams.from_dict(settings)


def test_null_is_refused_in_one_sentence(run: Run) -> None:
    with pytest.raises(AssertionError, match="text must be a string, got NoneType: this is exactly the bug"):
        run("step", kind="null", length=16)
    with pytest.raises(DataError):
        bad_row("null", load_tokenizer("6.4k"), "bare", 16)
