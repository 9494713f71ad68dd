"""The spectrum: the formula against independent claims, the core against the formula, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract import Shown
from labs.q07_rope import claims
from labs.q07_rope.spectrum import Spectrum, SpectrumParams

FORMULA = Spectrum().formula
Show = Callable[[str, Any], Shown]


def test_the_spectrum_agrees_with_the_independent_claims() -> None:
    result = FORMULA(SpectrumParams())
    assert result["full_turns"] == 11 == claims.full_turns()["turned"][0]
    assert result["bands"] == {"yarn": claims.yarn_bands(512), "custom": claims.yarn_bands(2048)}
    assert result["target"] == {"custom": 32_768, "yarn": 8192}
    sharpened = claims.temperature()
    assert result["temperature"]["yarn"] == pytest.approx(
        {name: sharpened[name] for name in ("factor", "logits")}
    )
    assert result["temperature"]["custom"]["factor"] == 1
    assert result["wavelength"][-1] == pytest.approx(claims.spectrum()["wavelength"])
    turned = [FORMULA(SpectrumParams(length=length))["full_turns"] for length in (512, 2048, 8192, 32_768)]
    assert turned == claims.full_turns()["turned"]
    assert FORMULA(SpectrumParams(temperature=False))["temperature"]["yarn"]["factor"] == 1
    assert "custom" not in FORMULA(SpectrumParams(custom=""))["multipliers"]


def test_the_cores_tables_are_the_formulas(result_of: Callable[[str], dict[str, Any]]) -> None:
    result = result_of("spectrum")
    assert set(result["core"]) == {"pi", "ntk", "yarn", "custom", "wavelength"}
    assert max(result["core"].values()) < 1e-12
    assert result["full_turns"] == 11
    assert result["measured_wavelength"] == pytest.approx(result["wavelength"], rel=1e-12)


def test_a_core_that_is_off_is_seen(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    from minimind_core.model import rope

    right = rope.yarn_keep_share
    monkeypatch.setattr(rope, "yarn_keep_share", lambda *given: right(*given) * 0.999)
    job = client.submit("q07/spectrum")
    assert job.result is not None, job.error
    assert job.result["core"]["yarn"] > 1e-4 > job.result["core"]["ntk"]


def test_the_spectrum_is_drawn_without_a_run(show: Show) -> None:
    shown = show("spectrum", FORMULA(SpectrumParams(length=2048)))
    wavelength, multipliers = shown.figures["wavelength"], shown.figures["multipliers"]
    bars = {trace["name"]: trace for trace in wavelength.data if trace["type"] == "bar"}
    assert list(bars) == ["a full turn within the length (14)", "no full turn (18)"]
    assert max(bars["a full turn within the length (14)"]["y"]) <= 2048 < min(bars["no full turn (18)"]["y"])
    assert {trace["meta"]["role"] for trace in multipliers.data} == {"formula"}
    assert [trace["name"] for trace in multipliers.data] == ["PI", "NTK", "YaRN", "dictionary"]
    assert shown.sentence is None
    assert shown.notes == [
        "YaRN keeps 3 pairs, joins 8 by the ramp and divides 21; it targets 8,192 tokens and multiplies cos "
        "and sin by 1.277, logits by 1.631.",
        "The dictionary keeps 6, joins 8, divides 18; it targets 32,768 tokens.",
    ]


def test_a_run_shows_the_cores_numbers(result_of: Callable[[str], dict[str, Any]], show: Show) -> None:
    result = result_of("spectrum")
    shown = show("spectrum", result)
    assert shown.numbers == {"a full turn within the length": 11, "no full turn": 21}
    assert shown.sentence == {"said": 32, "formula": 11, "measured": 11, "unit": ""}
    (core,) = (trace for trace in shown.figures["wavelength"].data if trace.get("name") == "the model's code")
    assert core["meta"]["role"] == "measured" and core["y"] == result["measured_wavelength"]
    assert len(shown.notes) == 3 and "agree" in shown.notes[2]
    assert [row["pair"] for row in shown.rows] == list(range(32))
    last = shown.rows[-1]
    assert last["YaRN"] == 1 / 16 == last["PI"] and last["turns"] == 512 / result["wavelength"][-1]
