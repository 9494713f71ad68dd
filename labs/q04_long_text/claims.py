"""The claims of Question 4 that follow from counting, recomputed. Its other claim: `claims_core.py`.

Windows, pairs and reach are enumerated rather than taken from the formulas, so that the two can disagree.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial

import numpy as np

from labs.claims.checks import Check, Finding, given_text, given_whole
from labs.q04_long_text.reach import arriving, reached
from minimind_core.model.config import ModelConfig
from minimind_core.tokenizer import load_tokenizer
from questions import load_question

QUESTION = load_question("q04_long_text")
given = partial(given_whole, QUESTION)
given_sentence = partial(given_text, QUESTION)
GIGA, MIB, GIB = 10**9, 2**20, 2**30
PROBES = ((1, 4), (2, 4), (4, 4), (8, 4), (8, 8), (3, 16))
BETA_FAST, BETA_SLOW = 32, 1


def windows(stride: int) -> list[tuple[int, int]]:
    """Start and end of every window until the text is covered."""
    found = [(0, given("trained"))]
    while found[-1][1] < given("length"):
        start = found[-1][0] + stride
        found.append((start, start + given("trained")))
    assert found[-1][1] == given("length"), "the last window would have to be shortened"
    return found


def causal_pairs(length: int, window: int | None = None) -> int:
    """Query-key pairs that a causal mask leaves, with at most `window` keys a query."""
    return sum(min(place + 1, window or length) for place in range(length))


def layer_operations(tokens: int, pairs: int) -> int:
    """A forward pass of our model through its layers, without the head."""
    config = ModelConfig()
    attention = 2 * config.hidden_size * config.head_dim * (config.num_heads + config.num_kv_heads)
    weights = config.num_layers * (attention + 3 * config.hidden_size * config.intermediate_size)
    return 2 * tokens * weights + 4 * config.num_layers * config.hidden_size * pairs


def operations(tokens: int, pairs: int) -> int:
    """The same with the head at every position."""
    config = ModelConfig()
    return layer_operations(tokens, pairs) + 2 * tokens * config.vocab_size * config.hidden_size


def windowed(stride: int) -> tuple[int, int]:
    """Tokens and pairs of all windows together."""
    count = len(windows(stride))
    return count * given("trained"), count * causal_pairs(given("trained"))


def lost() -> float:
    """Percent of the text that truncation drops."""
    return 100 * (given("length") - given("trained")) / given("length")


def window_counts() -> dict[str, int]:
    """With half an overlap, with none, and with half the stride again."""
    return {
        "half_overlap": len(windows(given("stride"))),
        "disjoint": len(windows(given("trained"))),
        "quarter_stride": len(windows(given("stride") // 2)),
    }


def window_costs() -> dict[str, float]:
    """Of all windows against one, and against one causal pass, without heads and with them."""
    length, one = given("length"), (given("trained"), causal_pairs(given("trained")))
    everything = length, causal_pairs(length)
    overlapping, disjoint = (windowed(stride) for stride in (given("stride"), given("trained")))
    return {
        "against_one": layer_operations(*overlapping) // layer_operations(*one),
        "against_full": layer_operations(*overlapping) / layer_operations(*everything),
        "disjoint_against_full": layer_operations(*disjoint) / layer_operations(*everything),
        "attention_only": overlapping[1] / everything[1],
        "with_heads": operations(*overlapping) / operations(*everything),
        "disjoint_with_heads": operations(*disjoint) / operations(*everything),
    }


def mean_forgets() -> Finding:
    """The mean of window vectors in order, and with two of them swapped; a sum weighted by place notices."""
    vectors = np.random.default_rng(0).normal(size=(given("chunks"), 8))
    swapped = vectors.copy()
    swapped[[2, 9]] = swapped[[9, 2]]
    places = np.arange(len(vectors))
    same = bool(np.allclose(vectors.mean(0), swapped.mean(0), atol=1e-12))
    noticed = not np.allclose(places @ vectors, places @ swapped)
    return Finding(same and noticed, {"mean_is_the_same": same, "weighted_sum_differs": noticed})


def hierarchy() -> dict[str, float]:
    """Pairs of all chunks and of the summaries, every query against every key, and of the whole text."""
    chunk = given("length") // given("chunks")
    pairs = given("chunks") * chunk**2 + given("chunks") ** 2
    return {"hierarchical": pairs, "full": given("length") ** 2, "factor": given("length") ** 2 / pairs}


def local_pairs() -> dict[str, float]:
    """Causal pairs with a window and without."""
    local, full = causal_pairs(given("length"), given("local")), causal_pairs(given("length"))
    return {"local": local, "full": full, "factor": full / local}


def reaches() -> dict[str, object]:
    """Of the problem's design, the smallest window and depth that span the text, and small probes."""
    layers, local, length = given("layers"), given("local"), given("length")
    window = next(w for w in range(1, length + 1) if layers * (w - 1) + 1 >= length)
    depth = next(n for n in range(1, length + 1) if n * (local - 1) + 1 >= length)
    return {
        "reach": int(reached(layers, local, length).sum()),
        "window_needed": window,
        "layers_needed": depth,
        "probes": [int(reached(n, w, 100).sum()) for n, w in PROBES],
    }


