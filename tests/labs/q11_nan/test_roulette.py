"""Silent bugs: each is silent, none stays behind; bits and the best tree against plain counting."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.claims.recordings import recorded as recordings
from labs.contract.registry import words_of
from labs.q11_nan.answers import Answers
from labs.q11_nan.bugs import BUGS, PROBES
from labs.q11_nan.mutants import NAMES, mutated, shifted_loss
from labs.q11_nan.probe_mutants import LENGTH, ROWS
from labs.q11_nan.probe_tree import best_tree, bits, left, split
from labs.q11_nan.probes import PROBES as ASKED
from labs.q11_nan.roulette import Roulette, RouletteParams, bug, kinds, recorded
from labs.tools.models import untrained
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import REGISTRY

SMALL = ModelConfig(
    vocab_size=40, hidden_size=64, num_layers=5, num_heads=8, num_kv_heads=2, head_dim=8, intermediate_size=32
)
IDS = torch.arange(3, 15).view(1, -1)
TABLE = recorded()["answers"]


def test_the_lists_of_names_are_one() -> None:
    assert set(BUGS) == set(NAMES) == set(TABLE) and len(BUGS) == len(NAMES)
    assert tuple(ASKED) == PROBES and all(tuple(answers) == PROBES for answers in TABLE.values())


def test_every_bug_is_silent_and_none_stays_behind() -> None:
    model = untrained(SMALL, "cpu").eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms whose weights are all one could be left out
                parameter.uniform_(0.5, 1.5, generator=random)
        before = model(IDS)
        with mutated("healthy", model) as subject:
            torch.testing.assert_close(subject.model(IDS), before)
        for name in NAMES:
            with mutated(name, model) as subject:
                logits = subject.model(IDS)
                assert logits.isfinite().all() and subject.loss(logits, IDS).isfinite().all(), name
                is_same = torch.allclose(logits, before, atol=1e-6) and subject.loss is shifted_loss
                assert not is_same or name == "detached", name
            assert torch.equal(model(IDS), before), name


@pytest.fixture(scope="module")
def lively() -> MiniMind:
    """Small, with weights so large that every bug shows."""
    model, random = untrained(SMALL, "cpu").eval(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1 if parameter.dim() == 1 else 0, 0.25, generator=random)
    return model


@pytest.mark.parametrize(
    ("probe", "right", "wrong"),
    [
        ("first_apart", "not_in_forward", {"gelu": "feed_forward", "layers_swapped": "later_block"}),
        ("first_apart", "not_in_forward", {"large_eps": "first_norm", "logits_halved": "head"}),
        ("leak", "nowhere", {"one_ahead": "near_the_end", "no_causal_mask": "everywhere"}),
        ("itself", "reaches", {"not_itself": "does_not_reach"}),
        ("sums", "by_row", {"softmax_over_queries": "by_column", "mask_after_softmax": "neither_way"}),
        (
            "wiring",
            "as_groups",
            {"heads_tiled": "in_turn", "first_kv_head": "all_of_them", "head_lost": "other"},
        ),
        ("rotation_pairs", "halves", {"pairs_of_neighbours": "neighbours", "no_rotation": "not_turned"}),
        ("rotation_keys", "alike", {"keys_backwards": "backwards", "queries_only": "not_turned"}),
        ("rotation_length", "stays", {"sign_of_sine": "changes"}),
        ("norm_alone", "its_weight", {"layer_norm": "zeros", "norm_without_weight": "ones"}),
        ("target", "next", {"no_shift": "own", "shifted_twice": "after_next"}),
        ("attention_map", "same", {"no_scale": "sharper", "scale_twice": "flatter"}),
    ],
)
def test_a_probe_says_what_is_wrong(lively: MiniMind, probe: str, right: str, wrong: dict[str, str]) -> None:
    """Also of the attention map, which is to be compared with the healthy one while the bug is in place."""
    rows = IDS[:, :8]
    with mutated("healthy", lively) as subject:
        healthy = Answers(subject, rows)
        assert ASKED[probe](healthy, healthy) == right
    for name, said in wrong.items():
        with mutated(name, lively) as subject:
            assert ASKED[probe](Answers(subject, rows), healthy) == said, name


def test_a_detached_attention_shows_in_the_gradient_alone() -> None:
    model = untrained(SMALL, "cpu")
    with mutated("detached", model) as subject:
        subject.loss(subject.model(IDS), IDS).mean().backward()
        gradients = {name: p.grad for name, p in subject.model.named_parameters()}
    assert gradients["model.layers.2.self_attn.v_proj.weight"] is None
    assert gradients["model.layers.2.mlp.up_proj.weight"] is not None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("xyz"), min_size=3, max_size=3), min_size=2, max_size=7))
def test_bits_and_the_best_tree_are_those_of_plain_counting(rows: list[list[str]]) -> None:
    table = {str(index): dict(zip("abc", row, strict=True)) for index, row in enumerate(rows)}
    for probe in "abc":
        sizes = [len(part) for part in split(table, list(table), probe).values()]
        entropy = -sum(size / len(table) * math.log2(size / len(table)) for size in sizes)
        assert bits(table, list(table), probe) == pytest.approx(entropy)
    mean, paths = best_tree(table, "abc")
    assert mean == pytest.approx(cheapest(table, tuple(table)) / len(table))
    for name, path in paths.items():
        assert left(table, name, path) == left(table, name, "abc")


def cheapest(table: dict[str, dict[str, str]], group: tuple[str, ...]) -> int:
    """The fewest probes in all, by trying every one at every node."""
    totals = [
        len(group) + sum(cheapest(table, tuple(part)) for part in parts.values())
        for probe in "abc"
        if len(parts := split(table, group, probe)) > 1
    ]
    return min(totals, default=0)


def test_the_recorded_tree_names_what_can_be_named() -> None:
    paths = recorded()["paths"]
    assert recorded()["mean"] == pytest.approx(sum(map(len, paths.values())) / len(paths), abs=1e-3)
    assert all(left(TABLE, name, paths[name]) == left(TABLE, name, PROBES) for name in BUGS)
    assert recorded()["mean"] >= math.log2(len({tuple(answers.values()) for answers in TABLE.values()})) / 3


def test_how_many_bugs_are_told_apart_is_counted_pair_by_pair() -> None:
    first_of_its_kind = [
        name
        for index, name in enumerate(BUGS)
        if not any(TABLE[name] == TABLE[earlier] for earlier in BUGS[:index])
    ]
    assert kinds() == len(first_of_its_kind)


def test_a_spin_follows_from_its_number_and_every_bug_comes_up() -> None:
    assert {bug(spin) for spin in range(1, 600)} == set(BUGS)


def test_the_page_tells_bits_and_at_the_end_the_best_tree() -> None:
    experiment, text = Roulette(), words_of("q11", REGISTRY.strings("en"))
    name = bug(1)
    result = {"bug": name, "answers": dict(TABLE[name]), "differ": []}

    def shown(**view: object):
        return experiment.show(experiment.complete(RouletteParams(**view), result), text)

    hidden = shown()
    assert hidden.notes == [f"{len(BUGS)} bugs are still possible."] and len(hidden.rows) == 1
    bought = shown(loss=True, shifted=True)
    told = [row["bits it told"] for row in bought.rows]
    drawn = {
        label: value
        for label, value in zip(
            bought.figures["worth"].data[0]["y"], bought.figures["worth"].data[0]["x"], strict=True
        )
    }
    assert "Loss" not in drawn and all(value > 0 for value in drawn.values())
    assert bought.notes[-1] == f"Probes that can tell nothing more: {len(PROBES) - 2 - len(drawn)}."
    assert sum(told) == pytest.approx(math.log2(len(BUGS) / bought.rows[-1]["bugs still possible"]))
    right, wrong = (
        shown(loss=True, accused=name),
        shown(accused=next(b for b in BUGS if b not in left(TABLE, name, PROBES))),
    )
    assert right.notes[1].startswith("Right: ") and "Probes you took: 1;" in right.notes[1]
    assert wrong.notes[0].startswith("No: it was ")
    assert f"All {len(PROBES)} probes together tell {kinds()} of the {len(BUGS)} bugs apart" in wrong.notes[1]
    assert f"the best tree takes {len(recorded()['paths'][name])}" in right.notes[1]


def test_recorded_runs_answer_as_the_table_does() -> None:
    assert all(run["result"]["differ"] == [] for run in recordings("q11/roulette"))
    assert len(list(itertools.islice(recordings("q11/roulette"), 1))) == 1


def test_the_rows_are_kept_with_the_answers() -> None:
    """Text of this machine would differ between versions of Python, and some answers with it."""
    rows = torch.tensor(recorded()["rows"])
    assert rows.shape == (ROWS, LENGTH + 1) and rows.min() >= 0 and rows.unique().numel() > 20


def test_what_is_left_to_chance_is_the_same_every_time(lively: MiniMind) -> None:
    drawn = []
    for _ in range(2):
        torch.rand(7)  # whatever ran before
        with mutated("dropout_left_on", lively) as subject:
            drawn.append(torch.stack([subject.model(IDS), subject.model(IDS)]))
    assert torch.equal(*drawn) and not torch.equal(*drawn[0])
