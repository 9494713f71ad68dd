"""The price of a character: counts priced by the formula, with a minimum inside."""

from __future__ import annotations

from typing import Any

import pytest

from labs.claims.recordings import recorded
from labs.q03_vocabulary import head
from labs.q03_vocabulary.curve import Curve, CurveParams
from labs.q03_vocabulary.head import ENTRIES, Head, HeadParams
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import Run, Show

SIZES = {"small": 1024, "ours": 6400, "16k": 16000, "32k": 32000, "64k": 64000, "large": 100000}


@pytest.fixture(scope="module")
def counts() -> dict[str, Any]:
    return dict(recorded("q03/curve")[0]["result"])


def view(counts: dict[str, Any], **settings: Any) -> Any:
    return Curve().view(CurveParams(**settings), counts)  # type: ignore[arg-type]


def test_a_price_is_the_tokens_times_their_operations(counts: dict[str, Any]) -> None:
    costs = view(counts)
    rate = counts["tokens_per_character"]["zh"]
    for name, entries in SIZES.items():
        token = 45.088768 + 1.024e-3 * entries + 0.016384
        assert costs["price"]["training"][name] == pytest.approx(rate[name] * token)
        assert costs["price"]["prompt"][name] == pytest.approx(rate[name] * (45.088768 + 0.016384))
        assert costs["price"]["decoding"][name] == pytest.approx(
            rate[name] * 2e-6 * (22_553_088 + 512 * entries)
        )
        assert costs["parameters"][name] == 22_553_088 + 512 * entries
    assert costs["expected"] == pytest.approx(0.8 * (45.105152 + 102.4) / (45.105152 + 6.5536))


def test_the_verdict_flips_with_what_is_paid_for(counts: dict[str, Any]) -> None:
    ours = view(counts)["least"]
    assert ours == {"training": "ours", "prompt": "large", "decoding": "ours"}
    larger = view(counts, hidden=2048, layers=48)
    order = list(SIZES)
    assert order.index(larger["least"]["training"]) > order.index("ours")
    assert larger["relative"]["training"]["large"] < 1 < view(counts)["relative"]["training"]["large"]


def test_the_axis_stays_while_the_sliders_move(counts: dict[str, Any], show: Show) -> None:
    axes = []
    for settings in ({}, {"hidden": 2048, "layers": 48, "language": "code"}, {"hidden": 128, "layers": 1}):
        result = {**counts, "view": view(counts, **settings)}
        shown = show("curve", result)
        figure = shown.figures["relative"]
        axes.append((figure.layout["xaxis"]["range"], figure.layout["yaxis"]["range"]))
        low, high = (10**edge for edge in figure.layout["yaxis"]["range"])
        assert all(low < y < high for trace in figure.data for y in trace["y"])
        assert shown.sentence is not None and shown.sentence["said"] == 0.8
        assert shown.sentence["measured"] == result["view"]["relative"]["training"]["large"]
    assert axes[0] == axes[1] == axes[2]


def test_the_head_is_timed_beside_its_formula(run: Run, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))  # five rounds are enough here
    result = run("head", tokens=1)
    assert list(result["ratio"]) == [str(entries) for entries in ENTRIES] == list(result["spread"])
    assert set(result["milliseconds"]) == {"body", *result["ratio"]}
    ratios = list(result["ratio"].values())
    assert 0 < ratios[0] < ratios[1] < ratios[2]
    formula = Head().formula(HeadParams())
    assert result["formula"] == formula and formula["ratio"]["100000"] == pytest.approx(2.2711, abs=1e-4)
    shown = show("head", result)
    assert shown.sentence is not None and shown.sentence["low"] <= shown.sentence["measured"]
    assert len(shown.rows) == 4
    for high, tokens, key in ((2.0, 1, "clock_one"), (2.0, 32, "clock"), (0.02, 32, "clock_launches")):
        other = {**result, "tokens": tokens, "spread": {"100000": {"median": 0.0, "low": 0.0, "high": high}}}
        other["spread"] |= {size: other["spread"]["100000"] for size in ("6400", "32000")}
        assert Head().show(other, lambda key, **values: key).notes[1] == f"note.{key}"  # type: ignore[arg-type]
