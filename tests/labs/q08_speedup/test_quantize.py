"""Fewer bits: how far a weight may move, what the weights take, and what the text says of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q08_speedup import rounding
from labs.q08_speedup.quantize import WAYS
from labs.q08_speedup.torch_quantization import dynamic, static_modules
from labs.tools.models import TINY, untrained
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import OneLab, Show

MODEL = "random:byte-128"


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return OneLab("q08", MODEL).result("quantize", windows=2)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([2, 3, 4, 6, 8]), st.sampled_from([0, 16, 32]), st.integers(0, 99))
def test_no_weight_moves_by_more_than_half_a_step(bits: int, group: int, seed: int) -> None:
    weight = torch.randn(3, 64, generator=torch.Generator().manual_seed(seed))
    new = rounding.rounded(weight, bits, group)
    groups = weight.view(3, -1, group or 64)
    step = groups.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert bool(((new.view_as(groups) - groups).abs() <= step / 2 + 1e-6).all())
    assert max(len(row.unique()) for row in new.view_as(groups).flatten(0, 1)) <= 2**bits - 1
    assert torch.allclose(rounding.rounded(new, bits, group), new, atol=1e-6)


def test_a_row_that_is_not_of_whole_groups_is_one() -> None:
    weight = torch.randn(2, 48)
    assert torch.equal(rounding.rounded(weight, 4, 32), rounding.rounded(weight, 4, 0))
    assert torch.equal(rounding.rounded(torch.zeros(1, 4), 4, 0), torch.zeros(1, 4))


def test_bytes_of_the_26m() -> None:
    with torch.device("meta"):
        from minimind_core.model.minimind import MiniMind

        model = MiniMind(PRESETS["minimind-26m"])
    four, eight = (rounding.payload_bytes(model, bits, 32) for bits in (4, 8))
    norms = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() == 1)
    assert four["weights"] - 2 * norms == 12_914_944 - norms / 2
    assert eight["weights"] - 2 * norms == 2 * (four["weights"] - 2 * norms)
    assert four["scales"] == 2 * (25_829_888 - norms) / 32


def test_an_embedding_may_stay_as_it_is(result: dict[str, Any], show: Show) -> None:
    model = untrained(TINY, "cpu").eval()
    twin, errors = rounding.round_weights(model, 3, 32, embedding=False)
    assert torch.equal(twin.head_weight, model.head_weight) and "model.embed_tokens.weight" not in errors
    assert not torch.equal(twin.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight)
    all_of_it, layers = (rounding.payload_bytes(model, 3, 32, embedding=kept) for kept in (True, False))
    numbers = model.head_weight.numel()
    assert layers["weights"] - all_of_it["weights"] == numbers * (2 - 3 / 8)
    assert all_of_it["scales"] - layers["scales"] == 2 * numbers / 32
    own = OneLab("q08", MODEL).result("quantize", windows=2, embedding=False)
    assert own["ways"]["yours"]["perplexity"] != result["ways"]["yours"]["perplexity"]
    fixed = [{name: one["ways"][name]["perplexity"] for name in WAYS} for one in (own, result)]
    assert fixed[0] == fixed[1] and "embedding" not in result["ways"]["yours"]
    assert "3 bits, by 64, layers only" in str(show("quantize", own).rows[-1])


def test_loss_and_divergence_are_torchs_own() -> None:
    model, other = untrained(TINY, "cpu", seed=0).eval(), untrained(TINY, "cpu", seed=1).eval()
    rows = torch.randint(0, 300, (3, 9), generator=torch.Generator().manual_seed(0))
    truths, guesses = (rounding.read(one, rows[:, :-1], lambda _share: None) for one in (model, other))
    loss, divergence = rounding.loss_and_divergence(guesses, truths, rows[:, 1:])
    with torch.inference_mode():
        p, q = model(rows[:, :-1]), other(rows[:, :-1])
    assert loss == pytest.approx(float(F.cross_entropy(q.flatten(0, 1), rows[:, 1:].flatten())), rel=1e-5)
    p, q = (logits.flatten(0, 1).log_softmax(-1) for logits in (p, q))
    assert divergence == pytest.approx(
        float(F.kl_div(q, p, log_target=True, reduction="batchmean")), rel=1e-4
    )


def test_fewer_bits_and_larger_groups_move_more(result: dict[str, Any], show: Show) -> None:
    ways = result["ways"]
    assert list(ways) == [*WAYS, "yours"] and (ways["yours"]["bits"], ways["yours"]["group"]) == (3, 64)
    moved = {name: way["divergence"] for name, way in ways.items()}
    assert moved["int8"] < moved["int6"] < moved["int4_group"] < moved["int4_row"] < moved["yours"]
    for name, way in ways.items():
        rise = 100 * (way["perplexity"] / result["perplexity"] - 1)
        assert result["rise_percent"][name] == pytest.approx(rise) and math.isfinite(rise)
    drawn = show("quantize", result).figures["rise"].data[0]["x"]
    assert drawn == list(result["rise_percent"].values())


def test_torchs_own_calls(result: dict[str, Any], show: Show) -> None:
    assert result["torch"] == {"half": "RuntimeError", "prepared": 2, "unprepared": 0}
    assert dynamic(torch.float32) == "runs" and static_modules(prepared=False) == 0
    assert "leaves 2 int8 layers with prepare" in show("quantize", result).notes[1]
