"""Question 10's experiments, most of them on small models: what each measures, streams, draws and refuses.

Of times nothing is asserted but that they are there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.claims.checks import value_at
from labs.contract import jsonable
from labs.contract import Params
from labs.contract.registry import LANGUAGES, Registry
from labs.q10_grad_scaler import analytic, ledger, limits, measure, ordering
from labs.q10_grad_scaler.cliff import last_safe_tokens, zero_share
from labs.q10_grad_scaler.formats import shares, summed
from labs.q10_grad_scaler.params import MemoryParams
from labs.q10_grad_scaler.passes import full_precision, half_precision
from labs.q10_grad_scaler.specimens import copied, outlier, untrained
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import PRESETS, ModelConfig
from questions import load_question

REGISTRY = Registry.discover()
MODEL = "random:byte-128"
SHAPE = PRESETS["byte-128"]
SMALL: dict[str, dict[str, Any]] = {
    "window": {},
    "scaler": {"overflows": "20"},
    "orders": {"accumulation": 2},
    "duel": {"steps": 20},
    "memory": {"batch": 5, "length": 32},
    "speed": {},
}


@pytest.fixture(scope="module")
def client() -> Iterator[InlineClient]:
    """The experiments of the 26M's shape have that of a small model here."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (measure, limits):
            patch.setattr(module, "ModelConfig", lambda: SHAPE)
        patch.setitem(measure.SPEED_SECONDS, "cpu", 0.1)
        yield InlineClient.start("cpu", model=MODEL, registry=REGISTRY)


@pytest.fixture(scope="module")
def jobs(client: InlineClient) -> dict[str, Job]:
    """Every experiment, run once with little to do."""
    return {name: client.submit(f"q10/{name}", params) for name, params in SMALL.items()}


def result_of(jobs: dict[str, Job], name: str, **view: Any) -> dict[str, Any]:
    job = jobs[name]
    assert job.state == "done", job.error
    assert job.params is not None and job.result is not None
    params = type(job.params).from_dict(job.params.to_dict() | view)
    return REGISTRY.find(f"q10/{name}").complete(params, job.result)


# The window


def test_the_cliff_is_measured_where_the_formula_has_it(jobs: dict[str, Job]) -> None:
    cliff = result_of(jobs, "window")["cliff"]
    assert cliff["last_safe"] == 5242 == analytic.last_safe_tokens()
    for tokens, share in zip(cliff["tokens"], cliff["zero_logits"], strict=True):
        assert share == pytest.approx(analytic.vanished(tokens), abs=1e-7)
    assert cliff["own_logits"] == sorted(cliff["own_logits"])


@pytest.mark.parametrize("vocabulary", [1024, 6400, 32_000])
def test_uniform_logits_lose_all_or_none(vocabulary: int) -> None:
    last = last_safe_tokens(vocabulary, "cpu")
    logits, targets = torch.zeros(4, vocabulary), torch.zeros(4, dtype=torch.int64)
    for tokens in (1, last, last + 1, 4 * last):
        gone = 1 / (vocabulary * tokens) <= 2**-25
        assert zero_share(logits, targets, tokens) == pytest.approx((vocabulary - 1) / vocabulary * gone)


