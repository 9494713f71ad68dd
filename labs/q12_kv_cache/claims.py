"""The claims of Question 12 that follow from counting, recomputed. Its other claims: `claims_core.py`.

Counts step by step, by brute force where there is a closed form, so that the two can disagree.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from labs.claims.checks import Check, Finding, given_whole
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, matmul_parameters, weight_bytes
from questions import load_question

QUESTION = load_question("q12_kv_cache")
given = partial(given_whole, QUESTION)
MEGA, GIGA = 10**6, 10**9


def passes(prompt: int, new: int, *, cache: bool) -> list[tuple[int, int]]:
    """Each forward of a generation as (tokens fed, tokens before them); the last token is not fed back."""
    steps, length = [], prompt
    for step in range(new):
        fed = length if step == 0 or not cache else 1
        steps.append((fed, length - fed))
        length += 1
    return steps


def fed_tokens(prompt: int, new: int, *, cache: bool) -> int:
    """All token passes."""
    return sum(fed for fed, _ in passes(prompt, new, cache=cache))


def causal_pairs(fed: int, before: int) -> int:
    """Query-key pairs of a forward, each query with itself and what stands before it."""
    return fed * before + fed * (fed + 1) // 2


def operations(steps: list[tuple[int, int]], *, dense: bool = False) -> int:
    """Of these forwards: causal pairs and one row of logits each, or all pairs and all logits."""
    weights, total = matmul_parameters(ModelConfig()), 0
    for fed, before in steps:
        pairs = fed * (before + fed) if dense else causal_pairs(fed, before)
        head_rows = fed if dense else 1
        total += 2 * (fed * weights["layers"] + head_rows * weights["head"])
        total += attention_flops_per_pair(ModelConfig()) * pairs
    return total


def token_bytes(heads: int, element: int) -> int:
    """Of one cached token with that many key/value heads."""
    return 2 * given("layers") * heads * given("head_dim") * element


def run_steps(*, cache: bool) -> list[tuple[int, int]]:
    """The forwards of the problem's run."""
    return passes(given("prompt"), given("new"), cache=cache)


def with_cache() -> dict[str, int]:
    """Token passes as transformers does it, and with the last token fed back."""
    total = fed_tokens(given("prompt"), given("new"), cache=True)
    return {"passes": total, "last_too": total + 1}


def ratios() -> dict[str, float]:
    """What the run costs without the cache, over what it costs with it, in several currencies."""
    plain, cached = run_steps(cache=False), run_steps(cache=True)
    fed = fed_tokens(given("prompt"), given("new"), cache=False)
    return {
        "passes": fed / with_cache()["passes"],
        "last_too": fed / with_cache()["last_too"],
        "operations": operations(plain) / operations(cached),
        "dense": operations(plain, dense=True) / operations(cached, dense=True),
        "decode_only": operations(plain) / operations(cached[1:]),
    }


def bytes_per_token() -> dict[str, int]:
    """In half and full precision, and with other numbers of key/value heads."""
    ours, half = given("kv_heads"), given("bytes")
    return {
        "fp16": token_bytes(ours, half),
        "fp32": token_bytes(ours, 4),
        "mha": token_bytes(given("query_heads"), half),
        "mqa": token_bytes(1, half),
    }


def run_bytes() -> dict[str, float]:
    """The cache at the end of the run."""
    per_token = bytes_per_token()["fp16"]
    held, longer = (per_token * count for count in with_cache().values())
    return {"bytes": held, "last_too": longer, "mib": held / 2**20, "mb": held / MEGA}


def batch_bytes() -> dict[str, float]:
    """The same for a batch."""
    held, longer = (given("batch") * run_bytes()[name] for name in ("bytes", "last_too"))
    return {"last_too_mib": longer / 2**20, "last_too_mb": longer / MEGA, "bytes": held, "mb": held / MEGA}


