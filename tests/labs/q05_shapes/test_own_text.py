"""A text of one's own: lengths under RoPE, tensors and dropout, each against the model's own parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labs.contract import Words
from labs.q05_shapes import stepwise
from labs.q05_shapes.own_text import OwnText, _in_training
from labs.q05_shapes.rotation import Rotation
from labs.runner.inline import InlineClient
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run
from tests.labs.q05_shapes.conftest import MODEL

TEXT = "na\x07ïve 小猫 \U0001f642"
"""With a control character, two scripts and an emoji."""


def projected(client: InlineClient) -> Tensor:
    """The first layer's queries [T, H, D] before RoPE, from the model's own modules."""
    loaded = client._host.model(MODEL)
    model, ids = loaded.model, torch.tensor([loaded.prompt_ids(TEXT)])
    layer = model.model.layers[0]
    with torch.inference_mode():
        linear = layer.self_attn.q_proj(layer.input_layernorm(model.model.embed_tokens(ids)))
    return linear.unflatten(-1, (-1, loaded.config.head_dim))[0]


def test_rope_keeps_the_lengths_that_the_projection_made(run: Run, client: InlineClient) -> None:
    result = run("rotation", text=TEXT)
    own = projected(client).norm(dim=-1)[:, 0].numpy()  # of head 0
    np.testing.assert_allclose(result["lengths"]["queries"]["before"][0], own, rtol=1e-5)
    for lengths in result["lengths"].values():
        np.testing.assert_allclose(lengths["after"], lengths["before"], rtol=1e-5)
        assert lengths["before"].shape == (4, len(result["tokens"]))
    assert 0 <= result["drift"] < 1e-3 and result["values"] == 0


def test_a_sum_changes_them_as_adding_a_position_by_hand_does(run: Run, client: InlineClient) -> None:
    queries = projected(client)[:, 0]  # [T, D] of head 0
    place = torch.arange(len(queries))[:, None] / 10_000 ** (
        torch.arange(0, queries.shape[1], 2) / queries.shape[1]
    )
    position = torch.stack([place.sin(), place.cos()], -1).flatten(1)
    added = (queries + position).norm(dim=-1).numpy()
    np.testing.assert_allclose(run("rotation", text=TEXT)["lengths"]["queries"]["added"][0], added, rtol=1e-4)


def test_a_sign_that_is_lost_in_the_rotation_shows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return x * cos + torch.cat([*x.chunk(2, -1)[::-1]], -1) * sin

    monkeypatch.setattr(stepwise, "apply_rope", wrong)
    assert run("rotation", text=TEXT)["drift"] > 1


def test_rotation_tells_three_numbers_and_stays_within_the_model(run: Run, text: Words) -> None:
    result = run("rotation", view={"side": "keys", "layer": 8}, text="abcdef")
    assert result["view"]["layer"] == 4
    assert result["view"]["lengths"]["before"] == pytest.approx(
        result["lengths"]["keys"]["before"][3].tolist()
    )
    sentence = Rotation().show(result, text).sentence
    assert sentence == {
        "said": result["added"], "formula": 0.0, "measured": result["drift"], "unit": "%"
    }  # fmt: skip


def test_every_tensor_is_listed_with_its_bytes(run: Run, text: Words) -> None:
    result = run("own_text", text=TEXT)
    count = len(result["tokens"])
    assert result["characters"] == len(TEXT) and len(result["taps"]) == 4
    for taps in result["taps"]:
        shapes = {tap["step"]: tap["shape"] for tap in taps}
        assert shapes["scores"] == shapes["weights"] == [1, 4, count, count]
        assert all(tap["bytes"] == 4 * np.prod(tap["shape"]) for tap in taps)
        sizes = {tap["step"]: tap["rms"] for tap in taps}
        assert sizes["q"] == pytest.approx(sizes["q_rotated"], rel=1e-5), "turned, and as large"
    assert len(OwnText().show(result, text).rows) == 12


def test_the_stream_is_that_between_the_layers(run: Run, client: InlineClient) -> None:
    loaded = client._host.model(MODEL)
    ids, seen = torch.tensor([loaded.prompt_ids(TEXT)]), []
    handle = loaded.model.model.norm.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    with torch.inference_mode():
        loaded.model(ids)
        embedded = loaded.model.model.embed_tokens(ids)
    handle.remove()
    stream = run("own_text", text=TEXT)["stream"]
    for sizes, hidden in ((stream[0], embedded), (stream[-1], seen[0])):
        np.testing.assert_allclose(sizes, hidden[0].square().mean(-1).sqrt().numpy(), rtol=1e-4)


def test_dropout_does_nothing_at_its_default_and_something_at_another_rate(run: Run, tiny: MiniMind) -> None:
    result = run("own_text", text=TEXT)
    assert result["dropout"]["0.0"] == result["quiet"] == 0 < result["dropout"]["0.1"]
    ids = torch.tensor([[3, 4, 5, 6]])
    before = torch.random.get_rng_state()
    with torch.inference_mode():
        dropped = _in_training(tiny, ids, 0.5, seed=0)
        assert torch.equal(dropped, _in_training(tiny, ids, 0.5, seed=0))
        assert not torch.equal(dropped, tiny(ids))
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's random numbers change"
    assert not tiny.training and not tiny.model.embed_tokens._forward_hooks
