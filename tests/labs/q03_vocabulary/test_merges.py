"""BPE written out learns what the library learns, and what is drawn of it is the text."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q03_vocabulary.byte_pairs import Merge, merges
from labs.q03_vocabulary.merges import TEXT, Merges, MergesParams, split
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.training.bpe import train_bpe
from tests.labs.one_lab import REGISTRY, Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    return run("merges")


@settings(deadline=None, max_examples=80)
@given(st.text(alphabet="aab bc\n学习。🙂", max_size=150))
def test_it_learns_what_the_library_learns(text: str) -> None:
    learned, library = list(merges(split(text))), train_bpe([text], 5000)
    assert [(merge.left, merge.right) for merge in learned] == library.merges
    if learned:
        assert learned[-1].entries == library.vocab_size
        assert learned[-1].tokens == len(library.encode(text))


def test_two_merges_can_spell_one_entry() -> None:
    learned = list(merges(["abc", "abc", "bc", "bc", "bc", "xab", "xab", "xab", "xab"]))
    assert len({merge.left + merge.right for merge in learned}) == learned[-1].entries - 259


def test_counts_and_lengths_never_grow() -> None:
    learned = list(merges(split(TEXT * 2)))
    assert all(later.tokens < earlier.tokens for earlier, later in itertools.pairwise(learned))
    assert all(later.frequency <= earlier.frequency for earlier, later in itertools.pairwise(learned))
    assert min(merge.frequency for merge in learned) >= 2


def test_overlaps_and_texts_without_a_pair() -> None:
    assert list(merges(["aaaa"])) == [Merge(b"a", b"a", 3, 2, 260)]
    assert list(merges([])) == list(merges(["abc"])) == []


def test_the_result_stops_where_it_is_asked_to_or_where_the_text_ends(run: Run, show: Show) -> None:
    few = run("merges", vocab_size=265)
    assert few["vocab_size"] == 265 and few["learned"] == 6 and few["possible"]
    assert [merge["entries"] for merge in few["merges"]] == [260, 261, 262, 263, 264, 265]
    all_there_are = run("merges", vocab_size=8000)
    assert not all_there_are["possible"] and all_there_are["learned"] == len(list(merges(split(TEXT))))
    note = show("merges", all_there_are).notes[-1]
    assert f"Only {all_there_are['learned']} merges exist in this text" in note


def test_the_beginning_is_cut_by_the_first_merges(result: dict[str, Any]) -> None:
    experiment = Merges()
    lengths = []
    for shown in (0, 1, 12, 1000):
        view = experiment.view(MergesParams(merges_shown=shown), result)  # type: ignore[arg-type]
        lengths.append(len(view["pieces"]))
        read = "".join(piece["text"] for piece in view["pieces"])
        assert TEXT.replace(" ", "␣").startswith(read)
    assert lengths == sorted(lengths, reverse=True) and lengths[0] == 24 > 2 * lengths[-1]
    library = train_bpe([TEXT], 271)
    assert result["merges"][11]["entries"] == 271
    opening = library.encode("".join(result["opening"]))
    assert lengths[2] == len(opening)


def test_a_run_is_drawn_while_it_learns(client: InlineClient) -> None:
    experiment, params = Merges(), MergesParams(vocab_size=300)
    job = client.submit("q03/merges", params)
    assert isinstance(job, Job) and job.result is not None
    partials = [
        {"characters": len(TEXT), "bytes": len(TEXT.encode()), "opening": job.result["opening"]},
        {"merges": job.result["merges"][:3]},
        {"merges": job.result["merges"][3:5]},
    ]
    assert experiment.so_far(params, partials[:1]) is None
    halfway = experiment.so_far(params, partials)
    assert halfway is not None and halfway["merges"] == job.result["merges"][:5]
    assert halfway["curve"][-1] == [264, job.result["merges"][4]["tokens"]]


def test_one_letter_and_no_text(client: InlineClient, run: Run, show: Show) -> None:
    alone = run("merges", text="a")
    assert alone["learned"] == 0 and alone["vocab_size"] == 259 and alone["curve"] == [[259, 1]]
    assert show("merges", alone).rows
    job = client.submit("q03/merges", {"text": ""})
    assert (job.state, job.error) == ("failed", "Nothing to count: type some text.")


def test_the_shipped_texts_can_be_learned_from(run: Run) -> None:
    assert run("merges", source="en", vocab_size=280)["characters"] == 40_000
    assert REGISTRY.find("q03/merges").formula(MergesParams()) is None
