"""The percentages are those of the perplexities, and the specimen behaves as the question says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labs.contract.fields import ParamError
from labs.q04_long_text import extrapolation, readings, wavelengths
from labs.q04_long_text.claims import rotary_pairs
from labs.q04_long_text.extrapolation import LINES, ExtrapolationParams
from labs.tools.budgets import PerDevice
from labs.tools.models import untrained
from labs.tools.token_losses import token_losses
from minimind_core.model.config import PRESETS, RopeScaling
from minimind_core.model.rope import scaled_inv_freq
from tests.labs.one_lab import shown


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extrapolation, "DOCUMENTS", PerDevice(cpu=2, cuda=2))


def test_percentages_follow_from_the_perplexities(result: Callable[..., dict[str, Any]]) -> None:
    read = result("extrapolation", times=2)
    perplexity = read["perplexity"]
    assert {line: list(row) for line, row in perplexity.items()} == {line: ["128", "256"] for line in LINES}
    assert read["none_over_yarn_percent"] == pytest.approx(
        100 * (perplexity["none"]["256"] / perplexity["yarn"]["256"] - 1)
    )
    assert read["short_increase_percent"]["yarn"] == pytest.approx(
        100 * (perplexity["yarn"]["128"] / perplexity["none"]["128"] - 1)
    )
    assert perplexity["window"]["128"] == perplexity["none"]["128"]
    assert perplexity["none"]["256"] > perplexity["yarn"]["256"] > perplexity["window"]["256"]
    assert read["short_increase_percent"]["pi"] > read["short_increase_percent"]["yarn"] > 0
    low, high = read["none_over_yarn_range"].values()
    assert low <= read["none_over_yarn_percent"] <= high
    said = shown("q04/extrapolation", read)
    assert list(said.figures) == ["lengths", "short", "wavelengths"] and len(said.rows) == len(LINES)


def test_a_factor_of_one_is_no_treatment(result: Callable[..., dict[str, Any]]) -> None:
    read = result("extrapolation", times=2, factor=1)
    assert read["none_over_yarn_percent"] == pytest.approx(0, abs=0.01)
    assert read["short_increase_percent"] == pytest.approx({"pi": 0, "ntk": 0, "yarn": 0}, abs=0.01)


def test_without_rebuilt_tables_every_stretch_reads_like_none(result: Callable[..., dict[str, Any]]) -> None:
    read = result("extrapolation", times=2, rebuild=False)
    assert all(read["perplexity"][kind] == read["perplexity"]["none"] for kind in ("pi", "ntk", "yarn"))
    assert read["switched"]["built"] == 0.0 < read["switched"]["rebuilt"]  # by tables that are not read with
    assert any("No table was rebuilt" in note for note in shown("q04/extrapolation", read).notes)


def test_a_wrong_original_length_makes_another_yarn_and_is_told(
    result: Callable[..., dict[str, Any]],
) -> None:
    right, wrong = result("extrapolation", times=2), result("extrapolation", times=2, original=2048)
    assert right["original"] == 128 and wrong["original"] == 2048
    assert right["factor"] == 2 and wrong["factor"] == 1  # two times 128 lie far within 2,048
    assert wrong["perplexity"]["yarn"] == pytest.approx(wrong["perplexity"]["none"])
    assert right["perplexity"]["yarn"]["256"] < wrong["perplexity"]["yarn"]["256"]
    said = shown("q04/extrapolation", wrong).notes
    assert any("take 2,048 for the trained length, which is 128" in note for note in said)
    assert not any(
        "for the trained length, which" in note for note in shown("q04/extrapolation", right).notes
    )


def test_a_switch_in_the_configuration_of_a_built_model_does_nothing(
    result: Callable[..., dict[str, Any]],
) -> None:
    read = result("extrapolation", times=2)
    assert read["switched"]["built"] == 0.0 < 1e-3 < read["switched"]["rebuilt"]
    said = shown("q04/extrapolation", read)
    assert any("Compare the logits before" in note for note in said.notes)


def test_the_model_has_its_own_configuration_again_even_after_a_failure() -> None:
    model = untrained(PRESETS["byte-128"], "cpu").eval()
    own, ids = model.config, torch.arange(3, 40)
    longer = readings.stretched(model, readings.scaling_for("yarn", 4.0, 128))
    readings.after_building(model, ids, longer)
    longer.forward = None  # type: ignore[assignment,method-assign]
    with pytest.raises(TypeError):
        readings.after_building(model, ids, longer)
    assert model.config is own and model.model.config is own


def test_chunks_are_read_one_by_one_and_land_in_their_places() -> None:
    model = untrained(PRESETS["byte-128"], "cpu").eval()
    rows = torch.randint(3, 259, (2, 65), generator=torch.Generator().manual_seed(0))
    read = readings.chunk_losses(model, rows, 32, None, lambda: None)
    alone = token_losses(model, rows[1:, 32:65], lambda: None)[0]
    assert np.array_equal(read[1, 32:], alone)


def test_a_cpu_reads_no_more_than_it_can() -> None:
    params = ExtrapolationParams(specimen="nano-rope", times=16)
    assert params.lengths("cpu") == [512, 1024, 2048]
    assert params.lengths("cuda") == [512, 1024, 2048, 4096, 8192]


def test_a_factor_below_one_is_refused() -> None:
    with pytest.raises(ParamError, match="Factor below 1 would stretch positions"):
        ExtrapolationParams(factor=0.5)


def test_what_was_read_so_far_is_drawn() -> None:
    params = ExtrapolationParams()
    partials = [{"line": "none", "length": 128, "perplexity": 4.0}]
    so_far = extrapolation.Extrapolation().so_far(params, partials)
    assert so_far is not None and shown("q04/extrapolation", so_far).figures["lengths"].data


@pytest.mark.parametrize("original", [64, 128, 512, 2048])
@pytest.mark.parametrize("factor", [1.0, 4.0, 16.0])
@pytest.mark.parametrize(("head_dim", "theta"), [(64, 1e6), (32, 1e6), (32, 1e4)])
def test_wavelengths_are_those_of_the_tables_that_the_model_reads_with(
    head_dim: int, theta: float, factor: float, original: int
) -> None:
    scaling = RopeScaling("yarn", factor, original)
    of = wavelengths.pairs(head_dim, theta, original, scaling)
    for name, asked in (("plain", None), ("yarn", scaling)):
        frequencies, _ = scaled_inv_freq(head_dim, theta, asked)
        assert of[name] == pytest.approx(2 * np.pi / frequencies.numpy(), rel=1e-9)
    assert of["kept"] + of["blended"] + of["stretched"] == head_dim // 2


def test_the_pairs_of_the_question_are_those_of_its_claim() -> None:
    of = wavelengths.pairs(64, 1e6, 512, RopeScaling("yarn", 16.0, 512))
    claim = rotary_pairs()
    assert of["turned"] == claim["turns_512"] == 11
    assert {name: of[name] for name in ("kept", "blended", "stretched")} == {
        name: claim[name] for name in ("kept", "blended", "stretched")
    }


def test_miniminds_first_rule_jumps_where_yarn_slopes() -> None:
    """By hand: a pair is divided by the factor, or by 1 - (1 - 1/beta) / factor with beta from 1 to 4."""
    of = wavelengths.pairs(64, 1e6, 512, RopeScaling("yarn", 16.0, 512))
    stretched = of["earlier"] / of["plain"]
    for pair, wavelength in enumerate(of["plain"]):
        beta = 1 + 3 * pair / 31
        by_hand = 1 / (1 - (1 - 1 / beta) / 16) if wavelength <= 512 else 16
        assert stretched[pair] == pytest.approx(by_hand)
    assert of["spared"] == pytest.approx(stretched[10]) and stretched[11] == 16
    assert of["yarn"][10] / of["plain"][10] > 2 > 1.04 > of["spared"]