def dilated() -> dict[str, int]:
    """Tokens that one layer spans; positions reached by all layers, and the distance to the farthest."""
    span = range(0, given("local") * given("dilation"), given("dilation"))
    far = reached(given("layers"), given("local"), given("length"), given("dilation"))
    return {"span": span[-1] + 1, "reached": int(far.sum()), "stretch": len(far) - int(far.argmax())}


def influence() -> dict[str, int]:
    """Positions behind the given percentage: of layers that attend evenly, and of half residual ones."""
    share = given("influence_percent") / 100
    even = np.full(given("local"), 1 / given("local"))
    residual = even / 2
    residual[0] += 1 / 2
    return {
        name: int(np.searchsorted(arriving(given("layers"), step).cumsum(), share)) + 1
        for name, step in (("even", even), ("with_residual", residual))
    }


def turns(positions: int) -> int:
    """Rotary pairs that complete a turn within so many positions."""
    return sum(positions * frequency >= 2 * math.pi for frequency in frequencies())


def frequencies() -> list[float]:
    """Angle a position of each rotary pair of our model."""
    config = ModelConfig()
    return [config.rope_theta ** (-2 * pair / config.head_dim) for pair in range(config.head_dim // 2)]


def yarn_groups() -> dict[str, int]:
    """Pairs that YaRN leaves alone, blends and stretches, from their turns within the trained length."""
    config = ModelConfig()

    def pair_with(count: int) -> float:
        wavelength = given("trained") / count
        return config.head_dim * math.log(wavelength / (2 * math.pi)) / (2 * math.log(config.rope_theta))

    low, high = math.floor(pair_with(BETA_FAST)), math.ceil(pair_with(BETA_SLOW))
    pairs = range(config.head_dim // 2)
    return {
        "kept": sum(pair <= low for pair in pairs),
        "blended": sum(low < pair < high for pair in pairs),
        "stretched": sum(pair >= high for pair in pairs),
    }


def rotary_pairs() -> dict[str, int]:
    """Turns within three lengths, and YaRN's groups."""
    pairs = len(frequencies())
    lengths = {f"turns_{n}": turns(n) for n in (given("trained"), given("raised"), given("length"))}
    return {"pairs": pairs, **lengths, "not_full_turn": pairs - turns(given("trained")), **yarn_groups()}


def cache() -> dict[str, float]:
    """Bytes a token, and MiB of the text with our heads and with one key/value head a query head."""
    config = ModelConfig()
    per_head = 2 * config.num_layers * config.head_dim * 2
    ours, full = per_head * config.num_kv_heads, per_head * config.num_heads
    return {
        "per_token": ours,
        "mib": _whole(ours * given("length"), MIB),
        "mha_mib": _whole(full * given("length"), MIB),
    }


def memory() -> dict[str, float]:
    """GiB of naive scores, MiB of logits, MB of weights."""
    config, length = ModelConfig(), given("length")
    scores = config.num_heads * length**2 * 4
    norms = config.hidden_size * (2 * config.num_layers + 1)
    weights = operations(1, 0) // 2 + norms  # every matrix once, the embedding is the head
    return {
        "scores_layer": _whole(scores, GIB),
        "scores_all": _whole(scores * config.num_layers, GIB),
        "logits_mib": _whole(length * config.vocab_size * 4, MIB),
        "weights_mb": weights * 2 / 10**6,
    }


def crossover() -> dict[str, float]:
    """Where attention is as large as the matrices, and its percentage at both lengths."""
    linear, per_pair = operations(1, 0), operations(0, 1)
    square = next(n for n in range(1, 10**5) if per_pair * n * n >= linear * n)
    causal = next(n for n in range(1, 10**5) if per_pair * n * (n + 1) // 2 >= linear * n)
    assert per_pair * square == linear and per_pair * (causal + 1) == 2 * linear, "not equal, but larger"
    shares = {
        name: 100 * operations(0, causal_pairs(n)) / operations(n, causal_pairs(n))
        for name, n in (("share_long", given("length")), ("share_short", given("trained")))
    }
    return {"square": square, "causal": causal, **shares}


def characters_and_tokens() -> dict[str, int]:
    """Of the two passages."""
    tokenizer = load_tokenizer("6.4k")
    chinese, english = given_sentence("passage"), given_sentence("passage_en")
    return {
        "characters": len(chinese),
        "tokens": len(tokenizer.encode(chinese)),
        "english_characters": len(english),
        "english_tokens": len(tokenizer.encode(english)),
    }


def strided_scoring() -> dict[str, int]:
    """Each window scores what no earlier one did: windows, scored tokens, least context after the first."""
    scored: Counter[int] = Counter()
    contexts = []
    for start, end in windows(given("stride")):
        fresh = [place for place in range(start + 1, end) if place not in scored]
        scored.update(fresh)
        contexts += [place - start for place in fresh] if start else []
    assert set(scored.values()) == {1} and set(scored) == set(range(1, given("length")))
    return {"windows": len(windows(given("stride"))), "scored": len(scored), "least_context": min(contexts)}


def prices() -> dict[str, float]:
    """GFLOP of the layers for five options, and of a head at every position."""
    length, trained = given("length"), given("trained")
    options = {
        "truncated": (trained, causal_pairs(trained)),
        "disjoint": windowed(trained),
        "overlapping": windowed(given("stride")),
        "local": (length, causal_pairs(length, given("local"))),
        "full": (length, causal_pairs(length)),
    }
    head = operations(length, 0) - layer_operations(length, 0)
    found = {name: layer_operations(tokens, pairs) / GIGA for name, (tokens, pairs) in options.items()}
    return {**found, "head": head / GIGA}


def _whole(amount: int, unit: int) -> int:
    assert amount % unit == 0, f"{amount} is no multiple of {unit}"
    return amount // unit


CHECKS: dict[str, Check] = {
    "Q4-C1": lost,
    "Q4-C2": window_counts,
    "Q4-C3": window_costs,
    "Q4-C4": mean_forgets,
    "Q4-C6": hierarchy,
    "Q4-C7": local_pairs,
    "Q4-C8": reaches,
    "Q4-C11": lambda: {f"trained_{n}": given("length") // n for n in (given("trained"), given("raised"))},
    "Q4-C12": lambda: 0.1 * math.log(given("length") / given("trained")) + 1,
    "Q4-C13": rotary_pairs,
    "Q4-C17": cache,
    "Q4-C18": memory,
    "Q4-C19": crossover,
    "Q4-C20": characters_and_tokens,
    "Q4-C22": strided_scoring,
    "Q4-C23": prices,
    "Q4-C24": influence,
    "Q4-C25": dilated,
}
