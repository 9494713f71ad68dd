"""Operations, the first loss, gradients, norms and the second softmax, each against what it has to be."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from labs.contract import Words
from labs.q05_shapes import double_softmax, first_loss, flops
from labs.q05_shapes.double_softmax import CONFIG, DoubleSoftmax, DoubleSoftmaxParams
from labs.q05_shapes.flops import Flops
from labs.q05_shapes.qk_norm import SCALES
from labs.q05_shapes.residual import _passed
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, forward_flops
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run


def test_the_counter_sees_the_formula_and_no_fused_product(
    run: Run, text: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = (1, 512)
    monkeypatch.setattr(flops, "LENGTHS", lengths)
    result = run("flops")
    config = ModelConfig()
    assert result["counted"] == {str(length): forward_flops(config, 1, length) for length in lengths}
    pair = attention_flops_per_pair(config)
    assert result["fused"] == {
        str(length): forward_flops(config, 1, length) - pair * length**2 for length in lengths
    }
    shown = Flops().show(result, text)
    sentence = shown.sentence
    assert sentence is not None and sentence["formula"] == sentence["measured"] > sentence["said"]
    square, causal, _half = shown.figures["share"].data
    assert "3,152" in square["name"] and "6,303" in causal["name"]  # Q5-C25, which counts in integers
    assert square["y"][0] == causal["y"][0] and square["y"][-1] > causal["y"][-1] > 0.5


def test_the_first_loss_is_near_its_formula(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        first_loss, "ModelConfig", partial(ModelConfig, num_layers=2)
    )  # depth changes nothing
    result = run("first_loss", tokens=64)
    expected, spread = math.log(6400) + 512 * 0.02**2 / 2, 512**0.5 * 0.02 / 64**0.5
    assert result["at_usual"] == result["losses"]["tied"]["0.02"] == pytest.approx(expected, abs=4 * spread)
    assert result["losses"]["untied"]["0.02"] == pytest.approx(expected, abs=4 * spread)
    for losses in result["losses"].values():
        assert losses["0.08"] > losses["0.04"] + 0.5 > losses["0.01"] + 0.6, "larger weights, larger loss"


def test_gradients_along_the_stream_are_those_of_autograd(tiny: MiniMind) -> None:
    rows = torch.tensor([[4, 8, 15, 16, 23, 42]])
    passed = _passed(tiny.requires_grad_(False), rows)
    embedded = tiny.model.embed_tokens(rows[:, :-1]).detach().requires_grad_()
    handle = tiny.model.embed_tokens.register_forward_hook(lambda *_: embedded)
    loss = cross_entropy(tiny(rows[:, :-1])[0], rows[0, 1:])
    (gradient,) = torch.autograd.grad(loss, embedded)
    handle.remove()
    assert passed["gradients"][0] == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert passed["loss"] == pytest.approx(float(loss.detach()), rel=1e-6)
    assert passed["activations"][0] == pytest.approx(float(embedded.detach().pow(2).mean().sqrt()), rel=1e-6)
    assert len(passed["gradients"]) == len(passed["activations"]) == tiny.config.num_layers + 1


def test_every_number_of_layers_is_passed(run: Run) -> None:
    passes = run("residual", tokens=16)["passes"]
    assert list(passes) == ["0", "1", "2", "4"]  # the small model has four layers
    assert all(math.isfinite(value) for one in passes.values() for value in one["gradients"])


def test_scores_grow_with_the_square_and_not_at_all_behind_a_norm(run: Run) -> None:
    result = run("qk_norm", text="abcdef")
    assert result["bound"] == pytest.approx(math.sqrt(32))
    plain = result["probes"]["plain"]
    assert plain["2"]["score"] == pytest.approx(4 * plain["1"]["score"], rel=0.2)  # later layers read others
    for scale in map(str, SCALES):
        probe = result["probes"]["normed"][scale]
        assert probe["score"] <= result["bound"] * (1 + 1e-5)
        assert probe["score"] == pytest.approx(result["probes"]["normed"]["32"]["score"], rel=0.01)


def test_two_softmaxes_trap_the_printed_loss(run: Run, text: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double_softmax, "BATCH", 6)
    result = run("double_softmax", steps=40)
    floor, ceiling = result["floor"], result["ceiling"]
    perfect = torch.zeros(1, CONFIG.vocab_size)
    perfect[0, 3] = 1.0  # the probabilities of a perfect prediction, taken for logits
    assert float(cross_entropy(perfect, torch.tensor([3]))) == pytest.approx(floor, abs=1e-5)
    assert float(cross_entropy(perfect, torch.tensor([4]))) == pytest.approx(ceiling, abs=1e-5)
    for kind in ("double_adamw", "double_sgd"):
        assert all(floor < reading["printed"] < ceiling for reading in result["curves"][kind])
    last = {kind: curve[-1] for kind, curve in result["curves"].items()}
    assert last["plain_adamw"]["printed"] == last["plain_adamw"]["true"]
    assert last["double_adamw"]["confidence"] > 5 * last["plain_adamw"]["confidence"]
    assert last["double_sgd"]["printed"] == pytest.approx(
        result["curves"]["double_sgd"][0]["printed"], abs=0.02
    )
    assert {curve[0]["true"] for curve in result["curves"].values()} == {last_first(result)}
    shown = DoubleSoftmax().show(result, text)
    assert shown.sentence is not None and shown.sentence["formula"] == floor
    before = result["curves"]["double_sgd"][0]["accuracy"]
    assert last["double_sgd"]["accuracy"] == pytest.approx(before, abs=0.01), "SGD stays where it began"
    assert f"right for {before:.1%}" in shown.notes[2] and "ends where it began" in shown.notes[2]
    result["curves"]["double_sgd"][-1]["accuracy"] = before + 0.1
    assert "ends where it began" not in DoubleSoftmax().show(result, text).notes[2]


def last_first(result: dict[str, dict[str, list[dict[str, float]]]]) -> float:
    """The first reading's loss: all four models begin as one."""
    return result["curves"]["plain_adamw"][0]["true"]


def test_curves_are_drawn_while_they_grow(text: Words) -> None:
    reading = {"step": 0, "printed": 6.9, "true": 6.9, "accuracy": 0.1, "confidence": 0.1}
    experiment = DoubleSoftmax()
    partials = [{"kind": "plain_adamw", "reading": reading}]
    shown = experiment.show(experiment.so_far(DoubleSoftmaxParams(), partials), text)
    assert shown.figures["printed"].data and shown.sentence is None
