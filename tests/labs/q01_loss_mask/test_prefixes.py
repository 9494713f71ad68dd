"""One token edited, and the model's own prefix: against ordinary forwards, counting and exact products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract import Words
from labs.q01_loss_mask.edit import Edit
from labs.q01_loss_mask.free_running import NEW, PROMPT, FreeRunning, expected_together
from labs.runner.inline import InlineClient
from labs.tools import heldout
from labs.tools.token_losses import token_losses
from minimind_core.tokenizer import load_tokenizer
from tests.labs.one_lab import Run, completed

TYPED = {"sentence": "the cat", "instead": "dog"}


@pytest.fixture(scope="module")
def greedy(client: InlineClient) -> dict[str, Any]:
    job = client.submit("q01/free_running", {"writes": "greedy", "rows": 8}, model="nano-rope")
    return completed(job)


def test_an_edit_moves_its_own_loss_and_those_of_its_prefixes(run: Run) -> None:
    edited = run("edit", **TYPED)
    length = len(edited["pieces"])
    moved = edited["edited"] != edited["losses"]
    # row i: the pair i - 1, whose target it is, and every pair from i on
    expected = np.triu(np.ones((length, length - 1), bool), -1)
    assert np.array_equal(moved, expected)
    assert edited["logit_change_before"] == 0
    for place in range(length):
        view = run("edit", view={"place": place}, **TYPED)["view"]
        assert view["moved"] == view["formula"] == expected[place].sum()
        neighbours = [pair for pair in (place - 1, place) if 0 <= pair < length - 1]
        assert view["bigram"] == len(neighbours), "the pairs whose Y and whose X it is"


@pytest.mark.parametrize(
    ("place", "start", "change", "end"),
    [
        (0, 0, "later", "first"),
        (1, 0, "later", "shift"),
        (3, 2, "earlier", "shift"),
        (23, -1, "earlier", "last"),
    ],
)
def test_the_notes_hold_for_the_first_and_for_the_last_token(
    run: Run, place: int, start: int, change: str, end: str
) -> None:
    edited = run("edit", view={"place": place}, **TYPED)
    notes = Edit().show(edited, lambda key, **values: f"{key} {values}").notes
    assert f"'start': {start % len(edited['losses'])}," in notes[0] and f"edit.{change} " in notes[0]
    assert notes[1].startswith(f"edit.{end} ")


def test_its_losses_are_those_of_an_ordinary_forward(run: Run, client: InlineClient) -> None:
    edited, loaded = run("edit", **TYPED), client._host.model("random:byte-128")
    ids = [loaded.config.bos_id, *loaded.tokenizer.encode("the cat"), loaded.config.eos_id]
    other = [*ids[:5], loaded.tokenizer.encode("d")[0], *ids[6:]]
    for row, losses in ((ids, edited["losses"]), (other, edited["edited"][5])):
        tensor = torch.tensor([row])
        with torch.inference_mode():
            true = F.cross_entropy(loaded.model(tensor)[0, :-1], tensor[0, 1:], reduction="none")
        np.testing.assert_allclose(losses, true, atol=1e-5)


def test_a_token_is_replaced_by_another_one_with_its_space(client: InlineClient) -> None:
    job = client.submit("q01/edit", {"sentence": "The dog ran", "instead": "dog"}, model="minimind-26m")
    edited = completed(job)
    place = edited["pieces"].index("␣dog")
    assert edited["instead"][place] != "␣dog" and edited["instead"][place + 1] == "␣dog"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"sentence": ""}, "Write a text of at least one token."),
        ({"sentence": "x" * 30}, "The text has 30 tokens; the most here is 22."),
        ({"instead": "  "}, "Write what stands in place of the token."),
    ],
)
def test_it_says_what_it_cannot_edit(refused: Callable[..., str], typed: dict[str, str], said: str) -> None:
    assert refused("edit", **(TYPED | typed)) == said


def test_a_gap_in_the_heat_map_is_what_did_not_move(run: Run, text: Words) -> None:
    edited = run("edit", view={"place": 99_999 % 24}, **TYPED)
    shown = Edit().show(edited, text)
    (heat,) = [trace for trace in shown.figures["all"].data if trace["type"] == "heatmap"]
    assert [row.count(None) for row in heat["z"]] == [0, *range(len(heat["z"]) - 1)]
    assert edited["view"]["place"] == len(edited["pieces"]) - 1, "past the end is the last one"
    assert shown.sentence is not None and shown.sentence["measured"] == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5))
def test_texts_stay_together_as_long_as_a_product_says(match: list[list[float]]) -> None:
    together = expected_together(np.array(match))
    true = [np.mean([math.prod(row[:count]) for row in match]) for count in range(5)]
    assert together.tolist() == pytest.approx(true)


def test_greedy_writing_stays_true_exactly_as_long_as_the_likeliest_token_is(greedy: dict[str, Any]) -> None:
    assert greedy["true_tokens"] == greedy["true_tokens_formula"] > 0
    assert greedy["together"].tolist() == greedy["together_formula"].tolist()


def test_the_true_prefix_costs_what_scoring_says_and_the_own_one_more(
    greedy: dict[str, Any], client: InlineClient, text: Words
) -> None:
    rows = heldout.windows(load_tokenizer("1k"), heldout.held_out("both"), 8, PROMPT + NEW - 1, 0)
    losses = token_losses(client._host.model("nano-rope").model, rows, lambda: None)[:, PROMPT - 1 :]
    assert greedy["mean"]["forced"] == pytest.approx(float(losses.mean()), abs=1e-4)
    assert greedy["mean"]["own"] < greedy["mean"]["forced"] < greedy["mean"]["free"]
    shown = FreeRunning().show(greedy, text)
    assert len(shown.rows) == len(greedy["places"]) == len(shown.figures["loss"].data[0]["x"])
    assert shown.sentence is not None and shown.sentence["said"] == NEW


def test_sampled_text_costs_itself_what_its_entropy_says(client: InlineClient) -> None:
    """An untrained model is hardly sure of anything: its own tokens cost ln V, nearly."""
    result = completed(client.submit("q01/free_running", {"rows": 8}))
    assert result["mean"]["own"] == pytest.approx(math.log(259), abs=0.3)
    assert result["true_tokens_formula"] < 0.1
