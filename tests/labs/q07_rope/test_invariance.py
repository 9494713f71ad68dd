"""The rotation microscope: rotations, their pairings, what rounding does to a score, and what is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract import Shown
from labs.contract.registry import Registry
from labs.q07_rope.invariance import ARITHMETICS, STARTS
from labs.q07_rope.rotations import Rotation, interleaved_scores, to_interleaved, unrotated
from labs.runner.inline import InlineClient
from minimind_core.files.checkpoint import load_model
from minimind_core.model.rope import plain_inv_freq

EXPERIMENT = Registry.discover().find("q07/invariance")
THETA = plain_inv_freq(64, 1e6)
EXACT = Rotation(THETA, "fp64")
FAST = settings(deadline=None, max_examples=40)
ResultOf = Callable[[str], dict[str, Any]]
Show = Callable[[str, Any], Shown]


@pytest.fixture(scope="module")
def result(result_of: ResultOf) -> dict[str, Any]:
    return result_of("invariance")


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    queries, keys = torch.randn((2, 1, 64), dtype=torch.float64, generator=random)
    return queries, keys


def looked_at(result: dict[str, Any], **view: Any) -> dict[str, Any]:
    """The same run, looked at closely where `view` says."""
    return dict(EXPERIMENT.complete(EXPERIMENT.params.from_dict(view), result))


# One rotation


@FAST
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 2**32))
def test_rotations_keep_norms_and_add_up(first: int, second: int, seed: int) -> None:
    x, _ = drawn(seed)
    x /= x.norm()
    once = EXACT.turned(x, torch.tensor([first]))[0]
    assert abs(float(once.norm()) - 1) < 1e-12
    twice = EXACT.turned(once, torch.tensor([second]))[0]
    assert (twice - EXACT.turned(x, torch.tensor([first + second]))[0]).abs().max() < 1e-12
    assert torch.equal(EXACT.turned(x, torch.tensor([0]))[0], x)


def test_norms_hold_in_fp32_too() -> None:
    x = torch.randn(64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turned = Rotation(THETA, "fp32").turned(x, torch.tensor([7, 511, 32_767]))
    assert (turned.norm(dim=-1) / x.norm(dim=-1) - 1).abs().max() < 1e-6


@FAST
@given(st.integers(0, 100_000), st.integers(0, 511), st.integers(0, 2**32))
def test_scores_depend_on_the_distance_only(start: int, distance: int, seed: int) -> None:
    at = EXACT.scores(*drawn(seed), torch.tensor([0, start]), distance)[:, 0]
    assert abs(float(at[1] - at[0])) < 1e-9


@FAST
@given(st.integers(0, 10_000), st.integers(0, 511), st.integers(0, 2**32))
def test_halves_and_neighbours_are_one_rotation_permuted(start: int, distance: int, seed: int) -> None:
    queries, keys = drawn(seed)
    half = EXACT.scores(queries, keys, torch.tensor([start]), distance)[0]
    moved = interleaved_scores(to_interleaved(queries), to_interleaved(keys), start, distance, THETA)
    assert (half - moved).abs().max() < 1e-10  # at positions of ten thousand an angle has lost four digits
    order = to_interleaved(torch.arange(64)[None])[0]
    assert order[:4].tolist() == [0, 32, 1, 33]


def test_real_queries_and_keys_are_the_models_own(client: InlineClient) -> None:
    loaded = load_model("nano-rope")
    ids = torch.arange(3, 23)[None]
    projected: list[tuple[torch.Tensor, ...]] = []
    hook = loaded.model.model.layers[2].self_attn.register_forward_hook(
        lambda module, inputs, _output: projected.append(module.project(inputs[0]))
    )
    with torch.inference_mode():
        loaded.model(ids)
    hook.remove()
    queries, keys = unrotated(loaded, ids, 2, 6)
    assert torch.equal(queries.float(), projected[0][0].view(20, 8, 32)[:, 6])
    assert torch.equal(keys.float(), projected[0][1].view(20, 2, 32)[:, 1])  # heads 4 to 7 read KV head 1
    job = client.submit("q07/invariance", {"vectors": "model", "layer": 3, "head": 7}, model="nano-rope")
    assert job.result is not None, job.error
    assert job.result["shown_pairs"] == [0, 5, 10] and job.result["error"]["fp64"].max() < 1e-9


# What is measured


def test_pairings_are_not_the_same_thing(result: dict[str, Any]) -> None:
    layouts = result["layouts"]
    assert layouts["difference"]["permuted"] < 1e-12 < 1 < layouts["difference"]["unpermuted"]
    np.testing.assert_allclose(layouts["permuted"], layouts["half_split"])
    assert abs(layouts["unpermuted"] - layouts["half_split"]).max() > 1


def test_the_microscope_sees_what_rounding_predicts(result: dict[str, Any]) -> None:
    for name in ARITHMETICS:
        ratio = result["error"][name] / result["formula"][name]
        assert ratio.min() > 0.1 and ratio.max() < 4, name
    error = {
        name: dict(zip(result["starts"], values, strict=True)) for name, values in result["error"].items()
    }
    assert error["fp64"][100_000] < 1e-9
    assert error["fp32"][1_000_000] > 50 * error["fp32"][1000] > 200 * error["fp32"][1]
    assert error["bf16_values"][100_000] < 2 * error["bf16_values"][100]
    assert error["bf16_angles"][1000] > 30 * error["bf16_values"][1000]


def test_the_chosen_start_and_arithmetic_are_read_closely(result: dict[str, Any]) -> None:
    assert set(STARTS) <= set(result["starts"])
    index = result["starts"].index(1000)
    for name in ARITHMETICS:
        view = looked_at(result, start=1000, arithmetic=name)["view"]
        assert view["index"] == index and view["moved"] == result["first"][name]["moved"][index]
        assert view["off"] == pytest.approx(abs(view["moved"] - view["unmoved"]) / result["spread"])
        assert view["typical"] == result["error"][name][index]
    assert abs(view["moved"] - view["unmoved"]) > 0.1  # bf16 angles: m and m + 1 are one position
    closely = EXPERIMENT.params.from_dict({"start": 1000, "arithmetic": "bf16_angles"})
    assert closely.measured() == EXPERIMENT.params().measured()  # looking closely is no new run


def test_arrows_turn_and_keep_their_angle_unless_in_bf16(result: dict[str, Any]) -> None:
    index = 1 + result["starts"].index(1000)
    between = {}
    for name in ("fp64", "bf16_angles"):
        arrows = result["arrows"][name][[0, index]]  # [2, pairs, 4]
        angles = np.arctan2(arrows[..., 1::2], arrows[..., ::2])  # [2, pairs, query and key]
        between[name] = np.angle(np.exp(1j * (angles[..., 1] - angles[..., 0])))
        assert abs(np.angle(np.exp(1j * (angles[1] - angles[0])))[0]).max() > 0.1  # the fast pair has turned
    np.testing.assert_allclose(between["fp64"][0], between["fp64"][1], atol=1e-5)
    assert abs(between["bf16_angles"][0] - between["bf16_angles"][1]).max() > 0.1


# What is shown


def test_numbers_are_the_errors_at_the_chosen_start(result: dict[str, Any], show: Show) -> None:
    labels = {"fp64": "fp64", "fp32": "fp32", "bf16_values": "bf16 values", "bf16_angles": "bf16 angles"}
    for start in (1, 100_000):
        index = result["starts"].index(start)
        shown = show("invariance", looked_at(result, start=start))
        expected = {labels[name]: float(result["error"][name][index]) for name in ARITHMETICS}
        assert shown.numbers == expected
        (row,) = (row for row in shown.rows if row["m"] == start)
        assert row == {"m": start, **expected}
    assert [row["m"] for row in shown.rows] == list(STARTS)


def test_the_sentence_is_about_fp32_at_a_million(result: dict[str, Any], show: Show) -> None:
    sentence = show("invariance", result).sentence
    assert sentence is not None and result["starts"][-1] == 1_000_000
    assert sentence["said"] == 0 < sentence["measured"] == 100 * result["error"]["fp32"][-1]
    assert sentence["formula"] == 100 * result["formula"]["fp32"][-1] and sentence["unit"] == "%"


def test_the_figure_draws_each_arithmetic_under_its_own_name(result: dict[str, Any], show: Show) -> None:
    figure = show("invariance", looked_at(result, start=1000, arithmetic="bf16_angles")).figures["error"]
    measured = [trace for trace in figure.data if trace["mode"] == "lines" and "hovertemplate" in trace]
    names = ["fp64", "fp32", "bf16 values", "bf16 angles"]
    assert [trace["hovertemplate"].partition("<br>")[0] for trace in measured] == names
    for trace, name in zip(measured, ARITHMETICS, strict=True):
        np.testing.assert_allclose([y or 0 for y in trace["y"]], result["error"][name])
    assert [note["text"] for note in figure.layout["annotations"]] == names
    (seen,) = (trace for trace in figure.data if trace["mode"] == "markers")
    assert (seen["x"], seen["y"]) == ([1000], [result["error"]["bf16_angles"][result["starts"].index(1000)]])
    of_model = show("invariance", {**result, "vectors": "model"}).figures["error"]
    assert {trace["meta"]["role"] for trace in of_model.data} == {"measured"}  # no formula for real vectors


def test_both_pairings_are_drawn_over_halves(result: dict[str, Any], show: Show) -> None:
    equal, unmoved, moved = show("invariance", result).figures["layouts"].data
    assert equal["x"] == equal["y"] and equal["meta"]["role"] == "formula"
    for trace, name in ((unmoved, "unpermuted"), (moved, "permuted")):
        assert trace["x"] == result["layouts"]["half_split"].tolist()
        assert trace["y"] == result["layouts"][name].tolist()
    assert (unmoved["name"], moved["name"]) == ("neighbours, same weights", "neighbours, dimensions moved")


def test_arrows_can_be_played_through_the_first_positions(result: dict[str, Any], show: Show) -> None:
    figure = show("invariance", result).figures["turning"]
    moving = figure.frames[0]["traces"]
    assert figure.layout["meta"]["play"] == "Turn from position 0 to 40" and len(figure.frames) == 41
    assert [figure.data[index]["meta"]["role"] for index in moving] == ["measured"] * 6
    for before, after in itertools.pairwise(figure.frames):  # the fast pair turns by one radian a position
        angles = [math.atan2(frame["data"][0]["y"][1], frame["data"][0]["x"][1]) for frame in (before, after)]
        assert (angles[1] - angles[0]) % (2 * math.pi) == pytest.approx(1, abs=1e-3)
