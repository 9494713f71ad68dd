"""The time of a pass by kind of module: FLOPs as counted, bytes as weighed, shares of one whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from labs.contract import Words
from labs.q05_shapes import timing
from labs.q05_shapes.part_calls import BetweenProjections, counted_flops, decode_step, part_calls, prefill
from labs.q05_shapes.part_costs import PARTS, part_costs, shares
from labs.q05_shapes.timing import Timing, check_dense
from labs.tools import interleaved
from labs.tools.budgets import PerDevice
from labs.tools.models import TINY
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import decode_flops, forward_flops, num_parameters
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run

TOKENS = 12
SPAN = ("median", "low", "high")


@pytest.fixture
def ids(tiny: MiniMind) -> Tensor:
    return torch.arange(3, 3 + TOKENS)[None] % tiny.config.vocab_size


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", PerDevice(cpu=0.05, cuda=0.05))


@pytest.mark.parametrize("head_tokens", [1, TOKENS])
def test_flops_of_every_part_are_what_the_counter_sees(tiny: MiniMind, ids: Tensor, head_tokens: int) -> None:
    with torch.inference_mode():
        read, step = prefill(ids, head_tokens), decode_step(tiny, ids)
        of_prompt = part_costs(tiny.config, TOKENS, TOKENS, head_tokens)
        of_step = part_costs(tiny.config, 1, TOKENS, 1)
        assert counted_flops(tiny, read) == {name: cost.flops for name, cost in of_prompt.items()}
        assert counted_flops(tiny, step) == {name: cost.flops for name, cost in of_step.items()}
    head = "all" if head_tokens > 1 else "last"
    flops = sum(cost.flops for cost in of_prompt.values())
    assert flops == forward_flops(tiny.config, 1, TOKENS, head)  # type: ignore[arg-type]
    assert sum(cost.flops for cost in of_step.values()) == decode_flops(tiny.config, 1, TOKENS)
    assert tiny.model.attention_kind == "sdpa"


def test_every_weight_is_read_once() -> None:
    for config in (ModelConfig(), TINY):
        costs = part_costs(config, 1, 9, 1)
        assert tuple(costs) == PARTS
        assert sum(cost.weights for cost in costs.values()) == num_parameters(config)


def test_what_a_part_is_given_is_weighed_by_hooks(tiny: MiniMind, ids: Tensor) -> None:
    config, given = tiny.config, dict.fromkeys(PARTS, 0)

    def weigh(kind: str) -> Any:
        def hook(_module: object, inputs: tuple[Any, ...]) -> None:
            given[kind] += inputs[0].numel()

        return hook

    for layer in tiny.model.layers:
        layer.input_layernorm.register_forward_pre_hook(weigh("norms"))
        layer.post_attention_layernorm.register_forward_pre_hook(weigh("norms"))
        layer.self_attn.q_proj.register_forward_pre_hook(weigh("projections"))
        layer.self_attn.o_proj.register_forward_pre_hook(weigh("o_proj"))
        layer.mlp.gate_proj.register_forward_pre_hook(weigh("feed_forward"))
        layer.mlp.down_proj.register_forward_pre_hook(weigh("feed_forward"))
    tiny.model.norm.register_forward_pre_hook(weigh("norms"))
    with torch.inference_mode():
        tiny(ids)
    costs = part_costs(config, TOKENS, TOKENS, 1)
    for kind in ("norms", "projections", "o_proj", "feed_forward"):
        assert costs[kind].given == given[kind], kind
    rotated = config.num_heads + 2 * config.num_kv_heads
    assert costs["attention"].given == config.num_layers * TOKENS * rotated * config.head_dim


def test_parts_that_are_run_alone_compute_what_the_pass_computes(tiny: MiniMind, ids: Tensor) -> None:
    with torch.inference_mode():
        plain = tiny(ids)[:, -1:]
        step = decode_step(tiny, ids)
        torch.testing.assert_close(step.logits(tiny), plain, atol=1e-5, rtol=1e-5)
        for run in (prefill(ids, 1), step):
            seen: list[tuple[Tensor, Tensor]] = []
            own = tiny.model.layers[1].self_attn

            def compare(module: Any, inputs: tuple[Any, ...], output: Tensor, seen: Any = seen) -> None:
                between = BetweenProjections(tiny.config, module, module.project(inputs[0]))
                seen.append((module.o_proj(between(*inputs)), output))

            handle = own.register_forward_hook(compare)
            run.logits(tiny)
            handle.remove()
            torch.testing.assert_close(*seen[0], atol=0, rtol=0)


def test_no_hook_is_left_when_the_clock_starts(tiny: MiniMind, ids: Tensor) -> None:
    with torch.inference_mode():
        calls = part_calls(tiny, prefill(ids, 1))
    assert list(calls) == list(PARTS)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny.modules())


def test_shares_are_of_one_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def spiked(ways: dict[str, object], *_: object, **__: object) -> dict[str, list[float]]:
        """The nth way takes n ms; one round is ten times slower, for all alike. The pass takes 56 ms."""
        assert list(ways) == [*PARTS, "whole"]
        seconds = {name: index / 1000 for index, name in enumerate(PARTS, 1)} | {"whole": 0.056}
        return {name: [one, 10 * one, one] for name, one in seconds.items()}

    monkeypatch.setattr(interleaved, "interleaved", spiked)
    result: Any = run("timing", tokens=32, logits="all")
    for phase in result["phases"].values():
        parts = phase["parts"]
        assert all(part["flops"] == part["counted"] for part in parts.values())
        for share in ("flops_share", "bytes_share"):
            assert sum(part[share] for part in parts.values()) == pytest.approx(1)
        for index, name in enumerate(PARTS, 1):
            assert parts[name]["time_share"] == pytest.approx(dict.fromkeys(SPAN, index / 28))
            assert parts[name]["milliseconds"]["median"] == pytest.approx(index)
        assert phase["together"] == pytest.approx(dict.fromkeys(SPAN, 0.5))
        assert phase["milliseconds"]["median"] == pytest.approx(56)
    assert shares({"head": 1.0, "norms": 3.0}) == {"head": 0.25, "norms": 0.75}


def test_the_sentence_is_that_of_the_chosen_part(run: Run, text: Words, short: None) -> None:
    for phase, part in (("prefill", "head"), ("decode", "attention")):
        result: Any = run("timing", {"phase": phase, "kind": part}, tokens=32)
        one = result["phases"][phase]["parts"][part]
        shown = Timing().show(result, text)
        assert shown.sentence is not None
        assert shown.sentence["said"] == 100 * one["flops_share"]
        assert shown.sentence["formula"] == 100 * one["bytes_share"]
        assert shown.sentence["measured"] == 100 * one["time_share"]["median"]
        assert [len(shown.rows), next(iter(shown.figures))] == [7, phase]
        assert set(shown.figures) == {"prefill", "decode"}
        assert text(f"kind.{part}") in shown.notes[0] and text(f"phase.{phase}") in shown.notes[0]


def test_a_mixture_of_experts_is_refused(text: Words) -> None:
    check_dense(ModelConfig(), "dense")
    with pytest.raises(ConfigError, match="mine is a mixture of experts; choose a model with one") as refused:
        check_dense(ModelConfig(num_experts=4), "mine")
    assert refused.value.key == "q05.dense"
