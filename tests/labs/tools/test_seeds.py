"""Training several seeds of each kind: what is equal between kinds, when there is a verdict, what is shown.

Runs a few steps only; what the models have learnt is never asserted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from labs.contract import Context, Shown, jsonable
from labs.contract.registry import LANGUAGES, Registry, words_of
from labs.q06_gqa.cache_bytes import VARIANTS
from labs.q07_rope.bench_lines import mean_losses, with_longer_table
from labs.q07_rope.seeds import POSITIONS
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools import heldout
from labs.tools.models import untrained
from labs.tools.ranking import UNRESOLVED
from labs.tools.seeds.judging import chance_of_a_verdict, judged
from labs.tools.seeds.plans import PLANS, SIZES, plan_of
from labs.tools.seeds.training import Series
from minimind_core.files.checkpoint import load_model

REGISTRY = Registry.discover()
KINDS: dict[str, tuple[str, ...]] = {"q06/seeds": tuple(VARIANTS), "q07/seeds": POSITIONS}
FEW = {"steps": 2, "seeds": 2, "text": "code"}


class Quiet(Context):
    """A run that nobody listens to."""

    device, dtype = "cpu", "fp32"

    def model(self, name: str | None = None) -> Any:
        """Loads nothing."""

    def progress(self, fraction: float, doing: str = "", **values: object) -> None:
        """Says nothing."""

    def emit(self, partial: Mapping[str, Any]) -> None:
        """Sends nothing."""

    def check_cancelled(self) -> None:
        """Goes on."""


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    """Both experiments, run once with little to do."""
    client = InlineClient.start("cpu", registry=REGISTRY)
    return {name: client.submit(name, FEW) for name in KINDS}


def result_of(jobs: dict[str, Job], name: str) -> dict[str, Any]:
    job = jobs[name]
    assert job.state == "done" and job.params is not None and job.result is not None, job.error
    return REGISTRY.find(name).complete(job.params, job.result)


def shown(name: str, result: dict[str, Any], language: str = "en") -> Shown:
    experiment = REGISTRY.find(name)
    return experiment.show(result, words_of(experiment.lab, REGISTRY.strings(language)))


def series(*positions: str, steps: int = 2, seeds: int = 2) -> Series:
    plan = plan_of("auto", "cpu")
    rows = torch.arange(40 * (plan.config.max_length + 1)).view(40, -1) % 1000 + 3
    kinds = {name: plan.config.replace(position=name) for name in positions}
    return Series(plan, kinds, seeds, steps, rows, scored=rows[:4])


# Training


def test_kinds_with_one_seed_begin_alike_and_read_alike() -> None:
    plan = plan_of("auto", "cpu")
    first, second = (untrained(plan.config.replace(position=name), "cpu", 1) for name in ("rope", "none"))
    assert all(
        torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True)
    )
    some = series("rope", "none")
    assert torch.equal(some.source(1).batch(3).inputs, some.source(1).batch(3).inputs)
    assert not torch.equal(some.source(0).batch(0).inputs, some.source(1).batch(0).inputs)
    read = torch.cat([some.source(1).batch(step).inputs for step in range(5)])  # once through the text
    assert torch.equal(read.sort(0).values, some.rows[:, :-1].sort(0).values)


def test_a_kind_is_the_same_whatever_is_trained_beside_it() -> None:
    alone = {one.seed: one.model.state_dict() for one in series("none").models(Quiet())}
    beside = {
        one.seed: one.model.state_dict()
        for one in series("rope", "none").models(Quiet())
        if one.kind == "none"
    }
    for seed in (0, 1):
        assert all(torch.equal(alone[seed][name], beside[seed][name]) for name in alone[seed])
    assert not torch.equal(alone[0]["model.embed_tokens.weight"], alone[1]["model.embed_tokens.weight"])


def test_training_trains_and_leaves_a_model_that_reads() -> None:
    (only,) = series("rope", steps=12, seeds=1).models(Quiet())
    rows = series("rope").rows[:4, :-1]
    assert not only.model.training

    def loss(model: Any) -> float:
        with torch.inference_mode():
            logits = model(rows[:, :-1])
        return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()))

    assert loss(only.model) < loss(untrained(only.model.config, "cpu", 0)) - 0.5


def test_a_longer_table_changes_nothing_within_the_trained_length() -> None:
    (only,) = series("learned", seeds=1).models(Quiet())
    documents = torch.arange(129).view(1, -1) + 3
    longer = with_longer_table(only.model, 128, 0)
    same = mean_losses(only.model, (64,), documents, lambda: None)[64]
    assert mean_losses(longer, (64, 128), documents, lambda: None)[64] == pytest.approx(same)


# The verdict


def test_no_verdict_where_ranges_overlap() -> None:
    close = judged({"a": [1.0, 1.2, 1.4], "b": [1.3, 1.5, 1.7]})
    assert close["verdict"] == UNRESOLVED
    assert close["best"] == "a" and close["rivals"] == ["b"]
    apart = judged({"a": [1.0, 1.2, 1.29], "b": [1.3, 1.5, 1.7], "c": [2.0, 1.31, 1.9]})
    assert apart["verdict"] == "a" and apart["rivals"] == [] and apart["range"]["c"]["low"] == 1.31
    assert apart["orders"] == [["a", "b", "c"], ["a", "c", "b"], ["a", "b", "c"]]


def test_the_chance_of_a_verdict_is_what_shuffling_gives() -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.rand((20_000, 3, 2), generator=random)  # [trials, kinds, seeds]
    low, high = values.amin(2), values.amax(2)
    best = high.argmin(1, keepdim=True)
    others = low.scatter(1, best, float("inf")).amin(1)
    share = float((high.gather(1, best).squeeze(1) < others).float().mean())
    assert chance_of_a_verdict(3, 2) == pytest.approx(0.2) and share == pytest.approx(0.2, abs=0.01)


# Both experiments


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_trained_from_every_seed(jobs: dict[str, Job], name: str) -> None:
    result = result_of(jobs, name)
    assert list(result["loss"]) == list(KINDS[name])
    for losses in result["loss"].values():
        assert len(losses) == 2 and losses[0] != losses[1] and all(2 < loss < 12 for loss in losses)
    assert [(piece["kind"], piece["seed"]) for piece in jobs[name].partials] == [
        (kind, seed) for seed in range(2) for kind in KINDS[name]
    ]
    assert result["toy"] and result["steps"] == 2 and result["training_tokens"] == 2 * 8 * 64
    assert result["judged"]["verdict"] in (*KINDS[name], UNRESOLVED)
    assert len(jsonable.dumps(result)) < 20_000


def test_kinds_differ_in_what_they_should(jobs: dict[str, Job]) -> None:
    counts = result_of(jobs, "q06/seeds")["parameters"]
    assert counts["mha"] > counts["gqa"] > counts["mqa"]
    counts = result_of(jobs, "q07/seeds")["parameters"]
    assert counts["learned"] == counts["rope"] + 64 * 64 and counts["none"] == counts["rope"]


def test_growth_is_over_the_trained_length(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "q07/seeds")
    assert result["lengths"] == [64, 128, 256]
    for kind, lines in result["growth"].items():
        assert [list(line) for line in lines] == [["64", "128", "256"]] * 2
        assert all(line["64"] == 1 and 0.3 < line["256"] < 30 for line in lines)
        assert result["judged_growth"]["range"][kind]["low"] == min(line["256"] for line in lines)


@pytest.mark.parametrize("name", KINDS)
def test_one_dot_a_seed_on_a_range(jobs: dict[str, Job], name: str) -> None:
    result = result_of(jobs, name)
    for language in LANGUAGES:
        figures = shown(name, result, language).figures
        for figure in figures.values():
            assert {trace["meta"]["role"] for trace in figure.data} == {"measured"}
        spans, points = figures["loss"].data
        assert points["x"] == [loss for kind in KINDS[name] for loss in result["loss"][kind]]
        assert [round(y) for y in points["y"]] == [lane for lane in range(len(KINDS[name])) for _ in range(2)]
        for lane, kind in enumerate(KINDS[name]):
            assert spans["x"][3 * lane : 3 * lane + 3] == [*sorted(result["loss"][kind]), None]
            assert spans["y"][3 * lane : 3 * lane + 3] == [lane, lane, None]


@pytest.mark.parametrize("name", KINDS)
def test_a_run_is_drawn_while_it_goes_on(jobs: dict[str, Job], name: str) -> None:
    experiment = REGISTRY.find(name)
    for count in (1, len(KINDS[name]) + 1):
        so_far = experiment.so_far(experiment.params.from_dict(FEW), jobs[name].partials[:count])
        assert so_far is not None
        drawn = shown(name, so_far)
        assert len(drawn.figures["loss"].data[1]["x"]) == count
        assert list(drawn.notes) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", KINDS)
def test_the_words_say_verdict_and_toy(jobs: dict[str, Job], name: str, language: str) -> None:
    result, words = result_of(jobs, name), words_of(name[:3], REGISTRY.strings(language))
    drawn, toy = shown(name, result, language), words("seeds.toy", **result)
    assert any(f"{result['scored_tokens']:,}" in note for note in drawn.notes)
    assert drawn.notes[-1] == toy
    assert toy not in shown(name, {**result, "toy": False}, language).notes
    opening = REGISTRY.strings(language)[f"{name[:3]}.seeds.unresolved"].partition("{")[0]
    tied = judged({kind: [1.0, 2.0] for kind in KINDS[name]})
    assert any(opening in note for note in shown(name, {**result, "judged": tied}, language).notes)
    assert [row[words("seeds.kind")] for row in drawn.rows] == list(drawn.numbers)
    for kind, row in zip(KINDS[name], drawn.rows, strict=True):
        assert [row[f"{words('seeds.seed')} {seed}"] for seed in range(2)] == result["loss"][kind]
        mean = sum(result["loss"][kind]) / 2
        assert row[words("seeds.mean")] == mean == pytest.approx(drawn.numbers[str(row[words("seeds.kind")])])


@pytest.mark.parametrize("name", KINDS)
def test_a_cancel_is_heard_in_a_step(name: str) -> None:
    asked: list[float] = []

    def watch(job: Job) -> None:
        if job.progress > 0 and not asked:
            asked.append(time.monotonic())
            job.cancel()

    client = InlineClient.start("cpu", registry=REGISTRY, watch=watch)
    job = client.submit(name, {"steps": 500, "text": "code"})
    assert job.state == "cancelled" and time.monotonic() - asked[0] < 2 and not job.partials


@pytest.mark.parametrize("name", KINDS)
def test_steps_suit_the_size_unless_they_are_asked_for(name: str) -> None:
    experiment = REGISTRY.find(name)
    params = experiment.params()
    assert params.steps_on("cuda") > params.steps_on("cpu") == params.steps_on("mps")  # type: ignore[attr-defined]
    assert experiment.params.from_dict({"steps": 30}).steps_on("cuda") == 30  # type: ignore[attr-defined]
    assert experiment.seconds(params, "cpu") <= 40 and 30 <= experiment.seconds(params, "cuda") <= 100
    large = experiment.params.from_dict({"size": "minimind-26m"})
    assert experiment.seconds(large, "cuda") > experiment.seconds(params, "cuda")
    assert experiment.key(large) != experiment.key(params)


@pytest.mark.parametrize("name", KINDS)
def test_a_cpu_refuses_what_it_cannot_train_at_once(name: str) -> None:
    client = InlineClient.start("cpu", registry=REGISTRY)
    job = client.submit(name, {"size": "minimind-26m"})
    assert job.error == "Training models of the size minimind-26m takes a GPU; choose toy or auto."


def test_the_sizes_are_ours_with_their_own_tokenizers() -> None:
    for size in SIZES[1:]:
        plan = PLANS[size]
        assert plan.toy == (size == "toy") and plan_of(size, "cuda") is plan
        assert load_model(plan.tokenizer).config.vocab_size == plan.config.vocab_size


def test_the_whole_library_has_what_a_few_files_have_and_nothing_held_out() -> None:
    every, held_out = set(heldout.library()), set(heldout.held_out("both"))
    assert set(heldout.training()) < every and not every & held_out
    assert sum(map(len, every)) > 5_000_000
