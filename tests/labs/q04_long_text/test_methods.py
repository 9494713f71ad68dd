"""The readings of one text: what must be equal is, and a person sees what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labs.contract.fields import ParamError
from labs.q04_long_text import options, readings
from labs.q04_long_text.methods import MethodsParams
from labs.q04_long_text.methods_figures import WAYS
from labs.q04_long_text.own_document import read_document
from labs.tools.models import untrained
from labs.tools.token_losses import token_losses
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab, shown

SMALL = {"length": 1024, "read": 512, "window": 128, "stride": 64, "local": 32}


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return untrained(PRESETS["byte-128"], "cpu").eval()


@pytest.fixture(scope="module")
def row() -> torch.Tensor:
    return torch.randint(3, 259, (301,), generator=torch.Generator().manual_seed(1))


def nothing() -> None:
    """Nobody cancels."""


def test_one_window_is_the_whole_text(model: MiniMind, row: torch.Tensor) -> None:
    whole = token_losses(model, row[None], nothing)[0]
    assert np.array_equal(readings.overlapping(model, row, 300, 10, nothing), whole)
    assert np.array_equal(readings.disjoint(model, row, 400, nothing), whole)
    assert np.allclose(readings.local(model, row, 300, 0, nothing), whole, atol=1e-4)
    assert np.allclose(readings.local(model, row, 1, 300, nothing), whole, atol=1e-4)


def test_disjoint_windows_start_afresh_and_a_stride_as_wide_as_the_window_is_the_same(
    model: MiniMind, row: torch.Tensor
) -> None:
    read = readings.disjoint(model, row, 100, nothing)
    alone = token_losses(model, row[None, 100:201], nothing)[0]
    assert np.array_equal(read[100:200], alone)
    assert np.array_equal(read, readings.overlapping(model, row, 100, 100, nothing))


def test_overlapping_windows_score_a_token_after_what_two_windows_share(
    model: MiniMind, row: torch.Tensor
) -> None:
    read = readings.overlapping(model, row, 100, 40, nothing)
    second = token_losses(model, row[None, 40:141], nothing)[0]
    assert np.array_equal(read[100:140], second[60:])
    assert not np.isnan(read).any()


def test_the_end_of_a_text_is_read_after_three_beginnings(model: MiniMind, row: torch.Tensor) -> None:
    read = readings.tail(model, row, 100, nothing)
    after_text = token_losses(model, row[None, -100:], nothing)[0, -49:]
    assert read["after_text"] == pytest.approx(float(after_text.mean()), rel=1e-6)
    short = torch.cat([row[:50], row[:50], row[-50:]])  # what precedes is the head itself
    same = readings.tail(model, short, 100, nothing)
    assert same["after_head"] == pytest.approx(same["after_text"], rel=1e-6)
    assert same["alone"] == pytest.approx(read["alone"], rel=1e-6)


def test_a_factor_of_one_stretches_nothing(model: MiniMind, row: torch.Tensor) -> None:
    whole = token_losses(model, row[None], nothing)
    for kind in ("pi", "ntk", "yarn"):
        same = readings.stretched(model, readings.scaling_for(kind, 1.0, 128))
        assert np.allclose(token_losses(same, row[None], nothing), whole, atol=1e-5), kind
        other = readings.stretched(model, readings.scaling_for(kind, 4.0, 128))
        assert not np.allclose(token_losses(other, row[None], nothing), whole, atol=1e-5), kind


def test_a_run_reads_the_text_in_every_way(result: Callable[..., dict[str, Any]]) -> None:
    read = result("methods", **SMALL)
    assert read["windows"] == 15
    assert list(read["nats"]) == list(WAYS)
    full, disjoint, overlap = (read["nats"][way] for way in ("full", "disjoint", "overlap"))
    assert np.allclose(full[:4], disjoint[:4]) and np.allclose(full[:4], overlap[:4])  # the first 128 tokens
    assert not np.allclose(full[4:], disjoint[4:])
    said = shown("q04/methods", read)
    assert list(said.figures) == ["position", "prices", "share", "mask"]
    assert said.sentence is not None
    assert (said.sentence["said"], said.sentence["formula"], said.sentence["measured"]) == (8, 15, 15)
    assert not any("fits in one window" in note for note in said.notes)
    assert f"{read['tail']['after_head']:.2f} nats" in said.notes[2]
    assert "does not know what came first" in said.notes[3]


def test_a_reading_stands_where_its_price_and_its_perplexity_say(
    result: Callable[..., dict[str, Any]],
) -> None:
    perplexity = {way: 20.0 + place for place, way in enumerate(WAYS)}
    read = result("methods", **SMALL) | {"perplexity": perplexity}
    points = {
        trace["name"]: (trace["x"], trace["y"])
        for trace in shown("q04/methods", read).figures["tradeoff"].data
    }
    assert len(points) == len(WAYS)
    look = np.tril(np.ones((512, 512), bool))
    place = np.arange(512)
    for name, mask in {
        "whole": look,
        "window": look & (place[:, None] - place < 32),
        "window + sinks": look & ((place[:, None] - place < 32) | (place < 4)),
    }.items():
        assert points[name][0] == [pytest.approx(options.operations(512, int(mask.sum())) / 1e9, rel=1e-9)]
    assert points["whole, YaRN"][0] == points["whole"][0]
    assert points["overlapping"][1] == [perplexity["overlap"]]


def test_a_mean_of_windows_forgets_their_order_and_one_pass_does_not(
    model: MiniMind, row: torch.Tensor
) -> None:
    moved = readings.order_kept(model, row, 100, nothing)
    assert moved["windows"] < 1e-6 < 1e-3 < moved["whole"]
    same = readings.order_kept(model, row[:1].repeat(301), 100, nothing)  # nothing changes places
    assert same == {"windows": 0.0, "whole": 0.0}


def test_a_short_text_is_said_to_fit(result: Callable[..., dict[str, Any]]) -> None:
    said = shown("q04/methods", result("methods", length=64, window=64, stride=32, local=16))
    assert any("fits in one window" in note for note in said.notes)
    assert "tradeoff" not in said.figures, "nothing lies beyond the trained length"
    assert all(row["perplexity beyond the trained length"] == "–" for row in said.rows)


OWN = "人生若只如初见，何事秋风悲画扇。 The quick brown fox jumps over the lazy dog. 🦊\x07\n" * 6


def test_a_document_of_ones_own_is_read_and_priced_at_its_own_length(
    result: Callable[..., dict[str, Any]], lab: OneLab
) -> None:
    loaded = lab.client._host.model("random:nano-rope")
    ids = loaded.tokenizer.encode(OWN)
    read = result("methods", window=128, stride=64, local=32, document=OWN)
    assert read["document"] == {"characters": len(OWN), "tokens": len(ids), "priced": len(ids)}
    assert read["length"] == read["read"] == len(ids) > 128
    assert read["windows"] == options.window_count(len(ids), 128, 64)
    assert read["options"] == options.prices(len(ids), 128, 64, 32)
    row = torch.tensor([[loaded.config.bos_id, *ids]])
    nats = token_losses(loaded.model, row, nothing)[0]
    parts = [float(part.mean()) for part in np.array_split(nats, len(read["nats"]["full"]))]
    assert np.allclose(read["nats"]["full"], parts, rtol=1e-5)
    said = " ".join(shown("q04/methods", read).notes)
    assert f"of the {len(ids):,} tokens of your document ({len(OWN):,} characters)" in said


def test_blanks_are_no_document(result: Callable[..., dict[str, Any]]) -> None:
    assert "document" not in result("methods", length=64, window=64, stride=32, local=16, document=" \n ")


def test_a_document_is_refused_in_one_sentence(lab: OneLab) -> None:
    said = "Your document has only 5 tokens; paste at least 16, or nothing."
    assert lab.refused("methods", document="a b c") == said
    gaps = lab.refused("methods", length=64, window=64, stride=65, document="a b " * 60)
    assert gaps.startswith("Gaps: ")
    with pytest.raises(ParamError, match=r"has 1,000,000 characters; the most is 200,000"):
        MethodsParams(document="x" * 1_000_000)


def test_a_document_longer_than_what_is_priced_says_so(lab: OneLab) -> None:
    loaded, text = lab.client._host.model("random:nano-rope"), "a" + " b" * 40_000
    ids, said = read_document(loaded, text)
    assert len(ids) == 1 + said["priced"] == 32_769
    assert said["tokens"] == len(loaded.tokenizer.encode(text)) > 32_768