def exponents() -> dict[str, int]:
    """How passes and pairs grow when n doubles, n large."""

    def of(count: str, cache: bool) -> int:
        totals = []
        for new in (2000, 4000):
            steps = passes(1, new, cache=cache)
            totals.append(
                sum(fed if count == "passes" else causal_pairs(fed, before) for fed, before in steps)
            )
        return round(math.log2(totals[1] / totals[0]))

    return {
        f"{count}_{name}": of(count, name == "with")
        for count in ("passes", "pairs")
        for name in ("without", "with")
    }


def attention_growth() -> dict[str, float]:
    """Operations for one key in a step, and the length where they add up to those of all matrices."""
    per_pair = 4 * given("query_heads") * given("head_dim") * given("layers")
    return {"per_pair": per_pair, "crossover": 2 * sum(matmul_parameters(ModelConfig()).values()) / per_pair}


def projections() -> dict[str, float]:
    """Operations for one token's keys and values, and for all matrices of the layers."""
    keys_and_values = 2 * 2 * given("layers") * given("hidden") * given("kv_heads") * given("head_dim")
    linear = 2 * matmul_parameters(ModelConfig())["layers"]
    attention = attention_growth()["per_pair"] * given("prompt")
    return {
        "projections": keys_and_values,
        "linear": linear,
        "percent": 100 * keys_and_values / linear,
        "percent_with_attention": 100 * keys_and_values / (linear + attention),
    }


def shared_in_one_pass() -> Finding:
    """Causal attention over all tokens at once against each query over its own prefix."""
    random = np.random.default_rng(0)
    query, key, value = random.normal(size=(3, 12, given("head_dim")))
    scores = query @ key.T + np.triu(np.full((12, 12), -np.inf), 1)
    at_once = _softmax(scores) @ value
    one_by_one = np.stack([_softmax(query[i] @ key[: i + 1].T) @ value[: i + 1] for i in range(12)])
    difference = float(abs(at_once - one_by_one).max())
    return Finding(difference < 1e-12, difference)


def memory() -> dict[str, float]:
    """Tokens that fit on the card, those whose cache weighs as much as the weights, and as runs."""
    per_token = bytes_per_token()["fp16"]
    as_weights = weight_bytes(ModelConfig(), given("bytes")) // per_token
    return {
        "tokens": given("card") * GIGA // per_token,
        "as_weights": as_weights,
        "runs": as_weights / with_cache()["passes"],
    }


def printed_table() -> dict[str, object]:
    """The times in circulation against each other, and against the peak rate of the card they name."""
    tokens, without, cached = (given_numbers(f"printed_{name}") for name in ("tokens", "without", "with"))
    whole_text = operations([(given("prompt") + given("new"), 0)])
    return {
        "ratios": [one / other for one, other in zip(without, cached, strict=True)],
        "without": [time / count for time, count in zip(without, tokens, strict=True)],
        "with": [time / count for time, count in zip(cached, tokens, strict=True)],
        "arithmetic": 1000 * whole_text / (given("peak") * 10**12),
    }


def concatenated() -> float:
    """Megabytes written by a cache that is made anew in every step after prefill."""
    lengths = [before + fed for fed, before in run_steps(cache=True)[1:]]
    return bytes_per_token()["fp16"] * sum(lengths) / MEGA


def intensity() -> dict[str, float]:
    """Operations per byte of weights in a decode step and in prefill, and what two cards can do."""
    weights = matmul_parameters(ModelConfig())
    size = given("bytes") * sum(weights.values())
    peaks, bandwidths = given_numbers("peaks"), given_numbers("bandwidths")  # TFLOP/s, TB/s
    cards = (round(peak / bandwidth) for peak, bandwidth in zip(peaks, bandwidths, strict=True))
    return {
        **dict(zip(("a100", "h100"), cards, strict=True)),
        "decode": 2 * sum(weights.values()) / size,
        "prefill": 2 * (given("prompt") * weights["layers"] + weights["head"]) / size,
    }


