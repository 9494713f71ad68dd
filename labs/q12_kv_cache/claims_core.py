"""The claims of Question 12 about what the model does, run on the real core. Imports torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labs.claims.checks import Check, Finding
from labs.contract import DEFAULT_MODEL
from labs.q12_kv_cache.claims import given
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import PRESETS
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

TEXT = "今天天气很好，我们一起去"
NEW, LENGTH, CHANGED = 24, 40, 20


def same_tokens() -> Finding:
    """Greedy tokens of our model with the cache and without it."""
    loaded = load_model(DEFAULT_MODEL)
    prompt, greedy = loaded.prompt_ids(TEXT), SamplingParams(temperature=0)
    cached, naive = (
        generate(loaded.model, [prompt], greedy, NEW, method=method).new_ids[0]
        for method in ("cached", "naive")
    )
    return Finding(
        cached == naive and len(cached) == NEW,
        {"equal": sum(a == b for a, b in zip(cached, naive, strict=True)), "of": NEW},
    )


def earlier_keys_stay() -> Finding:
    """Largest change of the cached keys when one token is another: before it, and after it by layer."""
    config = PRESETS["nano-rope"]
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    ids = torch.randint(3, config.vocab_size, (1, LENGTH))
    other = ids.clone()
    other[0, CHANGED] = (ids[0, CHANGED] + 1) % config.vocab_size
    first, second = (_keys(model, tokens) for tokens in (ids, other))  # [layers, K, T, D]
    change = (first - second).abs()
    before = float(change[:, :, :CHANGED].max())
    after = [float(layer) for layer in change[:, :, CHANGED + 1 :].amax(dim=(1, 2, 3))]
    return Finding(before == 0 and after[0] == 0 and min(after[1:]) > 0, {"before": before, "after": after})


def upper_left_mask() -> Finding:
    """Output of one query with the causal flag, against the first value and against no mask."""
    random = torch.Generator().manual_seed(0)
    query = torch.randn(1, given("query_heads"), 1, given("head_dim"), generator=random)
    key, value = (
        torch.randn(1, given("query_heads"), 9, given("head_dim"), generator=random) for _ in range(2)
    )
    flagged = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    right = F.scaled_dot_product_attention(query, key, value)
    from_first, from_right = (float((flagged - one).abs().max()) for one in (value[:, :, :1], right))
    return Finding(from_first < 1e-6 < from_right, {"from_first_value": from_first, "from_right": from_right})


@torch.inference_mode()
def _keys(model: MiniMind, ids: torch.Tensor) -> torch.Tensor:
    cache = StaticCache(model.config, 1, ids.shape[1])
    model(ids, positions=torch.arange(ids.shape[1]), cache=cache)
    return torch.stack(cache.keys)[:, 0]


CHECKS: dict[str, Check] = {"Q12-C10": same_tokens, "Q12-C16": earlier_keys_stay, "Q12-C19": upper_left_mask}
