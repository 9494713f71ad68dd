"""What is saved for the backward pass: counted by hand where it can be, and never less than the least."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.contract import Words
from labs.q05_shapes import claims
from labs.q05_shapes.activations import PARTS, Activations, least
from labs.q05_shapes.saved import saved_bytes
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run


def saved(model: MiniMind, batch: int, tokens: int) -> dict[str, float]:
    """Numbers that are kept, by part."""
    ids = torch.randint(3, model.config.vocab_size, (batch, tokens))
    return {part: size / 4 for part, size in saved_bytes(model, ids, ids.clone()).items()}


def test_the_least_is_that_of_the_claim() -> None:
    table = least(ModelConfig())
    assert sum(table.values()) - table["head"] == claims.activations()["per_token"]


def test_what_is_kept_is_counted_by_hand(tiny: MiniMind) -> None:
    config, batch, tokens = tiny.config, 3, 8
    kept = saved(tiny, batch, tokens)
    # the normed input, gate, silu of it, up, and the product that down_proj multiplies
    by_hand = config.hidden_size + 4 * config.intermediate_size
    assert kept["feed_forward"] == batch * tokens * config.num_layers * by_hand
    at_least = least(config)
    assert all(kept[part] >= batch * tokens * at_least[part] for part in PARTS)
    twice = saved(tiny, 2 * batch, tokens)
    assert twice["feed_forward"] == 2 * kept["feed_forward"] and twice["norms"] == 2 * kept["norms"]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny.modules())


def test_scores_that_are_written_out_are_kept_as_well(tiny: MiniMind) -> None:
    config, tokens = tiny.config, 16
    fused = saved(tiny, 1, tokens)
    written = saved(tiny.use_attention("eager"), 1, tokens)
    scores = config.num_layers * config.num_heads * tokens**2
    assert written["attention"] >= fused["attention"] + 0.9 * scores
    assert {part: written[part] for part in ("norms", "feed_forward", "head")} == {
        part: fused[part] for part in ("norms", "feed_forward", "head")
    }


def test_a_run_says_three_numbers(run: Run, text: Words) -> None:
    result: Any = run("activations", tokens=32, batch=1)
    shown = Activations().show(result, text)
    assert shown.sentence is not None
    assert shown.sentence["said"] < shown.sentence["formula"] <= shown.sentence["measured"]
    assert result["megabytes"]["fused"] == pytest.approx(4e-6 * 32 * sum(result["kept"]["fused"].values()))
    assert [len(shown.rows), list(shown.figures)] == [3, ["kept"]]
