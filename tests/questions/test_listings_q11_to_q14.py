"""The listings of the answers to questions 11 to 14 run, and do what the text around them promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.q14_serving import claims as serving
from minimind_core.decoding.sampling import filter_logits
from minimind_core.model.config import ModelConfig
from minimind_core.model.rope import RotaryEmbedding, apply_rope
from tests.questions.listings import run

both_languages = pytest.mark.parametrize("language", ["en", "zh"])


def listing(slug: str, language: str, **scope: Any) -> dict[str, Any]:
    """What the listings of an answer define."""
    return run(slug, language, torch=torch, **scope)


class Passes(nn.Module):
    """Gives its input back inside whatever `wrap` makes of it, broken where `value` is given."""

    def __init__(self, wrap: Any = lambda x: x, value: float | None = None) -> None:
        super().__init__()
        self.wrap, self.value = wrap, value

    def forward(self, x: Tensor) -> Any:
        """x [B, D]."""
        if self.value is not None:
            x = x.index_fill(0, torch.tensor([0]), self.value)
        return self.wrap(x)


class Chain(nn.Module):
    """Runs its parts in turn; a part may return a tuple or a dict, of which the first tensor goes on."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, D]."""
        for part in self.parts.values():
            out = part(x)
            while not isinstance(out, Tensor):
                out = next(iter(out.values())) if isinstance(out, dict) else out[0]
            x = out
        return x


@both_languages
@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: (x, None), lambda x: {"last_hidden_state": x}, lambda x: ([x], {"cache": None})],
    ids=["tensor", "tuple", "dict", "nested"],
)
def test_q11_the_first_module_is_named_whatever_it_returns(language: str, wrap: Any) -> None:
    first_nonfinite = listing("q11_nan", language)["first_nonfinite"]
    model = Chain(a=Passes(wrap), b=Passes(wrap, torch.inf), c=Passes(wrap, torch.nan))
    assert first_nonfinite(model, torch.ones(2, 3)) == ("parts.b", "inf")
    assert first_nonfinite(Chain(a=Passes(wrap)), torch.ones(2, 3)) is None
    assert not any(module._forward_hooks for module in model.modules())


@both_languages
def test_q11_the_hook_survives_the_outputs_of_transformers(language: str) -> None:
    transformers = pytest.importorskip("transformers")
    first_nonfinite = listing("q11_nan", language)["first_nonfinite"]
    config = transformers.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    model = transformers.LlamaForCausalLM(config).eval()
    ids = torch.arange(5)[None]
    assert first_nonfinite(model, input_ids=ids) is None
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3] = torch.nan
        assert first_nonfinite(model, input_ids=ids) == ("model.layers.1.mlp.up_proj", "nan")


@both_languages
def test_q11_the_hook_is_gone_when_the_forward_raises(language: str) -> None:
    first_nonfinite = listing("q11_nan", language)["first_nonfinite"]
    model = Chain(a=nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        first_nonfinite(model, torch.ones(2, 5))
    assert not any(module._forward_hooks for module in model.modules())


class GrowingCache:
    """Keys and values [B, K, T, D] of one layer, in the order they came."""

    def __init__(self) -> None:
        self.kept: list[tuple[Tensor, Tensor]] = []

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append, and give back everything."""
        assert layer == 0
        self.kept.append((keys, values))
        all_keys, all_values = zip(*self.kept, strict=True)
        return torch.cat(all_keys, 2), torch.cat(all_values, 2)


@both_languages
def test_q12_decoding_step_by_step_equals_one_pass_over_the_text(language: str) -> None:
    torch.manual_seed(0)
    text, length = torch.randn(1, 7, 512), 7  # [B, T, hidden]
    weights = {
        name: torch.randn(512, heads * 64) / 512**0.5 for name, heads in zip("qkv", (8, 2, 2), strict=True)
    }
    rotary = RotaryEmbedding(ModelConfig())

    def project(x: Tensor) -> list[Tensor]:
        heads = (x @ weight for weight in weights.values())  # [B, T, heads * 64]
        return [each.unflatten(-1, (-1, 64)).transpose(1, 2) for each in heads]  # [B, heads, T, 64]

    def rotate(x: Tensor, position: int) -> Tensor:
        return apply_rope(x, *rotary(torch.arange(position, position + x.shape[2])))

    def attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    q, k, v = project(text)
    at_once = attend(rotate(q, 0), rotate(k, 0), v, causal=True)  # [B, 8, T, 64]
    step = listing("q12_kv_cache", language, project=project, rotate=rotate, attend=attend)["decode_step"]
    cache = GrowingCache()
    steps = [step(text[:, at : at + 1], cache, 0, at) for at in range(length)]
    torch.testing.assert_close(torch.cat(steps, 2), at_once)


@both_languages
def test_q13_the_nucleus_keeps_everything_at_one_and_one_token_at_zero(language: str) -> None:
    keep_nucleus = listing("q13_sampling", language)["keep_nucleus"]
    peaked = (3 * torch.randn(20, 6400, generator=torch.Generator().manual_seed(0))).softmax(-1)
    assert torch.equal(keep_nucleus(peaked, 1.0), peaked) and (peaked > 0).all()
    assert torch.equal(keep_nucleus(peaked, 0.0).argmax(-1), peaked.argmax(-1))
    assert ((keep_nucleus(peaked, 0.0) > 0).sum(-1) == 1).all()


@both_languages
@pytest.mark.parametrize("top_p", [0.5, 0.9, 1.0])
def test_q13_a_batch_is_filtered_as_the_core_does(language: str, top_p: float) -> None:
    keep_nucleus = listing("q13_sampling", language)["keep_nucleus"]
    logits = torch.randn(6, 6400, generator=torch.Generator().manual_seed(1))
    kept = keep_nucleus(logits.softmax(-1), top_p)
    torch.testing.assert_close(kept, filter_logits(logits, top_p=top_p), atol=1e-6, rtol=1e-4)


@both_languages
def test_q13_draws_stay_within_the_nucleus_of_their_row(language: str) -> None:
    next_token = listing("q13_sampling", language)["next_token"]
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([[8.0, 7.0, 6.0, 3.0, 2.0], [2.0, 3.0, 6.0, 7.0, 8.0]])
    drawn = next_token(logits.repeat(200, 1), 1.0, 0.9, generator)
    assert set(drawn[::2].tolist()) == {0, 1} and set(drawn[1::2].tolist()) == {3, 4}
    assert next_token(logits, 0).tolist() == [0, 4] and next_token(logits, 1.0, 0.0).tolist() == [0, 4]


@both_languages
def test_q14_rows_and_latency_are_those_of_the_claim_and_of_the_simulation(language: str) -> None:
    rows_and_latency = listing("q14_serving", language)["rows_and_latency"]
    table, by_hand = serving.table_curve(), serving.rows_by_hand()
    rate, tokens = serving.given("rate"), serving.given("tokens")
    for gpus, row in zip((2, 3, 4), by_hand["rows"], strict=True):
        assert rows_and_latency(gpus, rate, tokens, *table)[0] == pytest.approx(row)
    rows, latency = rows_and_latency(4, rate, tokens, *table)
    outcome = serving.served(4)
    assert rows == pytest.approx(outcome.mean_in_flight / 4, rel=0.05)
    assert latency == pytest.approx(sum(outcome.latencies) / len(outcome.latencies), rel=0.05)
    with pytest.raises(ValueError, match="overloaded"):
        rows_and_latency(1, rate, tokens, *table)