def batch_traffic() -> dict[str, float]:
    """How much less a token of the batch reads than a token alone."""
    rows, weights, cache = given("batch"), weight_bytes(ModelConfig()), run_bytes()["bytes"]
    alone = {"weights": weights, "cache": cache}
    batched = {"weights": weights / rows, "cache": rows * cache / rows}
    return {name: alone[name] / batched[name] for name in alone}


def paged() -> dict[str, float]:
    """Blocks of the run, slots of the last one that stay empty, and their share in percent."""
    block, tokens = 16, with_cache()["passes"]
    blocks = math.ceil(tokens / block)
    empty = blocks * block - tokens
    return {"blocks": blocks, "empty": empty, "percent": 100 * empty / (blocks * block)}


def cache_intensity() -> dict[str, float]:
    """Operations of attention per byte of cache that a decode step reads: ours, and one head a query."""
    per_key = attention_growth()["per_pair"]
    sizes = bytes_per_token()
    return {"ours": per_key / sizes["fp16"], "mha": per_key / sizes["mha"]}


def renumbered_keys() -> Finding:
    """Scores after renumbering the query alone, and with the cached keys rotated back as well."""
    random, shift, position = np.random.default_rng(0), 5, 20
    angles = 1e6 ** -(np.arange(given("head_dim") // 2) / (given("head_dim") // 2))
    real, imaginary = random.normal(size=(2, 10, len(angles)))
    query, *keys = real + 1j * imaginary  # pairs as complex numbers

    def turned(vector: np.ndarray, by: int) -> np.ndarray:
        return np.asarray(vector * np.exp(1j * by * angles))

    def scores(at: int, cached: list[np.ndarray]) -> np.ndarray:
        return np.array([(turned(query, at) * key.conj()).sum().real for key in cached])

    cached = [turned(key, shift + index) for index, key in enumerate(keys)]
    right = scores(position, cached)
    rotated_back = scores(position - shift, [turned(key, -shift) for key in cached])
    query_alone = scores(position - shift, cached)
    apart, wrong = (float(abs(each - right).max()) for each in (rotated_back, query_alone))
    return Finding(apart < 1e-9 < 0.1 < wrong, {"rotated_back": apart, "query_alone": wrong})


def windowed() -> float:
    """Percent of the full cache that two global layers and the others' windows take."""
    tokens, window, global_layers = 32768, 512, 2
    kept = global_layers * tokens + (given("layers") - global_layers) * window
    return 100 * kept / (given("layers") * tokens)


def prefix_hits() -> dict[str, int]:
    """Tokens prefilled in a chat that sends its history with every turn, and the hit rate in percent."""
    turns, tokens = 10, 100
    without, cached = sum(tokens * turn for turn in range(1, turns + 1)), tokens * turns
    return {"without": without, "with": cached, "hits": round(100 * (1 - cached / without))}


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def given_numbers(name: str) -> list[float]:
    """One of the problem's own lists."""
    values = QUESTION.given[name]
    assert isinstance(values, tuple)
    return [float(value) for value in values]  # type: ignore[arg-type]


CHECKS: dict[str, Check] = {
    "Q12-C1": lambda: fed_tokens(given("prompt"), given("new"), cache=False),
    "Q12-C2": with_cache,
    "Q12-C3": ratios,
    "Q12-C4": bytes_per_token,
    "Q12-C5": run_bytes,
    "Q12-C6": batch_bytes,
    "Q12-C7": exponents,
    "Q12-C8": attention_growth,
    "Q12-C9": projections,
    "Q12-C12": lambda: given("kv_heads") * given("head_dim"),
    "Q12-C14": shared_in_one_pass,
    "Q12-C15": memory,
    "Q12-C17": printed_table,
    "Q12-C18": concatenated,
    "Q12-C20": intensity,
    "Q12-C21": lambda: {
        name: operations(run_steps(cache=name == "with")) / GIGA for name in ("without", "with")
    },
    "Q12-C22": batch_traffic,
    "Q12-C24": paged,
    "Q12-C25": cache_intensity,
    "Q12-C26": renumbered_keys,
    "Q12-C27": windowed,
    "Q12-C28": prefix_hits,
}
