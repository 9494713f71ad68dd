"""A broken logit, anomaly mode and a poisoned checkpoint: what each way saves, names and notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.q02_empty_text.anomaly import Anomaly, AnomalyParams
from labs.q02_empty_text.infinite_logit import BROKEN, HARMLESS, WAYS
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import num_parameters
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]
CONFIG = PRESETS["toy"].replace(vocab_size=PRESETS["byte-128"].vocab_size)
"""Of random:toy, whose tokenizer is one of bytes."""
PARAMETERS = num_parameters(CONFIG)


@pytest.mark.parametrize("broken", BROKEN)
def test_only_what_leaves_the_graph_before_the_loss_saves_the_weights(result: Result, broken: str) -> None:
    seen = result("infinite_logit", broken=broken)
    assert seen["spoilt"] == seen["counted"] == (0 if broken in HARMLESS else PARAMETERS)
    for name in ("filled", "indexed"):
        assert seen["ways"][name]["nan_gradients"] == 0 and seen["ways"][name]["logit_gradient"] == "zero"
    losses = [saved["loss"] for saved in seen["ways"].values()]
    assert None not in losses[1:], "where and ignore_index save the loss"
    assert losses[1:] == pytest.approx([losses[-1]] * 4, abs=1e-5)
    if broken in HARMLESS:
        assert losses[0] == pytest.approx(losses[-1], abs=1e-5)


def test_a_place_that_counts_is_saved_by_nothing(result: Result) -> None:
    seen = result("infinite_logit", masked=False)
    assert {saved["nan_gradients"] for saved in seen["ways"].values()} == {PARAMETERS}
    assert {saved["loss"] for saved in seen["ways"].values()} == {None}
    figure = shown("q02/infinite_logit", seen).figures["ways"]
    assert [trace["x"][0] for trace in figure.data] == [100] * len(WAYS)


def test_anomaly_mode_stops_where_a_gradient_is_nan_and_names_the_product(result: Result) -> None:
    seen = result("anomaly")
    assert (seen["raised"], seen["counted"], seen["printed_nan"]) == (2, 2, 4)
    named = seen["named"]["masked_mean"]
    assert named["operation"] == "MulBackward0" and "* mask).sum() / mask.sum()" in named["line"]
    assert seen["named"]["ignore_index"] == {"loss": None, "operation": "", "line": ""}
    assert Anomaly().formula(AnomalyParams(empty_rows=1)) == {"raised": 1}
    drawn = shown("q02/anomaly", seen)
    assert [row["operation named"] for row in drawn.rows].count("says nothing") == 5


def test_a_poisoned_file_goes_through_all_but_a_look_at_its_values(result: Result) -> None:
    seen = result("poisoned")
    assert seen["nan"] == seen["counted"] == seen["total"] == PARAMETERS and not seen["survivors"]
    assert seen["nan_moments"] == 2 * PARAMETERS
    said = seen["said"]
    assert said["saved"] == said["read"] == ""
    assert "holds NaN" in said["loader"] and "int8 cannot store" in said["int8"]
    assert said["sampling"].startswith("RuntimeError")
    assert sum(part["nan"] for part in seen["parts"].values()) == seen["nan"]


def test_only_rows_that_no_id_looked_up_survive(result: Result) -> None:
    config = CONFIG.replace(tie_word_embeddings=False)
    plain, clipped = result("poisoned", tied=False), result("poisoned", tied=False, clip=True)
    assert plain["survivors"] == {"model.embed_tokens.weight": (config.vocab_size - 1) * config.hidden_size}
    assert plain["nan"] == plain["counted"] == plain["total"] - sum(plain["survivors"].values())
    assert clipped["nan"] == clipped["counted"] == clipped["total"]


def test_the_scaler_leaves_a_healthy_file(result: Result) -> None:
    seen = result("poisoned", precision="fp16", stored="float32")
    assert seen["nan"] == seen["counted"] == 0 and set(seen["said"].values()) == {""}
    assert any("healthy" in note for note in shown("q02/poisoned", seen).notes)
