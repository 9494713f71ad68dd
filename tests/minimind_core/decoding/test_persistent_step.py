"""The kernel that decodes several tokens: its text on one core of a CPU, and itself on a Hopper GPU."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from minimind_core.decoding import persistent_step
from minimind_core.decoding.generate import Generator, generate
from minimind_core.decoding.persistent_step import PersistentStep, Plan, make_plan, plan_for
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.config import PRESETS, ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.decoding.one_core_kernel import COMPILER, build

CONFIG = ModelConfig(
    vocab_size=24,
    hidden_size=264,
    num_layers=4,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=40,
    max_length=256,
)
"""More columns than a warp takes at once; with four layers, epochs that end as empty memory does."""
PROMPT, CAPACITY = 130, 144
"""More slots than the blocks look at in one go."""
HOPPER_H200 = {"multiprocessors": 132, "shared_bytes": 232_448}
GREEDY = SamplingParams(temperature=0)


def uneven(config: ModelConfig, dtype: torch.dtype = torch.float32) -> MiniMind:
    """Random weights with logits that differ and norms that are not 1."""
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    for parameter in model.parameters():
        parameter.data = parameter.data * 4 if parameter.dim() == 2 else torch.rand_like(parameter) + 0.5
    return model.to(dtype)


def poisoned(model: MiniMind) -> StaticCache:
    cache = StaticCache(model.config, 1, CAPACITY, dtype=model.head_weight.dtype)
    cache.fill(float("nan"))
    cache.reset()
    return cache


def sides(cache: StaticCache, layer: int) -> tuple[Tensor, Tensor]:
    return cache.keys[layer], cache.values[layer]


@torch.inference_mode()
def expected(model: MiniMind, cache: StaticCache, token: int, steps: int) -> tuple[Tensor, list[int]]:
    """Logits after the last of `steps` greedy tokens by the plain model, and the tokens."""
    chosen = []
    for position in range(PROMPT, PROMPT + steps):
        logits = model(torch.tensor([[token]]), torch.tensor([[position]]), cache=cache)[0, 0]
        token = int(logits.argmax())
        chosen.append(token)
    return logits, chosen


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
def test_the_text_of_the_kernel_computes_what_the_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistent_step, "WARPS", 2)
    monkeypatch.setattr(persistent_step, "COPIES", 2)
    model = uneven(CONFIG)
    plan = make_plan(CONFIG, torch.float32, **HOPPER_H200)
    assert isinstance(plan, Plan) and (plan.blocks, plan.splits) == (8, 2)
    rotary = model.model.rotary
    assert rotary is not None
    launch = build(plan, rotary.attention_factor, tmp_path)
    ids, positions = torch.tensor([[5]]), torch.tensor([[PROMPT]])
    history = torch.full((1, CAPACITY + 1), -7)
    caches = [StaticCache(CONFIG, 1, CAPACITY), poisoned(model)]
    prompt = torch.randint(CONFIG.vocab_size, (1, PROMPT))
    with torch.inference_mode():
        for cache in caches:
            model.model(prompt, slots=torch.arange(PROMPT), cache=cache)
    step = PersistentStep(model, caches[1], plan, launch)
    step.logits.fill_(float("nan"))
    step.advance(1, ids, positions, history)
    step.advance(2, ids, positions, history)
    logits, tokens = expected(model, caches[0], token=5, steps=3)
    assert torch.allclose(step.logits, logits, atol=2e-5 * float(logits.abs().max()), rtol=0)
    assert history[0, PROMPT + 1 : PROMPT + 5].tolist() == [*tokens, -7]
    assert (int(ids), int(positions)) == (tokens[-1], PROMPT + 3)
    assert torch.equal(caches[0].positions, caches[1].positions)
    for layer in range(CONFIG.num_layers):
        for theirs, ours in zip(sides(caches[0], layer), sides(caches[1], layer), strict=True):
            assert torch.allclose(ours[:, :, : PROMPT + 3], theirs[:, :, : PROMPT + 3], atol=1e-4)


def test_the_text_of_the_kernel_reads_a_prompt_in_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if COMPILER is None:
        pytest.skip("needs a C++ compiler")
    monkeypatch.setattr(persistent_step, "WARPS", 1)
    config = CONFIG.replace(hidden_size=24, num_layers=1, num_kv_heads=1, tie_word_embeddings=False)
    model = uneven(config, torch.bfloat16)
    plan = make_plan(config, torch.bfloat16, **HOPPER_H200)
    assert isinstance(plan, Plan) and model.model.rotary is not None
    step = PersistentStep(model, poisoned(model), plan, build(plan, 1.0, tmp_path))
    ids, positions, history = torch.zeros(1, 1).long(), torch.zeros(1, 1).long(), torch.zeros(1, 9).long()
    with torch.inference_mode():
        logits = step.read([3, 7, 1, 9], ids, positions, history)[0]
        wanted = model.float()(torch.tensor([[3, 7, 1, 9]]))[0, -1]
    assert torch.allclose(logits, wanted, atol=0.02 * float(wanted.abs().max()), rtol=0)
    assert history[0].tolist() == [3, 7, 1, 9, int(wanted.argmax()), 0, 0, 0, 0]
    assert (int(ids), int(positions)) == (int(wanted.argmax()), 3)


@pytest.mark.parametrize(
    ("changes", "dtype", "reason"),
    [
        ({"qk_norm": True}, torch.float32, "no norm of queries"),
        ({"position": "alibi"}, torch.float32, "rotated positions"),
        ({"num_experts": 2}, torch.float32, "no experts"),
        ({}, torch.float16, "float16"),
        ({"head_dim": 48}, torch.float32, "groups of eight"),
        ({"vocab_size": 6401}, torch.float32, "1 multiprocessors only"),
        ({"hidden_size": 4096, "intermediate_size": 4096}, torch.float32, "shared memory"),
    ],
)
def test_a_model_that_does_not_fit_is_told_why(
    changes: dict[str, int], dtype: torch.dtype, reason: str
) -> None:
    plan = make_plan(ModelConfig().replace(**changes), dtype, **HOPPER_H200)
    assert isinstance(plan, str) and reason in plan


def test_the_shipped_models_fit_an_h200() -> None:
    for name, blocks in {"minimind-26m": 128, "draft-1l": 128, "nano-rope": 64, "toy": 64}.items():
        plan = make_plan(PRESETS[name], torch.bfloat16, **HOPPER_H200)
        assert isinstance(plan, Plan) and (plan.blocks, plan.slots) == (blocks, 4)
        assert plan.shared_bytes <= HOPPER_H200["shared_bytes"]


def test_elsewhere_the_compiled_step_decodes_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimind_core.decoding.generate.Decoding", _eager_decoding)
    model = uneven(PRESETS["toy"])
    with caplog.at_level(logging.WARNING):
        found = generate(model, [[1, 5]], GREEDY, 5, method="persistent").new_ids
    assert found == generate(model, [[1, 5]], GREEDY, 5).new_ids
    assert "written for Hopper GPUs" in caplog.text


def _eager_decoding(model: MiniMind, batch_size: int, capacity: int, kind: str, persistent: bool) -> object:
    """A Decoding that spares the test a compiler."""
    from minimind_core.decoding.decode import Decoding

    return Decoding(model, batch_size, capacity, "eager", persistent)


@pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability()[0] != 9, reason="needs a Hopper GPU"
)
@pytest.mark.parametrize("prompt_length", [1, 16, 70])
@pytest.mark.parametrize("preset", ["minimind-26m", "nano-rope"])
def test_greedy_tokens_on_a_gpu_equal_the_plain_models(preset: str, prompt_length: int) -> None:
    model = uneven(PRESETS[preset]).to("cuda")
    assert isinstance(plan_for(model), Plan)
    prompt = [index * 7 % 1000 for index in range(1, prompt_length + 1)]
    persistent = Generator(model, 1, 700, "persistent")
    for count in (1, 600):
        found = persistent.generate([prompt], GREEDY, count).new_ids
        assert found == generate(model, [prompt], GREEDY, count).new_ids
