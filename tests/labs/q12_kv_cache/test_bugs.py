"""Broken caches: the right run is right, and each mistake does what it is said to do and no more."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q12_kv_cache.bugs import BUGS
from labs.q12_kv_cache.faults import FAULTS, Decode, Written
from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab

NEW = 4


@pytest.fixture(scope="module")
def result(lab: OneLab) -> dict[str, Any]:
    return lab.result("bugs", new=6)


@pytest.fixture(scope="module")
def model() -> MiniMind:
    model = untrained(TINY, "cpu").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.dim() > 1 else 1)  # or attention would hardly matter
    return model


def written(model: MiniMind, kind: type[Decode], forced: list[int] | None = None) -> Written:
    prompt, other = torch.tensor([1, 5, 9, 4, 8, 200]), torch.tensor([1, 70, 80, 90, 11, 12])
    with torch.inference_mode():
        return kind(model, prompt, other, NEW).run(forced, lambda: None)


def test_every_mistake_has_its_class() -> None:
    assert tuple(FAULTS) == BUGS


def test_the_right_run_equals_one_pass_over_the_text(model: MiniMind) -> None:
    clean = written(model, Decode)
    text = torch.tensor([[1, 5, 9, 4, 8, 200, *clean.ids[:-1]]])
    with torch.inference_mode():
        logits = model(text)[0, 5:]
    assert torch.allclose(clean.logits[0], logits, atol=1e-4)
    assert clean.ids == logits.argmax(-1).tolist()
    assert torch.equal(clean.logits[0], clean.logits[1])


@pytest.mark.parametrize("name", [name for name in BUGS if name != "repeated_heads"])
def test_a_mistake_is_far_beyond_rounding_and_raises_nothing(model: MiniMind, name: str) -> None:
    clean = written(model, Decode)
    apart = (written(model, FAULTS[name], clean.ids).logits[0] - clean.logits[0]).abs().amax(-1)
    assert apart.max() > 1e-3
    from_the_prompt = name in ("fed_twice", "stale")
    assert (apart[0] > 1e-3) == from_the_prompt  # prefill is right in all others


def test_repeated_heads_cost_memory_and_nothing_else(model: MiniMind) -> None:
    clean, repeated = written(model, Decode), written(model, FAULTS["repeated_heads"])
    assert torch.allclose(clean.logits, repeated.logits, atol=1e-4)
    assert repeated.cache_bytes == clean.cache_bytes * TINY.group_size


def test_seeing_one_key_is_what_the_causal_flag_does(model: MiniMind) -> None:
    """The next step of the flagged run does not depend on any token but the first and its own."""
    step = Decode.step
    prompts = (torch.tensor([1, 5, 9]), torch.tensor([1, 7, 3]))
    with torch.inference_mode():
        seen = []
        for prompt in prompts:
            run = FAULTS["causal_flag"](model, prompt, prompt, 2)
            run.read_prompt()
            seen.append(step(run, torch.tensor([[4], [4]]), 3))
    assert torch.allclose(seen[0], seen[1], atol=1e-5)


def test_the_real_model_shows_them(result: dict[str, Any], lab: OneLab) -> None:
    assert result["clean"]["largest_logit_difference"] == 0 and result["clean"]["same_tokens"] == 6
    assert result["rounding"]["largest_logit_difference"] < 1e-3
    for name in BUGS[:-1]:
        assert result[name]["largest_logit_difference"] > 1 and result[name]["nats"] > 0, name
    assert result["repeated_heads"]["bytes_per_token"] == 4 * result["clean"]["bytes_per_token"] == 32_768
    shown = lab.show("bugs", result)
    others, chosen, rounding = shown.figures["difference"].data
    assert len(others["x"]) == len(BUGS) - 1
    assert chosen["x"] == [result["no_offset"]["largest_logit_difference"]]
    assert set(rounding["x"]) == {result["rounding"]["largest_logit_difference"]}
    assert len(shown.rows) == len(BUGS) + 2


def test_looking_at_another_mistake_needs_no_run(lab: OneLab) -> None:
    seen = lab.result("bugs", new=6, view={"bug": "stale"})
    lines = lab.show("bugs", seen).figures["steps"].data
    assert lines[1]["y"] == pytest.approx(seen["stale"]["by_step"])


def test_a_mistake_that_has_spoilt_nothing_yet_is_said(lab: OneLab, result: dict[str, Any]) -> None:
    seen = {**result, "new": 2, "view": {"bug": "forgets"}}
    assert not any("spoilt nothing yet" in note for note in lab.show("bugs", seen).notes)
    seen["forgets"] = {**result["forgets"], "largest_logit_difference": 0.0}
    assert "With 2 new tokens this mistake has spoilt nothing yet" in " ".join(lab.show("bugs", seen).notes)
