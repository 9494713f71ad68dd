"""The roofline: each pass does and reads what is said of it, and stands under the right roof."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from labs.machine import probes
from labs.q08_speedup import roofline
from labs.q08_speedup.roofline import Pass, intensity, reached, roof
from labs.q08_speedup.roofline_passes import decode_pass, passes_of, prefill_pass
from labs.tools.budgets import PerDevice
from labs.tools.models import TINY, untrained
from minimind_core.model.cost import attention_flops_per_pair
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run, Show

CONTEXT = 64


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roofline, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr(probes, "COPIED", PerDevice(cpu=(2**20,), cuda=(2**20,)))
        patch.setattr(probes, "MATRIX", PerDevice(cpu=128, cuda=128))
        return run("roofline", context=CONTEXT)


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return untrained(TINY, "cpu").use_attention("eager").eval()


def counted(run: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize("batch", [1, 3])
def test_a_decode_step_does_what_torch_counts_and_reads_weights_once_and_every_cache(
    model: MiniMind, batch: int
) -> None:
    one = decode_pass(model, batch, 16)
    assert counted(one.run) == one.operations
    weights = sum(parameter.nbytes for parameter in model.parameters())
    cache = StaticCache(model.config, batch, 16).nbytes
    assert one.num_bytes == weights + cache


def test_a_prompt_does_what_torch_counts_but_for_the_pairs_that_are_masked(model: MiniMind) -> None:
    one = prefill_pass(model, 9)
    masked = 9 * 8 // 2 * attention_flops_per_pair(model.config)
    assert counted(one.run) == one.operations + masked
    untied = untrained(TINY.replace(tie_word_embeddings=False), "cpu")
    assert prefill_pass(untied, 9).num_bytes == one.num_bytes, "an embedding that is no head is hardly read"


def test_every_batch_and_both_prompts_are_passes(model: MiniMind) -> None:
    assert list(passes_of(model, 16, (1, 2), 8, lambda: None)) == [
        "decode_1",
        "decode_2",
        "prefill_8",
        "prefill_16",
    ]
    assert list(passes_of(model, 8, (1,), 8, lambda: None)) == ["decode_1", "prefill_8"]


def test_the_lower_roof_is_the_one_that_counts() -> None:
    seconds = {"median": 2.0, "low": 1.0, "high": 3.0}
    one: Pass = {"kind": "decode", "tokens": 1, "operations": 100.0, "num_bytes": 50.0, "seconds": seconds}
    assert (intensity(one), reached(one)) == (2, 50)
    assert roof(one, bandwidth=10, rate=1000) == 20 and roof(one, bandwidth=1000, rate=70) == 70


def test_more_users_do_more_for_every_byte(result: dict[str, Any], show: Show) -> None:
    passes = result["passes"]
    assert list(passes) == ["decode_1", "decode_8", "decode_32", "prefill_32", "prefill_64"]
    done = [intensity(passes[name]) for name in ("decode_1", "decode_8", "decode_32")]
    assert done == sorted(done) and done[0] < 1 < done[1] and done[2] < 32 * done[0]
    assert result["faster"] == reached(passes["prefill_64"]) / reached(passes["decode_1"]) > 1
    shown = show("roofline", result)
    line, decode, prefill = shown.figures["roofline"].data
    ridge = result["rate"] / result["bandwidth"]
    assert line["x"][1] == ridge and line["y"][1] == line["y"][2] == result["rate"] / 1e9
    assert line["y"][0] == pytest.approx(line["x"][0] * result["bandwidth"] / 1e9)
    assert decode["x"] == done and len(prefill["x"]) == 2 and len(shown.rows) == 5
    assert len(decode["textposition"]) == 3 and set(decode["textposition"]) == {"bottom right"}
    assert set(prefill["textposition"]) <= {"top left", "bottom left"}, "no name stands on the other kind"
    assert shown.sentence is not None and shown.sentence["measured"] == result["faster"]


@pytest.mark.parametrize(
    ("seconds", "key"), [(1.1, "bytes are what it waits for"), (9.0, "waits for something else as well")]
)
def test_what_a_step_waits_for_is_said_as_it_is(
    result: dict[str, Any], show: Show, seconds: float, key: str
) -> None:
    first = result["passes"]["decode_1"]
    floor = first["num_bytes"] / result["bandwidth"]
    slower = {**first, "seconds": dict.fromkeys(first["seconds"], seconds * floor)}
    changed = {**result, "rate": 1e18, "passes": {**result["passes"], "decode_1": slower}}
    assert key in show("roofline", changed).notes[2]