@pytest.mark.parametrize("tokens", [5242, 5243])
def test_a_real_mean_over_all_rows_falls_off_the_same_cliff(tokens: int) -> None:
    """No factor here: so many rows, and torch's own mean."""
    logits = torch.zeros(tokens, 6400, dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", torch.float16):
        loss = F.cross_entropy(logits, torch.zeros(tokens, dtype=torch.int64))
    loss.backward()
    assert loss.dtype == torch.float32 and logits.grad is not None
    share = float((logits.grad == 0).float().mean())
    assert share == pytest.approx(analytic.vanished(tokens), abs=1e-6)


def test_fp16_does_what_the_moved_histogram_says(jobs: dict[str, Job]) -> None:
    """As long as nothing overflows: rounding inside the backward pass shifts a few numbers only."""
    result = result_of(jobs, "window")
    elements = {int(np.sum(numbers)) for numbers in result["fp16"]["counts"]["all"]}
    histogram, zeros = summed(result["places"], "all")
    assert elements == {int(histogram.sum() + zeros)}
    for place, exponent in enumerate(result["fp16"]["exponents"]):
        if result["fp16"]["nonfinite_gradients"][place] == 0:
            measured = result["fp16"]["counts"]["all"][place] / elements.copy().pop()
            expected = shares(histogram, zeros, exponent)
            assert measured[0] == pytest.approx(expected["zero"], abs=0.05)
            assert measured[1] == pytest.approx(expected["subnormal"], abs=0.05)
    lost = [int(row[0]) for row in result["fp16"]["counts"]["all"]]
    assert lost[0] > lost[3] > lost[6]


def test_groups_add_up_to_the_whole(jobs: dict[str, Job]) -> None:
    counted = result_of(jobs, "window")["fp16"]["counts"]
    assert set(counted) == {"all", "logits", *map(str, range(SHAPE.num_layers))}
    parts = sum(numbers for group, numbers in counted.items() if group != "all")
    assert np.array_equal(parts, counted["all"])


def test_the_loss_and_parameter_gradients_are_fp32_all_along(jobs: dict[str, Job]) -> None:
    dtypes = result_of(jobs, "window")["dtypes"]
    for name, between in (("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")):
        assert dtypes[name] == {
            "logits": between,
            "loss": "float32",
            "grad_output": between,
            "parameter_grad": "float32",
        }


def test_bf16_swallows_the_updates_of_the_claim(jobs: dict[str, Job]) -> None:
    absorbed = result_of(jobs, "window")["swallowed"]
    assert absorbed == {"fp32": 2**-24, "bf16": 2**-8, "fp16": 2**-11}
    claimed = load_question("q10_grad_scaler").claim("Q10-C28").value["swallowed"]  # type: ignore[index]
    assert round(absorbed["bf16"], 4) == float(claimed)


def test_moving_the_scale_needs_no_run(jobs: dict[str, Job]) -> None:
    still, moved = (result_of(jobs, "window", scale_exponent=k)["view"] for k in (0, 20))
    assert (still["shift"], moved["shift"]) == (-14, 6)
    assert still["shares"]["zero"] > 0.1 > moved["shares"]["zero"]
    fewer = result_of(jobs, "window", tokens_exponent=4, scale_exponent=10)["view"]
    assert fewer["shares"] == moved["shares"] and fewer["shift"] == moved["shift"]  # only the quotient counts
    wide = result_of(jobs, "window", precision="bf16")["view"]
    exact = result_of(jobs, "window", precision="fp32")["view"]["shares"]
    assert wide["shares"] == exact and exact["zero"] < 0.01 and exact["subnormal"] == 0
    logits = result_of(jobs, "window", where="logits")["view"]
    assert logits["shares"] == logits["layers"]["logits"] != still["shares"]
    assert result_of(jobs, "window", where="7")["view"]["where"] != "7"  # this model has fewer layers


def test_the_outlier_is_the_same_function_and_no_fp16_number_holds_it() -> None:
    model = load_model("nano-rope").model
    plain, rewritten = copied(model), outlier(copied(model))
    rows = torch.arange(3, 20)[None]
    losses = {
        name: [
            full_precision(one, rows)["loss"]
            if name == "fp32"
            else half_precision(one, rows, name, [0], lambda _share: None)["loss"]
            for one in (plain, rewritten)
        ]
        for name in ("fp32", "bf16", "fp16")
    }
    assert losses["fp32"][0] == losses["fp32"][1] and losses["bf16"][0] == losses["bf16"][1]
    assert losses["fp32"][0] == pytest.approx(losses["bf16"][0], rel=0.02)
    assert math.isfinite(losses["fp16"][0]) and math.isnan(losses["fp16"][1])


def test_no_scale_mends_the_outlier(client: InlineClient) -> None:
    job = client.submit("q10/window", {"specimen": "outlier"})
    assert job.result is not None, job.error
    assert all(bad > 0 for bad in job.result["fp16"]["nonfinite_gradients"])
    experiment = REGISTRY.find("q10/window")
    notes = experiment.notes(
        experiment.complete(experiment.params(), job.result), REGISTRY.strings("en").__getitem__
    )
    assert "NaN in FP16" in notes[-1]
    assert (
        job.result["loss"]["fp32"]
        == client.submit("q10/window", {"specimen": "trained"}).result["loss"]["fp32"]
    )  # type: ignore[index]


def test_hooks_may_see_nothing_while_a_weight_gradient_overflows() -> None:
    """The 26M, untrained, at 2^14 on the summed loss: the claim of the question, and its own note."""
    model = untrained(ModelConfig(), "cpu")
    rows = torch.randint(3, 6400, (1, 13), generator=torch.Generator().manual_seed(0))
    seen = [half_precision(model, rows, "fp16", [exponent], lambda _share: None) for exponent in (10, 14, 15)]
    assert seen[0]["nonfinite_gradients"] == [0] and seen[0]["hooks_finite"] == [True]
    assert any(one["hooks_finite"] == [True] and one["nonfinite_gradients"][0] > 0 for one in seen[1:])


# The scaler


def test_the_scaler_and_its_formula_agree(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "scaler")
    assert result["equal"] and result["skipped_steps"] == 7 == result["formula"]["skipped_steps"]
    assert result["applied"][:7].tolist() == [0] * 6 + [1] and result["applied"][19] == 0
    assert result["last_scale"] == 512 and not result["weight_is_nan"]
    assert result["sentence"]["measured"] == 7


@pytest.mark.parametrize(
    "params",
    [
        {"steps": 600, "growth_interval": 20},
        {"init_scale": 1e6, "growth_factor": 1.5, "backoff_factor": 0.35},
        {"fits_exponent": 24, "growth_interval": 1, "steps": 30},
        {"init_scale": 2.0**60},
    ],
)
def test_the_scaler_agrees_with_other_settings(client: InlineClient, params: dict[str, Any]) -> None:
    job = client.submit("q10/scaler", params)
    assert job.result is not None and job.result["equal"], job.error


def test_a_scale_of_zero_spoils_the_weight_and_says_so(client: InlineClient) -> None:
    job = client.submit("q10/scaler", {"steps": 170, "overflows": "1-166"})
    assert job.result is not None and job.result["equal"]
    assert job.result["last_scale"] == 0 and job.result["applied"][165:].tolist() == [0, 1, 1, 1, 1]
    assert job.result["weight_is_nan"]
    short = client.submit("q10/scaler", {"steps": 165, "overflows": "1-165"})
    assert short.result is not None and not short.result["weight_is_nan"]


# Orders


def test_only_the_right_order_hands_over_the_right_gradient(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "orders")
    orders = result["orders"]
    assert list(orders) == list(ordering.ORDERS) and result["scaling_is_exact"]
    assert orders["correct"]["relative_error"] < 0.02
    assert orders["correct"]["norm"] == pytest.approx(result["clipped_norm"], rel=0.01)
    assert orders["clip_first"]["norm"] == pytest.approx(1 / 65536, rel=0.01)
    assert orders["no_unscale"]["norm"] == pytest.approx(65536 * result["true_norm"], rel=0.01)
    assert orders["update_each"]["ran"] and orders["update_each"]["relative_error"] > 0.1
    assert not orders["unscale_each"]["ran"]
    assert orders["unscale_each"]["error"].startswith("RuntimeError: unscale_() has already been called")
    assert orders["fp16_parameters"]["error"] == "ValueError: Attempting to unscale FP16 gradients."


def test_without_accumulation_unscaling_each_is_right(client: InlineClient) -> None:
    job = client.submit("q10/orders", {"accumulation": 1})
    assert job.result is not None, job.error
    for name in ("correct", "unscale_each", "update_each"):
        assert job.result["orders"][name]["relative_error"] < 0.02, name


def test_a_power_of_two_costs_no_bit_and_another_factor_does() -> None:
    model, rows = load_model("nano-rope").model, torch.arange(3, 40)[None]
    assert ordering.scaling_is_exact(model, rows, 2.0**16)
    assert not ordering.scaling_is_exact(model, rows, 1000.0)


# The duel


def test_without_a_scaler_fp16_falls_behind_and_with_it_does_not(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "duel")
    final = result["final_loss"]
    assert {len(curve) for curve in result["curves"].values()} == {20}
    assert final["fp16_scaler"] == pytest.approx(final["fp32"], abs=0.02)
    assert final["bf16"] == pytest.approx(final["fp32"], abs=0.05)
    assert result["harm_without_scaler"] == final["fp16"] - final["fp32"] > 0.1
    assert result["zero_percent"]["fp16"] > 30 > 1 > result["zero_percent"]["fp16_scaler"]


def test_with_few_tokens_no_scaler_is_needed(client: InlineClient) -> None:
    job = client.submit("q10/duel", {"steps": 20, "tokens_exponent": 5})
    assert job.result is not None, job.error
    assert abs(job.result["harm_without_scaler"]) < 0.05


def test_a_sum_overflows_and_the_scaler_finds_its_scale(client: InlineClient) -> None:
    """A mean over one token is the plain sum: too large for 2^16, and each halving costs a step."""
    job = client.submit("q10/duel", {"steps": 20, "tokens_exponent": 0})
    assert job.result is not None, job.error
    skipped = job.result["skipped"]["fp16_scaler"]
    assert skipped > 0 and job.result["scale"][-1] == 65536 / 2**skipped
    assert job.result["skipped"]["fp16"] == 0


def test_the_duel_streams_curves_that_can_be_drawn(jobs: dict[str, Job]) -> None:
    job = jobs["duel"]
    assert [piece["step"] for piece in job.partials] == list(range(1, 21))
    experiment = REGISTRY.find("q10/duel")
    assert job.params is not None
    so_far = experiment.live(job.params, job.partials[:7])
    assert so_far is not None
    drawn = experiment.figures(so_far, REGISTRY.strings("en").__getitem__)
    assert [len(trace.y) for trace in drawn["loss"].data] == [7] * 4
    assert experiment.live(job.params, []) is None


# Bytes and speed


def test_states_are_16_bytes_a_parameter_with_and_without_autocast() -> None:
    model, rows = untrained(ModelConfig(), "cpu"), limits.random_rows(1, 4, "cpu")
    for dtype in (None, torch.bfloat16):
        found = ledger.states_after_step(model, rows, dtype)
        assert found.pop("counters") == 74 * 4
        assert found == analytic.states() and sum(found.values()) == 413_278_208
        kept = ledger.kept_for_backward(model, rows, dtype, lambda: None)
        assert kept["casts"] == (0 if dtype is None else 51_642_368)


def test_rows_that_were_not_run_weigh_what_the_others_do() -> None:
    model, shape = untrained(SHAPE, "cpu"), MemoryParams(batch=7, length=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "ModelConfig", lambda: SHAPE)
        for dtype in (None, torch.bfloat16):
            whole, part = (ledger.whole_batch(model, shape, dtype, rows, lambda: None) for rows in (7, 3))
            assert whole == part


def test_the_ledger_adds_up(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "memory")
    assert result["counted_by"] == "tensors"
    assert (result["small_batch"]["batch"], result["small_batch"]["length"]) == (1, 128)
    for where in ("small_batch", "chosen"):
        part = result[where]
        total, kept = part["total"], {name: each["activations"] for name, each in part["bytes"].items()}
        assert total["fp32"] == sum(result["states"]["fp32"].values()) + kept["fp32"]
        assert part["saved_percent"] == pytest.approx(100 * (1 - total["fp16"] / total["fp32"]))
        assert kept["fp16"] < kept["fp32"]
    assert result["states"]["fp16"] == result["states"]["fp32"]
    assert 2 * result["states"]["pure_bf16"]["moments"] == result["states"]["fp32"]["moments"]


def test_bf16_pays_in_digits(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "speed")
    assert 3 < result["gradient_error"]["bf16"] / result["gradient_error"]["fp16"] < 30
    for name in ("small_batch", "large_batch"):
        assert set(result[name]["milliseconds"]) == {"fp32", "fp16", "fp16_scaler", "bf16"}  # TF32 is CUDA's
        assert result[name]["gain"] > 0
        for spread in result[name]["spread"].values():
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]


