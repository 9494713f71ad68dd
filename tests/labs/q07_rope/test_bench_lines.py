"""The lines of the length bench: how models read chunks, how far, and what stretches them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from labs.q07_rope import lengths
from labs.q07_rope.bench_lines import Line, mean_losses, past_the_table, with_longer_table
from labs.q07_rope.lengths import LengthsParams, lengths_for
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind


def small_model() -> MiniMind:
    torch.manual_seed(0)
    return MiniMind(PRESETS["byte-128"]).eval()


def test_reading_past_the_learned_table_raises_for_real() -> None:
    model = load_model("nano-learned").model
    assert past_the_table(model) == {
        "error": "IndexError",
        "message": "index out of range in self",
        "rows": 512,
        "position": 512,
    }
    longer = with_longer_table(model, 1024, seed=0)
    ids = torch.randint(3, 1000, (1, 600), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert longer(ids).isfinite().all()
        assert torch.equal(longer(ids[:, :512]), model(ids[:, :512]))
        with pytest.raises(IndexError):
            model(ids)
    assert past_the_table(longer)["rows"] == 1024


def test_the_same_tokens_are_scored_at_every_length() -> None:
    model, calls = small_model(), []
    documents = torch.randint(0, 256, (2, 65))
    line = Line("rope", lambda _length: model, (16, 32, 64))
    read = {length: line.read(length, documents, lambda: calls.append(1)) for length in line.lengths}
    assert [losses.shape for losses in read.values()] == [(2, 64)] * 3
    assert len(calls) == 4 * (8 + 4 + 2)  # a cancel is heard before each layer of each chunk
    with torch.inference_mode():
        logits = model(documents[:, 32:64])
    expected = -logits.log_softmax(-1).gather(-1, documents[:, 33:, None]).squeeze(-1)
    np.testing.assert_allclose(read[32][:, 32:], expected, rtol=1e-4)
    np.testing.assert_allclose(read[16][:, :16], read[64][:, :16], rtol=1e-4)  # the first have seen the same
    means = mean_losses(model, line.lengths, documents, lambda: None)
    assert means == pytest.approx({length: losses.mean() for length, losses in read.items()}, rel=1e-6)


def test_windows_and_offsets_reach_the_model() -> None:
    model, documents = small_model(), torch.randint(0, 256, (1, 65))

    def losses(**how: Any) -> Any:
        return Line("x", lambda _length: model, (64,), **how).read(64, documents, lambda: None)

    plain = losses()
    np.testing.assert_allclose(losses(offset=1000), plain, atol=1e-2)
    assert not np.array_equal(losses(offset=1000), plain)
    np.testing.assert_allclose(losses(window=64), plain, rtol=1e-5)
    narrow = losses(window=8)
    np.testing.assert_allclose(narrow[:, :8], plain[:, :8], rtol=1e-4)
    assert abs(narrow[:, 8:] - plain[:, 8:]).max() > 1e-3


def test_a_treatment_stretches_by_what_the_length_needs() -> None:
    def scalings(**settings: Any) -> dict[str, list[Any]]:
        params = LengthsParams(model="byte-128", others=False, **settings)
        lines = lengths._lines(params, small_model(), (128, 256, 512), None)  # type: ignore[arg-type]
        read = [
            (line.name, line.model(length).config.rope_scaling) for line in lines for length in line.lengths
        ]
        return {name: [scaling for line, scaling in read if line == name] for name, _ in read}

    suited, fixed = scalings(), scalings(factor=3, original=64, temperature=False)
    assert suited["rope"] == [None] * 3 == suited["window"] + suited["shifted"]
    for kind in ("pi", "ntk", "yarn"):  # nothing to stretch at the trained length
        assert [(each.kind, each.factor, each.original_length) for each in suited[kind]] == [
            (kind, 2, 128),
            (kind, 4, 128),
        ]
        assert [(each.factor, each.original_length) for each in fixed[kind]] == [(3, 64)] * 3
    assert {each.attention_factor for each in suited["yarn"]} == {None}
    assert {each.attention_factor for each in fixed["yarn"]} == {1.0}


def test_a_cpu_stops_at_2048_and_a_gpu_at_8192(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "free_bytes", lambda _device: 80e9)
    assert lengths_for(0, 512, "cpu") == (512, 1024, 2048) == lengths_for(8192, 512, "cpu")
    assert lengths_for(0, 512, "cuda") == (512, 1024, 2048, 4096, 8192)
    assert lengths_for(1024, 32_768, "cuda") == (512, 1024)
    monkeypatch.setattr(lengths, "free_bytes", lambda _device: 3e9)  # a small card: asked to, it tries
    assert lengths_for(0, 512, "cuda") == (512, 1024, 2048, 4096)
    assert lengths_for(8192, 512, "cuda")[-1] == 8192
    assert lengths_for(0, 128, "cpu") == (128, 256, 512, 1024, 2048)
