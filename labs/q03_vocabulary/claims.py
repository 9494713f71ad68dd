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
QWEN3, QWEN35 = 151_936, 248_320
GPT2, BLOCK = 50_257, 128
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


def sentence_operations(tokens: int, entries: int, with_logits: int | None = None) -> int:
    """A forward pass over one sentence; `with_logits` positions have logits, all of them where it is None."""
    heads = tokens if with_logits is None else with_logits
    pairs = 4 * given("layers") * given("hidden") * tokens**2
    return 2 * tokens * layer_weights() + 2 * heads * entries * given("hidden") + pairs


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
    """MFLOP at the usual counts with all logits and, for a prompt, with those of the last position.

    The ratios are large to ours, with the usual counts and with our own.
    """
    usual, counted = dict(zip(SIZES, usual_counts(), strict=True)), token_counts("second")
    found: dict[str, float] = {}
    for prefix, with_logits in (("", None), ("prompt_", 1)):

        def cost(size: str, counts: dict[str, int], positions: int | None = with_logits) -> int:
            return sentence_operations(counts[size], given(size), positions)

        found |= {f"{prefix}{size}": cost(size, usual) / MEGA for size in SIZES}
        found[f"{prefix}ratio"] = cost("large", usual) / cost("ours", usual)
        found[f"{prefix}ratio_with_our_tokenizers"] = cost("large", counted) / cost("ours", counted)
    return found


def square_root_rule() -> dict[str, int]:
    """The expression as written, for a model of 26 million, and its root alone."""
    root = math.sqrt(26 * MEGA)
    return {"product": round(100 * root), "root": round(root)}


def vocabulary_law() -> dict[str, int]:
    """Tao et al.: entries carried down from the base point and its neighbours on the grid, in hundreds."""
    base = {"others": 33 * MEGA, "exponent": 0.8354}
    grid = {"about": 6144, "from": 4096, "to": 10240}
    shrunk = (given("body") / base["others"]) ** base["exponent"]
    return {name: 100 * round(entries * shrunk / 100) for name, entries in grid.items()}


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
    """Training state and logits in MB."""
    state = {f"state_{size}": round(16 * total(given(size)) / MEGA) for size in ("ours", "large")}
    logits = {
        f"logits_{size}": round(given("batch") * given("positions") * given(size) * 4 / MEGA)
        for size in ("ours", "large")
    }
    return {**state, **logits}


def decode_bytes() -> dict[str, float]:
    """MB in FP16 that a step for one sequence reads, and the ratio of large to ours."""
    body = 2 * given("body") / MEGA
    heads = {size: 2 * given(size) * given("hidden") / MEGA for size in ("ours", "large")}
    return {
        "body": body,
        **{f"head_{size}": megabytes for size, megabytes in heads.items()},
        "ratio": (body + heads["large"]) / (body + heads["ours"]),
    }


def head_shares() -> dict[str, float]:
    """Percent of the matrix operations that the head takes: ours at its largest, and two of Llama-3."""
    entries, kv_width = 128_256, 8 * 128

    def llama(hidden: int, inner: int, layers: int) -> float:
        body = layers * (2 * hidden**2 + 2 * hidden * kv_width + 3 * hidden * inner)
        return 100 * hidden * entries / (body + hidden * entries)

    head = given("large") * given("hidden")
    return {
        "ours_large": 100 * head / (layer_weights() + head),
        "llama3_8b": llama(4096, 14_336, 32),
        "llama3_70b": llama(8192, 28_672, 80),
    }


def qwen() -> dict[str, int]:
    """Parameters that two matrices of that family would add to ours."""
    return {
        "rows": QWEN3,
        "added": change(QWEN3)["tied"],
        "newer_rows": QWEN35,
        "newer_added": change(QWEN35)["tied"],
    }


def two_languages() -> dict[str, int]:
    """Tokens of the same sentence in Chinese and in English."""
    tokenizer = _tokenizer(SIZES["ours"])
    texts = {"chinese": given_sentence("first"), "english": given_sentence("first_en")}
    return {language: len(tokenizer.encode(text)) for language, text in texts.items()}


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
    "Q3-C25": decode_bytes,
    "Q3-C26": qwen,
    "Q3-C28": two_languages,
    "Q3-C30": head_shares,
}