# What the page needs


@pytest.mark.parametrize("name", SMALL)
def test_progress_comes_at_once_and_a_cancel_is_heard(name: str, client: InlineClient) -> None:
    heard: list[float] = []

    def watch(job: Job) -> None:
        heard.append(job.progress)
        if len(heard) > 3 and job.progress > 0.1:
            job.cancel()

    cancelling = InlineClient.start("cpu", model=MODEL, registry=REGISTRY, watch=watch)
    steps = {"steps": 2000} if name == "scaler" else SMALL[name]
    assert cancelling.submit(f"q10/{name}", steps).state == "cancelled"


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("scaler", {"init_scale": -1}, "The scale must be positive."),
        ("scaler", {"growth_interval": 0}, "Need at least one step."),
        ("scaler", {"backoff_factor": 1.0}, "Backoff must be below 1 and growth above 1."),
        ("memory", {"batch": 0}, "batch must be at least 1, not 0."),
    ],
)
def test_bad_input_is_one_sentence(
    client: InlineClient, name: str, params: dict[str, Any], sentence: str
) -> None:
    job = client.submit(f"q10/{name}", params)
    assert (job.state, str(job.error)) == ("failed", sentence)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_drawn_and_said(jobs: dict[str, Job], language: str) -> None:
    words = REGISTRY.strings(language).__getitem__
    for name in SMALL:
        experiment, result = REGISTRY.find(f"q10/{name}"), result_of(jobs, name)
        for figure in experiment.figures(result, words).values():
            assert figure.data and all((trace.meta or {}).get("role") for trace in figure.data)
            json.loads(figure.to_json())
        assert all("%(" not in note for note in experiment.notes(result, words))
        assert len({tuple(row) for row in experiment.table(result, words)}) <= 1
        assert all(math.isfinite(value) for value in experiment.numbers(result, words).values())


