"""Typed numbers: what the view makes of them, agreement with the core, and one sentence for bad text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from labs.contract import ParamError, Words
from labs.q13_sampling.manual import Manual, ManualParams, ManualResult, read_numbers
from minimind_core.decoding.sampling import filter_logits
from questions import load_question
from tests.labs.one_lab import REGISTRY, Run, completed

EXPERIMENT = Manual()
NUCLEUS = "0.5, 0.25, 0.15, 0.05, 0.03, 0.02"
BAD = [
    ("", "logits", "empty", {}),
    (" ，[ ] ", "logits", "empty", {}),
    ("8, seven, 6", "logits", "number", {"word": "seven"}),
    ("65%", "probabilities", "number", {"word": "65%"}),
    ("1_0", "logits", "number", {"word": "1_0"}),
    ("1, nan", "logits", "finite", {"word": "nan"}),
    ("-inf, 2", "logits", "finite", {"word": "-inf"}),
    ("1e999", "logits", "large", {"word": "1e999", "largest": "1,000,000"}),
    ("-2000000", "logits", "large", {"word": "-2000000", "largest": "1,000,000"}),
    ("0.5, -0.1, 0.6", "probabilities", "negative", {"word": "-0.1"}),
    ("0, 0", "probabilities", "zero", {}),
    ("1 " * 65, "logits", "many", {"count": 65, "most": 64}),
]


def view(numbers: str, numbers_are: str = "probabilities", **settings: Any) -> dict[str, Any]:
    return dict(shown_result(numbers, numbers_are, **settings)["view"])


def shown_result(numbers: str, numbers_are: str = "probabilities", **settings: Any) -> ManualResult:
    params = ManualParams.from_dict({"numbers": numbers, "numbers_are": numbers_are, **settings})
    return EXPERIMENT.complete(params, EXPERIMENT.formula(params))


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.5, "top_p": 0.9},
        {"temperature": 2.0, "top_p": 0.8},
        {"temperature": 0.0, "top_p": 1.0},
        {"temperature": 0.0, "top_p": 0.3},
        {"temperature": 1.0, "top_p": 0.01},
        {"temperature": 3.0, "top_p": 1.0},
    ],
)
@pytest.mark.parametrize(
    ("text", "numbers_are"), [("3, 8, 6, 7, 2, -40", "logits"), ("3 1 0 4 2", "probabilities")]
)
def test_the_view_equals_the_core(text: str, numbers_are: str, settings: dict[str, float]) -> None:
    numbers = torch.tensor([float(word) for word in text.replace(",", " ").split()], dtype=torch.float64)
    logits = numbers if numbers_are == "logits" else numbers.log()
    expected = filter_logits(logits, **settings)
    seen = view(text, numbers_are, **settings)
    np.testing.assert_allclose(seen["probabilities"], expected.numpy()[seen["ids"]], rtol=1e-5, atol=1e-9)
    assert seen["kept_count"] == int((expected > 0).sum()) == seen["kept"].sum()
    assert seen["top_probability"] == pytest.approx(float(expected.max()))
    assert seen["entropy"] == pytest.approx(float(torch.special.entr(expected).sum()), abs=1e-9)
    assert (np.diff(seen["before"]) <= 1e-9).all() and (np.diff(seen["kept"]) <= 0).all()


def test_the_briefs_examples_come_out() -> None:
    printed = view("0.65, 0.12, 0.10, 0.08", top_p=0.9)
    assert (printed["kept_count"], printed["normalized"]) == (3, True)
    assert printed["typed_sum"] == pytest.approx(0.95)
    assert view("0.65, 0.12, 0.10, 0.08, 0.05", top_p=0.9)["kept_count"] == 4
    softmax = view("8, 7, 6, 3, 2", "logits", top_p=1.0)
    np.testing.assert_allclose(softmax["probabilities"], [0.6612, 0.2432, 0.0895, 0.0045, 0.0016], atol=5e-5)
    assert softmax["typed_sum"] is None and not softmax["normalized"]
    hot = view("8, 7, 6, 3, 2", "logits", temperature=2.0, top_p=1.0)
    assert hot["entropy"] == pytest.approx(1.232, abs=5e-4)


@pytest.mark.parametrize(
    ("rule", "top_p", "kept"),
    [
        ("definition", 0.9, 3),
        ("strict_shift", 0.9, 4),
        ("transformers", 0.9, 4),
        ("definition", 0.5, 1),
        ("strict_shift", 0.5, 2),
        ("transformers", 0.5, 1),
    ],
)
def test_a_tie_is_decided_by_the_rule(rule: str, top_p: float, kept: int) -> None:
    assert view(NUCLEUS, rule=rule, top_p=top_p)["kept_count"] == kept


@pytest.mark.parametrize(("dtype", "kept"), [("float64", 4), ("float32", 3)])
def test_the_dtype_decides_a_tie_of_transformers(dtype: str, kept: int) -> None:
    seen = view(NUCLEUS, rule="transformers", dtype=dtype, top_p=0.9)
    assert seen["kept_count"] == kept
    assert seen["rules"] == {"definition": 3, "strict_shift": 4, "transformers": kept}


@pytest.mark.parametrize(
    ("order", "kept"), [("temperature,top_p", [2, 2, 3]), ("top_p,temperature", [2, 2, 2])]
)
def test_the_order_decides_what_temperature_does_to_the_nucleus(order: str, kept: list[int]) -> None:
    seen = [
        view("8, 7, 6, 3, 2", "logits", order=order, temperature=temperature, top_p=0.9)
        for temperature in (0.5, 1.0, 2.0)
    ]
    assert [each["kept_count"] for each in seen] == kept
    ratio = seen[2]["probabilities"][0] / seen[2]["probabilities"][1]
    assert ratio == pytest.approx(np.exp(1 / 2), rel=1e-5), "the kept ones are tempered in either order"


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("8, 7, 6", "logits"),
        ("0.65, 0.12, 0.10, 0.08", "probabilities"),
        ("0.5, 0.2", "logits"),
        ("1.2, -0.2", "logits"),
        ("1", "probabilities"),
    ],
)
def test_numbers_are_read_as_what_they_look_like(text: str, read_as: str) -> None:
    assert view(text, "auto")["read_as"] == read_as
    assert view(text, "logits")["read_as"] == "logits"


@pytest.mark.parametrize("numbers_are", ["probabilities", "logits"])
def test_rounding_does_not_decide_the_definition(numbers_are: str) -> None:
    tenths = "0.1 " * 10  # nine of them sum to less than 0.9 in float64
    assert sum([0.1] * 9) < 0.9
    assert view(tenths, numbers_are, top_p=0.9)["kept_count"] == 9


def test_a_probability_of_zero_is_no_candidate() -> None:
    for temperature in (0.5, 1.0, 2.0):
        seen = view("0.5, 0, 0.5", temperature=temperature, top_p=1.0)
        assert seen["kept_count"] == 2 and seen["probabilities"].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    "text", ["8,7,-6.5", "[8; 7; -6.5]", "８，７、−6.5", " 8\n7\t-65e-1 ", "8., +7, -6.50"]
)
def test_separators_are_forgiven(text: str) -> None:
    assert read_numbers(text, "logits") == [8, 7, -6.5]


@pytest.mark.parametrize(("text", "numbers_are", "code", "values"), BAD)
def test_bad_text_is_one_sentence(text: str, numbers_are: str, code: str, values: dict[str, Any]) -> None:
    with pytest.raises(ParamError) as caught:
        ManualParams.from_dict({"numbers": text, "numbers_are": numbers_are})
    error = caught.value
    assert (error.code, error.field, error.values) == (code, "numbers", values)
    assert str(error).endswith(".") and ". " not in str(error)
    assert REGISTRY.strings("errors_zh")[error.key].format(**values)


def test_a_bad_address_falls_back_to_the_defaults() -> None:
    params, words = ManualParams.clamp({"numbers": "abc"})
    assert params == ManualParams() and "abc is not a number." in words[0].sentence


def test_the_extremes_stay_finite(recwarn: pytest.WarningsRecorder) -> None:
    typed = {"1e6 -1e6": "logits", "1e6 5e-324": "probabilities", "5e-324": "probabilities"}
    for text, numbers_are in typed.items():
        for temperature in (0.0, 1e-300, 1.0, 3.0):
            seen = view(text, numbers_are, temperature=temperature, top_p=1e-9)
            assert seen["kept_count"] == 1 and seen["top_probability"] == 1 and seen["entropy"] == 0
    assert not recwarn.list


def test_a_run_gives_what_the_formula_gives(run: Run) -> None:
    result = completed(run("manual", numbers="2 3", top_p=0.5))
    expected = shown_result("2 3", "auto", top_p=0.5)
    assert {name: np.asarray(value).tolist() for name, value in result["view"].items()} == {
        name: np.asarray(value).tolist() for name, value in expected["view"].items()
    }


def test_bars_and_table_show_the_typed_numbers(text: Words) -> None:
    shown = EXPERIMENT.show(shown_result("2 3", "logits", temperature=2.0, top_p=0.5), text)
    alone, kept, removed, labels, _ = shown.figures["candidates"].data
    assert [trace["meta"]["role"] for trace in (kept, removed, alone)] == ["measured", "removed", "peer"]
    cool, plain = 1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(-1))
    assert kept["x"] == [1.0] and removed["x"] == pytest.approx([1 - cool])
    assert alone["x"] == pytest.approx([plain, 1 - plain])
    assert [name for name, _ in kept["customdata"] + removed["customdata"]] == ["z₂ = 3", "z₁ = 2"]
    assert labels["text"] == [" 100.0% ", f" {1 - cool:.1%} "]
    assert shown.rows == [
        {
            "Token": "z₂ = 3",
            "as typed, T = 1": f"{plain:.5f}",
            "after the temperature": f"{cool:.5f}",
            "drawn from": "1.00000",
        },
        {
            "Token": "z₁ = 2",
            "as typed, T = 1": f"{1 - plain:.5f}",
            "after the temperature": f"{1 - cool:.5f}",
            "drawn from": "0.00000",
        },
    ]


def test_typing_never_starts_a_run() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"numbers": "1 2"},
        {"top_p": 0.2},
        {"numbers_are": "probabilities"},
    ]
    assert len({EXPERIMENT.key(EXPERIMENT.params.from_dict(each)) for each in settings}) == 1


def test_the_default_is_the_problems_own() -> None:
    assert read_numbers(ManualParams().numbers, "logits") == [
        float(z) for z in load_question("q13_sampling").given["logits"]
    ]  # type: ignore[union-attr]
