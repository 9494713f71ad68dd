"""The claims of Question 3 that follow from counting and encoding. Its other claim: `claims_core.py`.

Written out in integers rather than with `minimind_core.model.cost`, so that the two can disagree.
"""

from __future__ import annotations

import math
from functools import cache, partial

from labs.claims.checks import Check, Finding, given_text, given_whole
from labs.contract.registry import ROOT
from minimind_core.model.config import ModelConfig
from minimind_core.tokenizer import SMALLEST_VOCAB, Tokenizer, load_tokenizer
from minimind_core.training.bpe import train_bpe
from questions import load_question

QUESTION = load_question("q03_vocabulary")
given = partial(given_whole, QUESTION)
given_sentence = partial(given_text, QUESTION)
SIZES = {"small": "1k", "ours": "6.4k", "large": "100k"}
MEGA = 10**6
QWEN, GPT2, BLOCK = 151_643, 50_257, 128
RARE = "鱻龘"
TEXTS = ("q13_sampling", "q01_loss_mask", "q02_empty_text")


def usual_counts() -> list[int]:
    """The token counts commonly given for the second sentence."""
    values = QUESTION.given["usual_counts"]
    assert isinstance(values, tuple)
    return [int(value) for value in values]  # type: ignore[arg-type]


def layer_weights() -> int:
    """Weights that a token is multiplied with inside the layers, matrix by matrix."""
    config, hidden = ModelConfig(), given("hidden")
    attention = 2 * hidden * config.num_heads * config.head_dim
    attention += 2 * hidden * config.num_kv_heads * config.head_dim
    return given("layers") * (attention + 3 * hidden * config.intermediate_size)


def total(entries: int) -> int:
    """Parameters of the tied model; the body is counted again, with its norms."""
    norms = given("layers") * 2 * given("hidden") + given("hidden")
    assert layer_weights() + norms == given("body")
    return given("body") + entries * given("hidden")


def embedding() -> dict[str, float]:
    """Its parameters and its share in percent."""
    parameters = given("ours") * given("hidden")
    return {"parameters": parameters, "share": 100 * parameters / total(given("ours"))}


def change(entries: int) -> dict[str, int]:
    """Against our vocabulary, with one matrix and with two."""
    rows = entries - given("ours")
    return {"tied": rows * given("hidden"), "untied": 2 * rows * given("hidden")}


def larger() -> dict[str, float]:
    """What the large vocabulary makes of the model."""
    entries = given("large")
    return {**change(entries), "total": total(entries), "factor": total(entries) / total(given("ours"))}


def large_embedding() -> dict[str, float]:
    """Against our whole model, and its share of the new one in percent."""
    parameters = given("large") * given("hidden")
    return {
        "against_model": parameters / total(given("ours")),
        "share": 100 * parameters / total(given("large")),
    }


def token_counts(name: str) -> dict[str, int]:
    """Tokens of one sentence with three of the shipped tokenizers."""
    return {size: len(_tokenizer(shipped).encode(given_sentence(name))) for size, shipped in SIZES.items()}


def sentence_operations(tokens: int, entries: int) -> int:
    """A forward pass over one sentence with all its logits."""
    pairs = 4 * given("layers") * given("hidden") * tokens**2
    return tokens * 2 * (layer_weights() + entries * given("hidden")) + pairs


def operations_per_token() -> dict[str, float]:
    """MFLOP of the body and of three heads; attention's percentage in our pass over the second sentence."""
    heads = {f"head_{size}": 2 * given(size) * given("hidden") / MEGA for size in SIZES}
    tokens = usual_counts()[1]
    attention = 4 * given("layers") * given("hidden") * tokens**2
    return {
        "body": 2 * layer_weights() / MEGA,
        **heads,
        "attention_percent": 100 * attention / sentence_operations(tokens, given("ours")),
    }


def operations_per_sentence() -> dict[str, float]:
    """MFLOP at the usual counts, and the ratio of large to ours with these and with our own counts."""
    cost = {
        size: sentence_operations(tokens, given(size))
        for size, tokens in zip(SIZES, usual_counts(), strict=True)
    }
    counted = token_counts("second")
    own = {size: sentence_operations(counted[size], given(size)) for size in ("ours", "large")}
    return {
        **{size: value / MEGA for size, value in cost.items()},
        "ratio": cost["large"] / cost["ours"],
        "ratio_with_our_tokenizers": own["large"] / own["ours"],
    }


def square_root_rule() -> dict[str, int]:
    """The expression as written, for a model of 26 million, and its root alone."""
    root = math.sqrt(26 * MEGA)
    return {"product": round(100 * root), "root": round(root)}


def vocabulary_law() -> int:
    """Tao et al.: vocabulary parameters grow with the others from the base point, at equal hidden size."""
    base = {"others": 33 * MEGA, "entries": 6144, "exponent": 0.8354}
    return round(base["entries"] * (given("body") / base["others"]) ** base["exponent"])


def wrong_language() -> Finding:
    """The problem's sentences in a vocabulary from our English texts, and in a smaller Chinese one."""
    english, chinese = (
        train_bpe(
            [(ROOT / "questions" / slug / f"{language}.md").read_text(encoding="utf-8") for slug in TEXTS],
            size,
        )
        for language, size in (("en", 1200), ("zh", 600))
    )
    text = given_sentence("first") + given_sentence("second")
    counts = {"english": len(english.encode(text)), "chinese": len(chinese.encode(text))}
    return Finding(
        english.vocab_size > chinese.vocab_size and counts["english"] > counts["chinese"],
        {**counts, "english_size": english.vocab_size, "chinese_size": chinese.vocab_size},
    )


def memory() -> dict[str, int]:
    """Training state and logits in MB; parameters that the vocabulary of Qwen would add."""
    state = {f"state_{size}": round(16 * total(given(size)) / MEGA) for size in ("ours", "large")}
    logits = {
        f"logits_{size}": round(given("batch") * given("positions") * given(size) * 4 / MEGA)
        for size in ("ours", "large")
    }
    return {**state, **logits, "qwen_added": change(QWEN)["tied"]}


def rare_characters() -> dict[str, int | bool]:
    """Two characters that the tokenizer never saw."""
    tokenizer = _tokenizer(SIZES["ours"])
    ids = tokenizer.encode(RARE)
    return {"bytes": len(RARE.encode()), "pieces": len(ids), "round_trip": tokenizer.decode(ids) == RARE}


def blocks() -> dict[str, int]:
    """How our size divides, and what GPT-2's is padded to."""
    assert given("ours") % BLOCK == 0
    return {"blocks": given("ours") // BLOCK, "block": BLOCK, "gpt2_padded": math.ceil(GPT2 / BLOCK) * BLOCK}


@cache
def _tokenizer(name: str) -> Tokenizer:
    return load_tokenizer(name)


CHECKS: dict[str, Check] = {
    "Q3-C1": embedding,
    "Q3-C3": lambda: change(given("small")),
    "Q3-C4": larger,
    "Q3-C5": large_embedding,
    "Q3-C8": lambda: token_counts("first"),
    "Q3-C9": lambda: token_counts("second"),
    "Q3-C10": operations_per_token,
    "Q3-C11": operations_per_sentence,
    "Q3-C12": square_root_rule,
    "Q3-C14": vocabulary_law,
    "Q3-C16": wrong_language,
    "Q3-C20": memory,
    "Q3-C21": lambda: {size: math.log(given(size)) for size in SIZES},
    "Q3-C22": rare_characters,
    "Q3-C23": blocks,
    "Q3-C24": lambda: SMALLEST_VOCAB,
}
