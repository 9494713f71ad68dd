"""Question 7's experiments with small settings: what each measures, streams, draws and refuses."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.claims import recordings
from labs.claims.checks import value_at
from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry
from labs.q07_rope import bench_rows, limits, reading, view
from labs.q07_rope.limits import lengths_for
from labs.q07_rope.params import ARITHMETICS, STARTS, LengthsParams
from labs.q07_rope.rotating import interleaved_scores, rotated, scores, to_interleaved
from labs.q07_rope.twins import past_the_table, twin, with_longer_table
from labs.q07_rope.vectors import unrotated
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools import heldout
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import PRESETS, RopeScaling
from minimind_core.model.minimind import MiniMind
from minimind_core.model.rope import plain_inv_freq
from questions import load_question

REGISTRY = Registry.discover()
SMALL: dict[str, dict[str, Any]] = {
    "invariance": {},
    "spectrum": {},
    "shift": {"tokens": 64},
    "lengths": {"documents": 1},
}
THETA = plain_inv_freq(64, 1e6)
FAST = settings(deadline=None, max_examples=40)


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY)


@pytest.fixture(scope="module")
def jobs(client: InlineClient) -> dict[str, Job]:
    """Every experiment, run once; the length bench on one document."""
    return {name: client.submit(f"q07/{name}", params) for name, params in SMALL.items()}


def result_of(jobs: dict[str, Job], name: str) -> dict[str, Any]:
    job = jobs[name]
    assert job.state == "done", job.error
    assert job.params is not None and job.result is not None
    return REGISTRY.find(f"q07/{name}").complete(job.params, job.result)


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    queries, keys = torch.randn((2, 1, 64), dtype=torch.float64, generator=random)
    return queries, keys


# One rotation


@FAST
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 2**32))
def test_rotations_keep_norms_and_add_up(first: int, second: int, seed: int) -> None:
    x, _ = drawn(seed)
    x /= x.norm()
    once = rotated(x, torch.tensor([first]), THETA, "fp64", "cpu")[0]
    assert abs(float(once.norm()) - 1) < 1e-12
    twice = rotated(once, torch.tensor([second]), THETA, "fp64", "cpu")[0]
    assert (twice - rotated(x, torch.tensor([first + second]), THETA, "fp64", "cpu")[0]).abs().max() < 1e-12
    assert torch.equal(rotated(x, torch.tensor([0]), THETA, "fp64", "cpu")[0], x)


def test_norms_hold_in_fp32_too() -> None:
    x = torch.randn(64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turned = rotated(x, torch.tensor([7, 511, 32_767]), THETA, "fp32", "cpu")
    assert (turned.norm(dim=-1) / x.norm(dim=-1) - 1).abs().max() < 1e-6


@FAST
@given(st.integers(0, 100_000), st.integers(0, 511), st.integers(0, 2**32))
def test_scores_depend_on_the_distance_only(start: int, distance: int, seed: int) -> None:
    at = scores(*drawn(seed), torch.tensor([0, start]), distance, THETA, "fp64", "cpu")[:, 0]
    assert abs(float(at[1] - at[0])) < 1e-9


@FAST
@given(st.integers(0, 10_000), st.integers(0, 511), st.integers(0, 2**32))
def test_halves_and_neighbours_are_one_rotation_permuted(start: int, distance: int, seed: int) -> None:
    queries, keys = drawn(seed)
    half = scores(queries, keys, torch.tensor([start]), distance, THETA, "fp64", "cpu")[0]
    moved = interleaved_scores(to_interleaved(queries), to_interleaved(keys), start, distance, THETA)
    assert (half - moved).abs().max() < 1e-10  # at positions of ten thousand an angle has lost four digits
    order = to_interleaved(torch.arange(64)[None])[0]
    assert order[:4].tolist() == [0, 32, 1, 33]


def test_pairings_are_not_the_same_thing(jobs: dict[str, Job]) -> None:
    layouts = result_of(jobs, "invariance")["layouts"]
    assert layouts["difference"]["permuted"] < 1e-12 < 1 < layouts["difference"]["unpermuted"]
    np.testing.assert_allclose(layouts["permuted"], layouts["half_split"])


def test_the_microscope_sees_what_rounding_predicts(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "invariance")
    for name in ARITHMETICS:
        ratio = result["error"][name] / result["formula"][name]
        assert ratio.min() > 0.1 and ratio.max() < 4, name
        assert (result["largest"][name] >= result["error"][name]).all()
    error = {
        name: dict(zip(result["starts"], values, strict=True)) for name, values in result["error"].items()
    }
    assert error["fp64"][100_000] < 1e-9
    assert error["fp32"][1_000_000] > 50 * error["fp32"][1000] > 200 * error["fp32"][1]
    assert error["bf16_values"][100_000] < 2 * error["bf16_values"][100]
    assert error["bf16_angles"][1000] > 30 * error["bf16_values"][1000]
    assert result["sentence"]["said"] == 0 < result["sentence"]["measured"]


def test_the_chosen_start_and_arithmetic_are_read_closely(jobs: dict[str, Job]) -> None:
    experiment, measured = REGISTRY.find("q07/invariance"), jobs["invariance"].result
    assert measured is not None and set(STARTS) <= set(measured["starts"])
    for name in ARITHMETICS:
        params = experiment.params.from_dict({"start": 1000, "arithmetic": name})
        seen = experiment.complete(params, measured)["view"]
        assert seen["place"] == measured["starts"].index(1000)
        assert seen["off"] == pytest.approx(abs(seen["moved"] - seen["unmoved"]) / measured["spread"])
        assert params.measured() == experiment.params().measured()  # looking closely is no new run
    assert abs(seen["moved"] - seen["unmoved"]) > 0.1  # bf16 angles: m and m + 1 are one position


def test_arrows_turn_and_keep_their_angle_unless_in_bf16(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "invariance")
    place = 1 + result["starts"].index(1000)
    between = {}
    for name in ("fp64", "bf16_angles"):
        arrows = result["arrows"][name][[0, place]]  # [2, pairs, 4]
        angles = np.arctan2(arrows[..., 1::2], arrows[..., ::2])  # [2, pairs, query and key]
        between[name] = np.angle(np.exp(1j * (angles[..., 1] - angles[..., 0])))
        assert abs(np.angle(np.exp(1j * (angles[1] - angles[0])))[0]).max() > 0.1  # the fast pair has turned
    np.testing.assert_allclose(between["fp64"][0], between["fp64"][1], atol=1e-5)
    assert abs(between["bf16_angles"][0] - between["bf16_angles"][1]).max() > 0.1


def test_arrows_can_be_played_through_the_first_positions(jobs: dict[str, Job]) -> None:
    experiment, result = REGISTRY.find("q07/invariance"), result_of(jobs, "invariance")
    figure = experiment.figures(result, REGISTRY.strings("en").__getitem__)["turning"]
    moving = figure.frames[0].traces
    assert figure.layout.meta["play"] == "Turn from position 0 to 40" and len(figure.frames) == 41
    assert [figure.data[place].meta["role"] for place in moving] == ["measured"] * 6
    for before, after in itertools.pairwise(figure.frames):  # the fast pair turns by one radian a position
        angles = [math.atan2(frame.data[0].y[1], frame.data[0].x[1]) for frame in (before, after)]
        assert (angles[1] - angles[0]) % (2 * math.pi) == pytest.approx(1, abs=1e-3)


def test_real_queries_and_keys_are_the_models_own(client: InlineClient) -> None:
    loaded = load_model("nano-rope")
    ids = torch.arange(3, 23)[None]
    seen: list[tuple[torch.Tensor, ...]] = []
    hook = loaded.model.model.layers[2].self_attn.register_forward_hook(
        lambda module, inputs, _output: seen.append(module.project(inputs[0]))
    )
    with torch.inference_mode():
        loaded.model(ids)
    hook.remove()
    queries, keys = unrotated(loaded, ids, 2, 5)
    assert torch.equal(queries.float(), seen[0][0].view(20, 8, 32)[:, 5])
    assert torch.equal(keys.float(), seen[0][1].view(20, 2, 32)[:, 1])  # heads 4 to 7 read KV head 1
    job = client.submit("q07/invariance", {"vectors": "model", "layer": 3, "head": 7}, model="nano-rope")
    assert job.result is not None, job.error
    assert job.result["head_dim"] == 32 and job.result["error"]["fp64"].max() < 1e-9


@pytest.mark.parametrize(
    ("name", "params", "model", "sentence"),
    [
        (
            "invariance",
            {"vectors": "model", "layer": 5},
            "nano-rope",
            "nano-rope has 5 layers, numbered from 0; there is no 5.",
        ),
        (
            "invariance",
            {"vectors": "model", "head": 8},
            "nano-rope",
            "nano-rope has 8 query heads, numbered from 0; there is no 8.",
        ),
        ("shift", {}, "nano-alibi", "nano-alibi has alibi positions; choose a model with RoPE."),
        (
            "lengths",
            {"pasted": "too short"},
            "minimind-26m",
            "The pasted text has 5 tokens; chunks of 2,048 need more. "
            "Lower the longest length or paste more.",
        ),
        ("spectrum", {"head_dim": 9}, "minimind-26m", "Head dimension must be even: RoPE rotates pairs."),
    ],
)
def test_what_cannot_be_is_one_sentence(
    client: InlineClient, name: str, params: dict[str, Any], model: str, sentence: str
) -> None:
    job = client.submit(f"q07/{name}", params, model=model)
    assert (job.state, job.error) == ("failed", sentence)


# The spectrum and the shifted model


def test_the_cores_tables_are_the_formulas(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "spectrum")
    assert max(result["core"].values()) < 1e-12 and set(result["core"]) == {
        "pi",
        "ntk",
        "yarn",
        "custom",
        "wavelength",
    }
    assert result["full_turns"] == 11 == result["sentence"]["measured"]
    for name, factor in result["factors"].items():
        assert result["temperature"][name]["factor"] == pytest.approx(factor)


def test_a_shift_is_rounding_unless_angles_are_bf16(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "shift")
    difference, perplexity = result["difference"], result["perplexity"]
    assert max(difference["fp64"].values()) < 1e-3
    assert difference["fp32"]["100"] < 1e-2 < difference["fp32"]["1000000"]
    assert difference["bf16"]["1"] > 10 * difference["fp32"]["1"]
    assert difference["bf16"]["10000"] > result["logit_std"]
    for offset in map(str, result["offsets"]):
        assert perplexity["fp64"][offset] == pytest.approx(perplexity["fp64"]["0"], rel=1e-4)
    assert perplexity["bf16"]["10000"] > 1.5 * perplexity["bf16"]["0"]
    assert result["tokens"] == 64 and result["sharpen"] == 1 and result["model"] == "minimind-26m"


def test_a_twin_shares_its_weights_and_leaves_the_model_alone() -> None:
    torch.manual_seed(0)
    model, ids = MiniMind(PRESETS["byte-128"]).eval(), torch.randint(0, 256, (1, 40))
    with torch.inference_mode():
        before = model(ids)
        assert torch.equal(twin(model)(ids), before)
        assert torch.equal(twin(model, scaling=RopeScaling("yarn", 1.0))(ids), before)
        assert not torch.allclose(twin(model, scaling=RopeScaling("pi", 4.0))(ids), before)
        torch.testing.assert_close(twin(model, angles="fp32")(ids), before)
        torch.testing.assert_close(twin(model, angles="fp64")(ids), before, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(twin(model, sharpen=4.0)(ids), before)
        assert torch.equal(model(ids), before)
    own = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    assert own == {name: tensor.data_ptr() for name, tensor in twin(model).state_dict().items()}


# The learned table


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


# The length bench


def test_the_same_tokens_are_scored_at_every_length() -> None:
    torch.manual_seed(0)
    model, calls = MiniMind(PRESETS["byte-128"]).eval(), []
    documents = torch.randint(0, 256, (2, 65))
    rows = {
        length: reading.read(
            reading.Row("rope", lambda _: model, (length,)), length, documents, lambda: calls.append(1)
        )
        for length in (16, 32, 64)
    }
    assert all(losses.shape == (2, 64) for losses in rows.values())
    assert len(calls) == 4 * (8 + 4 + 2)  # a cancel is heard before each layer of each chunk
    with torch.inference_mode():
        logits = model(documents[:, 32:64])
    expected = -logits.log_softmax(-1).gather(-1, documents[:, 33:, None]).squeeze(-1)
    np.testing.assert_allclose(rows[32][:, 32:], expected, rtol=1e-4)
    np.testing.assert_allclose(rows[16][:, :16], rows[64][:, :16], rtol=1e-4)  # the first have seen the same


def test_windows_and_offsets_reach_the_model() -> None:
    torch.manual_seed(0)
    model, documents = MiniMind(PRESETS["byte-128"]).eval(), torch.randint(0, 256, (1, 65))

    def losses(**how: Any) -> Any:
        row = reading.Row("x", lambda _: model, (64,), **how)
        return reading.read(row, 64, documents, lambda: None)

    plain = losses()
    np.testing.assert_allclose(losses(offset=1000), plain, atol=1e-2)
    np.testing.assert_allclose(losses(window=64), plain, rtol=1e-5)
    narrow = losses(window=8)
    np.testing.assert_allclose(narrow[:, :8], plain[:, :8], rtol=1e-4)
    assert abs(narrow[:, 8:] - plain[:, 8:]).max() > 1e-3


def test_our_own_weights_are_in_the_order_that_the_answer_gives(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "lengths")
    at = {row: values.get("2048") for row, values in result["perplexity"].items()}
    assert at["alibi"] < 0.5 * at["rope"] < at["rope"] < at["learned_longer"]
    assert at["rope"] < at["sinusoidal"]
    assert at["window"] < at["yarn"] < 0.7 * at["ntk"] < 0.7 * at["rope"]
    assert result["growth"]["rope"]["2048"] > 2 > 1.2 > result["growth"]["alibi"]["2048"]
    assert result["window"]["growth"]["2048"] < 1.2 and result["scaled"]["yarn"]["2048"] < 1.3
    assert result["shift"]["growth"]["512"] == pytest.approx(1, abs=1e-3)
    assert result["against_rope"]["learned"]["512"] > 1
    assert (result["worst_scaling"], result["best_scaling"], result["compared_at"]) == ("pi", "yarn", 1024)
    assert result["tail"]["rope"]["2048"] > result["perplexity"]["rope"]["2048"]  # worse at the end
    assert result["table_end"]["error"] == "IndexError" and "1024" not in result["perplexity"]["learned"]
    nats = result["by_position"]["rope"]["nats"]
    assert nats[-4:].mean() > nats[:4].mean() + 1 and len(nats) == reading.BUCKETS


def test_growth_lies_within_its_range_over_documents(client: InlineClient) -> None:
    job = client.submit("q07/lengths", {"documents": 3, "model": "byte-128", "reach": 512})
    assert job.result is not None, job.error
    result = job.result
    assert result["lengths"] == [128, 256, 512] and result["window"]["width"] == 128
    assert "alibi" not in result["perplexity"]  # relatives have another tokenizer
    for length in ("256", "512"):
        span = result["growth_range"]["rope"][length]
        assert span["low"] <= result["growth"]["rope"][length] <= span["high"]
    assert result["growth"]["rope"]["512"] > 2 > 1.1 > result["window"]["growth"]["512"]
    assert result["perplexity"]["yarn"]["512"] < result["perplexity"]["rope"]["512"]
    assert [(piece["row"], piece["length"]) for piece in job.partials][:3] == [
        ("rope", 128),
        ("rope", 256),
        ("rope", 512),
    ]
    first = job.partials[0]
    assert first["perplexity"] == pytest.approx(result["perplexity"]["rope"]["128"])


def test_switches_and_a_fixed_factor_do_what_they_say(client: InlineClient) -> None:
    job = client.submit(
        "q07/lengths",
        {
            "documents": 1,
            "model": "byte-128",
            "reach": 512,
            "factor": 16,
            "window": False,
            "shift": False,
            "temperature": False,
            "original": 2048,
        },
    )
    assert job.result is not None, job.error
    perplexity = job.result["perplexity"]
    assert set(perplexity) == {"rope", "pi", "ntk", "yarn", "upstream"}
    assert perplexity["yarn"] == pytest.approx(perplexity["upstream"])  # the same dictionary
    assert perplexity["pi"]["128"] > 2 * perplexity["rope"]["128"]  # the price of leaving it on
    assert job.result["window"]["perplexity"] == {} == job.result["shift"]["growth"]
    short = client.submit("q07/lengths", {"documents": 1, "reach": 512, "others": False})
    assert short.result is not None and short.result["worst_scaling"] == ""


def test_pasted_text_is_read_instead(client: InlineClient) -> None:
    pasted = "".join(heldout.held_out("english"))[:6000]
    job = client.submit("q07/lengths", {"pasted": pasted, "reach": 1024, "others": False})
    assert job.result is not None, job.error
    assert job.result["text"] == "pasted" and job.result["documents"] >= 1
    assert job.result["growth"]["rope"]["1024"] > 1.2


def test_a_cpu_stops_at_2048_and_a_gpu_at_8192(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda _device: 80e9)
    assert lengths_for(LengthsParams(), 512, "cpu") == ((512, 1024, 2048), False)
    assert lengths_for(LengthsParams(reach=8192), 512, "cpu") == ((512, 1024, 2048), True)
    assert lengths_for(LengthsParams(), 512, "cuda") == ((512, 1024, 2048, 4096, 8192), False)
    assert lengths_for(LengthsParams(reach=1024), 32_768, "cuda") == ((512, 1024), False)
    monkeypatch.setattr(limits, "free_bytes", lambda _device: 3e9)  # a small card: asked to, it tries
    assert lengths_for(LengthsParams(), 512, "cuda") == ((512, 1024, 2048, 4096), False)
    assert lengths_for(LengthsParams(reach=8192), 512, "cuda")[0][-1] == 8192
    assert lengths_for(LengthsParams(), 128, "cpu")[0] == (128, 256, 512, 1024, 2048)


def test_what_a_cpu_does_not_read_comes_from_a_stored_run(
    jobs: dict[str, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, measured = REGISTRY.find("q07/lengths"), jobs["lengths"].result
    assert measured is not None
    params = experiment.params.from_dict({"reach": 4096})
    capped = {**measured, "capped": True}
    stored = {
        "lengths": [512, 1024, 2048, 4096, 8192],
        "perplexity": {"rope": {"2048": 40.0, "4096": 80.0, "8192": 160.0}},
    }
    record = {"device_name": "Some GPU", "date": "2026-01-02T03:04:05", "result": stored}
    monkeypatch.setattr(view, "recorded", lambda _name: [record])
    result = experiment.complete(params, capped)
    assert result["view"]["stored"]["lengths"] == [4096]
    text = REGISTRY.strings("en").__getitem__
    assert any(
        "the stored measurement of 2026-01-02 on Some GPU" in note for note in experiment.notes(result, text)
    )
    lines = [
        trace for trace in experiment.figures(result, text)["kinds"].data if trace.meta["role"] == "recorded"
    ]
    assert [list(line.x) for line in lines] == [[2048, 4096]]
    monkeypatch.setattr(view, "recorded", lambda _name: [])
    alone = experiment.complete(params, capped)
    assert any("there is no stored measurement" in note for note in experiment.notes(alone, text))


def test_progress_comes_at_once_and_a_cancel_is_heard() -> None:
    def watch(job: Job) -> None:
        if job.progress > 0.05:
            job.cancel()

    for name in ("lengths", "shift"):
        job = InlineClient.start("cpu", registry=REGISTRY, watch=watch).submit(f"q07/{name}")
        assert job.state == "cancelled"


# What the page needs


def test_figures_have_roles_and_are_json(jobs: dict[str, Job]) -> None:
    words = REGISTRY.strings("zh").__getitem__
    for name in SMALL:
        experiment, result = REGISTRY.find(f"q07/{name}"), result_of(jobs, name)
        for figure in experiment.figures(result, words).values():
            assert figure.data and all((trace.meta or {}).get("role") for trace in figure.data)
            json.loads(figure.to_json())
        assert experiment.table(result, words) and experiment.numbers(result, words)
        assert all("%(" not in note for note in experiment.notes(result, words))


def test_the_spectrum_is_drawn_without_a_run() -> None:
    experiment = REGISTRY.find("q07/spectrum")
    formula = experiment.analytic(experiment.params.from_dict({"length": 2048}))
    assert formula is not None and experiment.drawn_by_formula
    figures = experiment.figures(formula, REGISTRY.strings("en").__getitem__)
    assert [len(bar.x) for bar in figures["wavelength"].data if bar.type == "bar"] == [14, 18]
    assert {trace.meta["role"] for trace in figures["multipliers"].data} == {"formula"}
    assert experiment.notes(formula, REGISTRY.strings("en").__getitem__)


def test_a_run_is_drawn_while_it_goes_on(jobs: dict[str, Job]) -> None:
    for name in ("lengths", "shift"):
        experiment, job = REGISTRY.find(f"q07/{name}"), jobs[name]
        assert job.params is not None and experiment.live(job.params, []) is None
        for count in range(1, len(job.partials) + 1):
            so_far = experiment.live(job.params, job.partials[:count])
            assert so_far is not None
            figures = experiment.figures(so_far, REGISTRY.strings("en").__getitem__)
            assert all(json.loads(figure.to_json()) for figure in figures.values())
        complete = result_of(jobs, name)
        assert so_far["perplexity"] == complete["perplexity"]


def test_what_the_question_measures_is_there(jobs: dict[str, Job]) -> None:
    question = load_question("q07_rope")
    read = 0
    for entry in (*question.predictions, *question.claims):
        if entry.experiment is None:
            continue
        assert entry.experiment in {f"q07/{name}" for name in SMALL}, entry.id
        if entry.measures is not None:
            found = value_at(result_of(jobs, entry.experiment.partition("/")[2]), entry.measures)
            assert found not in (None, "", {}), entry.id
            read += 1
    assert read >= 9
    choices = {choice.id for choice in question.prediction("worst-scaling").choices}
    assert choices == set(bench_rows.TREATMENTS)


def test_results_fit_the_wire_and_words_are_complete(jobs: dict[str, Job]) -> None:
    own = [{key for key in REGISTRY.strings(language) if key.startswith("q07.")} for language in LANGUAGES]
    assert own[0] == own[1]
    for name in SMALL:
        result = result_of(jobs, name)
        assert len(jsonable.dumps(result)) < 200_000
        experiment = REGISTRY.find(f"q07/{name}")
        labels = {spec.label for spec in experiment.params.specs()}
        assert labels | {experiment.title, experiment.title.replace(".title", ".about")} <= own[0]


def test_estimates_grow_with_the_work() -> None:
    lengths = REGISTRY.find("q07/lengths")
    for device in ("cpu", "cuda"):
        few, many = (
            lengths.seconds(lengths.params(documents=count), device)  # type: ignore[arg-type, call-arg]
            for count in (1, 16)
        )
        assert few < many
    assert REGISTRY.find("q07").id == "q07/invariance"
    for experiment in REGISTRY.of_question("q07"):  # training from scratch is slow everywhere
        assert experiment.seconds(experiment.params(), "cuda") <= (100 if experiment.name == "seeds" else 10)
    assert REGISTRY.find("q07").seconds(REGISTRY.find("q07").params(), "cpu") <= 10


def test_the_recorded_run_says_what_the_answer_says() -> None:
    for record in recordings.recorded("q07/lengths"):
        result = record["result"]
        assert result["worst_scaling"] == "pi" and result["best_scaling"] == "yarn"
        assert result["growth"]["rope"]["2048"] > 2 > result["window"]["growth"]["2048"]
