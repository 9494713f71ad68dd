"""What the experiments find on a text: who notices, who looks where, and which texts are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from labs.contract import Words
from labs.q05_shapes.attention import Attention
from labs.q05_shapes.causality import Causality
from labs.q05_shapes.knockout import CASES, Knockout, KnockoutParams
from labs.runner.inline import InlineClient
from tests.labs.one_lab import Run
from tests.labs.q05_shapes.conftest import MODEL

TEXTS = ["ab", "a\x00\x01b", "🙂🙃", "猫 cat", "\n\t ", "<|im_start|>"]


def test_only_a_mask_before_the_softmax_hides_the_future(run: Run) -> None:
    result = run("causality", text="abcdefghij", position=6)
    assert result["earlier"] == {"before": 0, "mask_after": 6, "no_mask": 6}
    assert result["change"]["before"][:6] == [0.0] * 6
    assert result["later"]["before"] == len(result["tokens"]) - 6


def test_the_change_is_that_of_the_core(run: Run, client: InlineClient) -> None:
    result = run("causality", text="abcdef", position=3)
    loaded = client._host.model(MODEL)
    ids = loaded.prompt_ids("abcdef")
    first = max(loaded.config.pad_id, loaded.config.bos_id, loaded.config.eos_id) + 1
    other = list(ids)
    other[3] = first + (ids[3] + 1 - first) % (loaded.config.vocab_size - first)
    with torch.inference_mode():
        one, two = loaded.model(torch.tensor([ids])), loaded.model(torch.tensor([other]))
    np.testing.assert_allclose(
        result["change"]["before"], (one - two).abs().amax(-1)[0].numpy(), rtol=1e-3, atol=1e-6
    )


def test_attention_is_a_distribution_over_the_past(run: Run, text: Words) -> None:
    result = run("attention", text="abcdef", layer=8, head=8)
    weights, view = result["weights"], result["view"]
    assert weights.shape == (4, 4, 7, 7) and (view["layer"], view["head"]) == (4, 4)
    assert result["above_diagonal"] == 0.0 and result["row_error"] < 1e-6
    np.testing.assert_array_equal(view["weights"], weights[3])
    drawn = Attention().show(result, text).figures["head"].data[0]["z"]
    assert drawn[0][1:] == [None] * 6 and drawn[6][6] == pytest.approx(float(weights[3, 3, 6, 6]))


@pytest.mark.parametrize(("first", "said"), [(0.9, "gets 90% of what"), (0.25, "gets 25% of what")])
def test_a_sink_is_said_only_where_even_attention_gives_far_less(
    first: float, said: str, run: Run, text: Words
) -> None:
    result = run("attention", text="abcdef")
    weights = np.full_like(result["weights"], 0.1)
    weights[..., 0] = first
    result |= {"weights": weights, "view": {**result["view"], "weights": weights[0]}}
    note = Attention().show(result, text).notes[1]
    even = 100 * sum(1 / looked_at for looked_at in range(2, 8)) / 6
    assert said in note and f"would give it {even:.0f}%" in note
    assert ("It is an attention sink" in note) == (first > 0.5)


@pytest.mark.parametrize("typed", TEXTS)
def test_any_text_can_be_read(run: Run, typed: str) -> None:
    result = run("attention", text=typed)
    assert len(set(result["tokens"])) == len(result["tokens"]) == result["weights"].shape[-1]
    assert not any(character in "".join(result["tokens"]) for character in "\n\t")


@pytest.mark.parametrize("name", ["attention", "causality", "qk_norm"])
def test_a_text_that_cannot_be_drawn_is_refused(name: str, refused: Callable[..., str]) -> None:
    assert refused(name, text="").startswith("Nothing to run: the tokenizer produced 0 tokens.")
    assert refused(name, text="a").startswith("The text is one token")
    assert refused(name, text="a" * 33).startswith("The text has 33 tokens; 32 are as many")
    assert "at most" in (sentence := refused(name, text="a" * 2**20)) or "the most is" in sentence


def test_a_position_beyond_the_text_is_refused(refused: Callable[..., str]) -> None:
    assert refused("causality", text="abc", position=4) == "The text has 3 tokens; change one of 1 to 3."


def test_a_change_of_exactly_nothing_has_no_bar(run: Run, text: Words) -> None:
    shown = Causality().show(run("causality", text="abcdef", position=4), text)
    before = shown.figures["change"].data[0]
    assert before["y"][:4] == [None] * 4 and all(height > 0 for height in before["y"][4:])
    assert shown.sentence == {"said": 0, "formula": 4, "measured": 4, "unit": "positions"}


def test_the_whole_model_in_steps_reads_as_the_core_does(run: Run, client: InlineClient) -> None:
    result = run("knockout", tokens=32, windows=1)
    loaded = client._host.model(MODEL)
    from labs.tools import heldout

    rows = heldout.windows(loaded.tokenizer, heldout.held_out("english"), 1, 32, 0)
    own = heldout.window_losses(loaded.model, rows, lambda _share: None)
    assert result["losses"]["whole"] == pytest.approx(float(own.mean()), abs=1e-4)
    assert set(result["losses"]) == set(CASES)
    assert len({round(loss, 6) for loss in result["losses"].values()}) == len(CASES), "two cases are the same"


def test_what_is_drawn_while_it_runs(text: Words) -> None:
    partials = [
        {"case": "whole", "loss": 2.0, "uniform": 5.0},
        {"case": "no_mask", "loss": 1.0, "uniform": 5.0},
    ]
    shown = Knockout().show(Knockout().so_far(KnockoutParams(), partials), text)
    assert [row["Loss (nats a token)"] for row in shown.rows] == [2.0, 1.0] and shown.sentence is None
