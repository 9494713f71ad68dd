"""Held-out scores: every token but the first predicted once, bits a byte worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from minimind_core.errors import DataError
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import ByteTokenizer, Tokenizer
from minimind_core.training.bpe import train_bpe
from minimind_core.training.data import Document
from minimind_core.training.evaluate import evaluate
from tests.minimind_core.checkpoint_samples import TINY, random_model

BYTES = ByteTokenizer()


def by_hand(
    model: MiniMind, tokenizer: Tokenizer, text: str, window: int, most: int = 10**9
) -> tuple[float, int, int]:
    """Nats, tokens and bytes of one text: windows one after the other, each predicting its successors."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)][: most + 1]
    nats = 0.0
    for start in range(0, len(ids) - 1, window):
        inputs, targets = ids[start : start + window], ids[start + 1 : start + window + 1]
        with torch.no_grad():
            log_probabilities = model(torch.tensor([inputs[: len(targets)]]))[0].log_softmax(-1)
        nats -= sum(float(log_probabilities[i, target]) for i, target in enumerate(targets))
    return nats, len(ids) - 1, sum(len(tokenizer.token_bytes(i)) for i in ids[1:])


@pytest.mark.parametrize("window", [7, 32, 500])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_scores_equal_those_worked_out_by_hand(window: int, batch_size: int) -> None:
    model = random_model()
    texts = {
        "en": ["The weather is fine.", "a", "Once upon a time there was a tree. " * 3],
        "zh": ["今天天气很好。"],
    }
    documents = [Document(text, lang=lang) for lang, group in texts.items() for text in group]
    scores = evaluate(model, BYTES, documents, max_tokens=10_000, seq_len=window, batch_size=batch_size)
    assert set(scores) == {"en", "zh"}
    for lang, group in texts.items():
        counts = [by_hand(model, BYTES, text, window) for text in group]
        nats, tokens, num_bytes = map(sum, zip(*counts, strict=True))
        score = scores[lang]
        assert (
            (score.tokens, score.bytes)
            == (tokens, num_bytes)
            == (sum(len(text.encode()) for text in group),) * 2
        )
        assert score.loss == pytest.approx(nats / tokens, rel=1e-5)
        assert score.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-4)
        assert score.bits_per_byte == pytest.approx(nats / math.log(2) / num_bytes, rel=1e-5)


def test_bits_per_byte_counts_bytes_and_not_tokens() -> None:
    tokenizer = train_bpe(["今天天气很好" * 9], 280)
    model = random_model(TINY.replace(vocab_size=tokenizer.vocab_size))
    text = "今天天气很好，今天"
    score = evaluate(model, tokenizer, [Document(text, lang="zh")], max_tokens=1000)["zh"]
    assert score.bytes == len(text.encode()) > 2 * score.tokens
    assert score.bits_per_byte == pytest.approx(score.loss * score.tokens / score.bytes / math.log(2))


def test_uniform_guessing_costs_the_logarithm_of_the_vocabulary() -> None:
    model = random_model()
    model.model.norm.weight.data.zero_()
    score = evaluate(model, BYTES, [Document("hello", lang="en")], max_tokens=100)["en"]
    assert score.loss == pytest.approx(math.log(259), rel=1e-5)
    assert score.perplexity == pytest.approx(259, rel=1e-4)
    assert score.bits_per_byte == pytest.approx(math.log2(259), rel=1e-5)


def test_each_language_stops_at_its_own_limit() -> None:
    model = random_model()
    texts = {"abcdefgh": "en", "一二三四": "zh", "ijklmnop": "en"}
    documents = [Document(text, lang=lang) for text, lang in texts.items()]
    scores = evaluate(model, BYTES, documents, max_tokens=11, seq_len=5)
    assert (scores["en"].tokens, scores["zh"].tokens) == (11, 11)
    nats = by_hand(model, BYTES, "abcdefgh", 5)[0] + by_hand(model, BYTES, "ijklmnop", 5, most=3)[0]
    assert scores["en"].loss == pytest.approx(nats / 11, rel=1e-5)


def test_a_control_token_in_the_text_is_scored_as_text() -> None:
    score = evaluate(random_model(), BYTES, [Document("a<|im_end|>", lang="en")], max_tokens=100)["en"]
    assert score.tokens == score.bytes == 11


def test_loss_is_that_of_cross_entropy() -> None:
    model, ids = random_model(), torch.tensor([[BYTES.bos_id, *BYTES.encode("hello there")]])
    with torch.no_grad():
        loss = F.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:])
    score = evaluate(model, BYTES, [Document("hello there", lang="en")], max_tokens=100)["en"]
    assert score.loss == pytest.approx(float(loss), rel=1e-5)


def test_nothing_to_score_is_said() -> None:
    for documents in ([], [Document("", lang="en")]):
        with pytest.raises(DataError, match="nothing to score"):
            evaluate(random_model(), BYTES, documents, max_tokens=10)
