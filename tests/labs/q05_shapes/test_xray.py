"""The X-ray sees what the model really has, and the drawing's boxes stay blank until they are filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labs.contract import Words
from labs.contract.experiment import Shown
from labs.q05_shapes.hooks import count_kinds, traced_shapes
from labs.q05_shapes.mistakes import usual_mistakes
from labs.q05_shapes.outline import STEPS, as_usually_drawn, matrices, shapes, total, typed_shapes
from labs.q05_shapes.xray import XRay, XRayParams
from labs.tools.models import untrained
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run

DRAWING = (
    "[2,5,512] [2,5,512] [2,5,128] [2,8,5,64] [2,2,5,64] [2,8,5,64] "
    "[2,8,5,5] [2,8,5,64] [2,5,512] [2,5,1408] [2,5,512] [2,5,6400]"
)


def test_the_real_model(run: Run) -> None:
    result = run("xray")
    formula = XRay().formula(XRayParams())
    assert result["shapes"] == formula["shapes"] and result["every_layer_equal"]
    assert result["parameters"] == formula["parameters"]
    assert result["parameters"]["total"] == num_parameters(ModelConfig())
    assert sorted(result["matrices"], key=str) == sorted(formula["matrices"], key=str)
    assert result["flops"]["counted"] == result["flops"]["formula"] == formula["flops"]["formula"]
    assert result["flops"]["fused"] < result["flops"]["formula"]  # the CPU's kernel hides its products
    assert result["score_elements"] == formula["score_elements"]
    assert result["feed_forward_width"] == formula["feed_forward_width"]
    assert (result["tensors"], result["linears"]) == (9 * 8 + 2, 7 * 8 + 1)
    assert result["attention_difference"] < 1e-4


def test_hooks_see_the_shapes_of_a_shape_that_nothing_is_written_for(tiny: MiniMind) -> None:
    with torch.inference_mode():
        layers, logits = traced_shapes(tiny, torch.zeros(3, 4, dtype=torch.int64))
        assert torch.allclose(logits, tiny(torch.zeros(3, 4, dtype=torch.int64)), atol=1e-5)
    assert layers == [shapes(tiny.config, 3, 4)] * 3
    assert not any(module._forward_hooks for module in tiny.modules()), "a hook was left behind"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_weights_are_those_of_the_formula(tied: bool, kv_heads: int, tiny: MiniMind) -> None:
    config = tiny.config.replace(num_kv_heads=kv_heads, tie_word_embeddings=tied)
    model = untrained(config, "cpu")
    by_name = {kind["name"]: kind for kind in matrices(config)}
    assert {kind["name"]: kind for kind in count_kinds(model)} == by_name
    assert total(matrices(config)) == num_parameters(config)


def test_the_usual_drawing_lacks_one_matrix_and_has_another_width() -> None:
    config = ModelConfig()
    narrower = config.replace(intermediate_size=1365)
    assert as_usually_drawn(config) == num_parameters(narrower) - 8 * 512 * 512


def bars(shown: Shown, role: str) -> dict[str, str]:
    """Labels of the boxes by their step."""
    traces = [trace for trace in shown.figures["steps"].data if trace.get("meta", {}).get("role") == role]
    return {
        STEPS[int(name.split()[0]) - 1]: label
        for trace in traces
        for name, label in zip(trace["y"], trace["text"], strict=True)
    }


def show(text: Words, **view: object) -> Shown:
    params = XRayParams(**view)  # type: ignore[arg-type]
    experiment = XRay()
    return experiment.show(experiment.complete(params, experiment.formula(params)), text)


def test_boxes_are_blank_or_as_filled_in_until_they_are_revealed(text: Words) -> None:
    assert bars(show(text), "formula") == {} == bars(show(text), "predicted")
    filled = bars(show(text, drawing=DRAWING), "predicted")
    assert set(filled) == set(STEPS) and not any(sign in "".join(filled.values()) for sign in "✓✗")
    assert bars(show(text, drawing=DRAWING), "formula") == {}


def test_revealed_each_box_has_its_verdict(text: Words) -> None:
    right = bars(show(text, drawing=DRAWING, reveal=True), "formula")
    assert set(right) == set(STEPS) and all(label.endswith("✓") for label in right.values())
    wrong = show(text, drawing="[2,5,512] [?] [2,5,512]", reveal=True)
    assert bars(wrong, "predicted") == {"kv_linear": "[2, 5, 512] ✗"}
    assert bars(wrong, "formula")["embedding"] == "[2, 5, 512] ✓"
    assert bars(wrong, "formula")["scores"] == "[2, 8, 5, 5]"
    assert set(bars(show(text, reveal=True), "formula")) == set(STEPS)


@pytest.mark.parametrize("feed_forward", [1365, 1408])
@pytest.mark.parametrize("kv_heads", [1, 2, 4, 8])
@pytest.mark.parametrize(("batch", "tokens"), [(1, 1), (2, 5), (8, 8), (1, 64), (8, 512)])
def test_every_box_offers_its_shape_and_usual_mistakes(
    batch: int, tokens: int, kv_heads: int, feed_forward: int
) -> None:
    params = XRayParams(batch=batch, tokens=tokens, kv_heads=kv_heads, feed_forward=feed_forward)
    right = shapes(params.config(), batch, tokens)
    for step, offered in params.offered().items():
        assert right[step] in offered and 2 <= len(offered) <= 4, step
        assert len(set(map(tuple, offered))) == len(offered) and all(min(shape) > 0 for shape in offered)
    assert [batch, tokens, 1365] in params.offered()["inner"]  # eight thirds, not rounded up: Q5-C5


@pytest.mark.parametrize("feed_forward", [1365, 1408])
def test_every_usual_mistake_has_its_reason(feed_forward: int, text: Words) -> None:
    params = XRayParams(batch=3, tokens=7, feed_forward=feed_forward)
    usual = usual_mistakes(params.config(), 3, 7)
    for step, mistakes in usual.items():
        place = STEPS.index(step)
        for name, shape in mistakes.items():
            filled = replace(params, drawing="[?] " * place + str(list(shape)), reveal=True)
            view = XRay().complete(filled, XRay().formula(filled))["view"]
            assert view["reasons"] == {step: f"mistake.{name}"} and text(f"mistake.{name}")
            hidden = replace(filled, reveal=False)
            assert not XRay().view(hidden, XRay().formula(hidden))["reasons"]
    right = replace(
        params, drawing=" ".join(map(str, XRay().formula(params)["shapes"].values())), reveal=True
    )
    assert XRay().view(right, XRay().formula(right))["reasons"] == {}


def test_where_the_right_shape_stands_says_nothing() -> None:
    offered, right = XRayParams().offered(), shapes(ModelConfig(), 2, 5)
    places = [offered[step].index(right[step]) for step in STEPS]
    assert max(map(places.count, places)) <= len(STEPS) // 2


@pytest.mark.parametrize("tied", [True, False])
def test_areas_are_the_weights_of_the_table_and_fill_what_holds_them(tied: bool, text: Words) -> None:
    shown = show(text, tied=tied)
    (areas,) = shown.figures["parts"].data
    size = dict(zip(areas["ids"], areas["values"], strict=True))
    held = dict(zip(areas["ids"], areas["parents"], strict=True))
    for group in (name for name, parent in held.items() if not parent):
        inside = [size[name] for name, parent in held.items() if parent == group]
        assert not inside or sum(inside) == size[group]
    *matrices_of_table, everything = shown.rows
    assert sum(size[name] for name, parent in held.items() if not parent) == everything[text("weights")]
    leaves = sorted(weights for name, weights in size.items() if name not in held.values())
    assert leaves == sorted(row[text("weights")] for row in matrices_of_table)
    (missing,) = [name for name, role in zip(size, areas["meta"]["roles"], strict=True) if role == "removed"]
    assert missing == "o_proj" and "0.0%" not in areas["text"]


@pytest.mark.parametrize(
    "drawing",
    [
        "2,5,512; 2x5x512; 2 5 128",
        "（2，5，512）；(2,5,512);(2,5,128)".replace("（", "(").replace("）", ")"),
        "[2 × 5 × 512]\n[2,5,512]\n[2,5,128]",
    ],
)
def test_a_drawing_may_be_typed_in_several_ways(drawing: str) -> None:
    typed = typed_shapes(drawing, shapes(ModelConfig(), 2, 5))
    assert [step for step, box in typed.items() if box["right"]] == list(STEPS[:3])


@given(st.text(max_size=400))
def test_nothing_that_is_typed_is_an_error(drawing: str) -> None:
    typed = typed_shapes(drawing, shapes(ModelConfig(), 2, 5))
    assert set(typed) <= set(STEPS)


def test_what_cannot_be_run_is_said_in_one_sentence(refused: Callable[..., str]) -> None:
    assert "Question 4" in refused("xray", tokens=513)
    assert "1 to 512" in refused("xray", tokens=0)
    assert refused("xray", kv_heads=3) == (
        "8 query heads cannot be split over 3 KV heads; choose 1, 2, 4 or 8."
    )
    assert "at most 8" in refused("xray", batch=9)
    assert "400" in refused("xray", drawing="5," * 500)