def test_the_scaler_is_drawn_before_any_run() -> None:
    experiment = REGISTRY.find("q10/scaler")
    formula = experiment.analytic(experiment.params())
    assert formula is not None and experiment.drawn_by_formula
    drawn = experiment.figures(formula, REGISTRY.strings("en").__getitem__)
    assert {trace.meta["role"] for figure in drawn.values() for trace in figure.data} == {"formula"}


def test_what_the_question_measures_is_there(jobs: dict[str, Job]) -> None:
    question = load_question("q10_grad_scaler")
    for entry in (*question.predictions, *question.claims):
        if entry.experiment is None or entry.measures is None:
            continue
        found = value_at(result_of(jobs, entry.experiment.partition("/")[2]), entry.measures)
        assert found not in (None, "", {}), entry.id


def test_results_fit_the_wire_and_words_are_complete(jobs: dict[str, Job]) -> None:
    catalogues = [REGISTRY.strings(language) for language in LANGUAGES]
    own = [{key for key in words if key.startswith("q10.")} for words in catalogues]
    assert own[0] == own[1]
    for name in SMALL:
        assert len(jsonable.dumps(result_of(jobs, name))) < 300_000
        experiment = REGISTRY.find(f"q10/{name}")
        labels = {spec.label for spec in experiment.params.specs()}
        assert labels | {experiment.title, experiment.title.replace(".title", ".about")} <= own[0]


def test_estimates_grow_with_the_work() -> None:
    def seconds(name: str, device: str, **params: Any) -> float:
        experiment = REGISTRY.find(f"q10/{name}")
        settings: Params = experiment.params.from_dict(params)
        return experiment.seconds(settings, device)  # type: ignore[arg-type]

    assert seconds("window", "cpu") <= 10
    for device in ("cpu", "cuda"):
        assert seconds("window", device, every=1) >= seconds("window", device, every=4)
        assert seconds("duel", device, steps=200) > seconds("duel", device)
        assert all(seconds(name, "cuda") <= 15 for name in SMALL)
