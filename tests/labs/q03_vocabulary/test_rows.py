"""Uses of rows are counted exactly, and rows that nothing trained are found by their direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.q03_vocabulary import rows, shipped
from labs.q03_vocabulary.rows import ALIKE, IMPOSSIBLE, alike, uses
from labs.q03_vocabulary.shipped import beginning
from minimind_core.tokenizer import load_tokenizer
from tests.labs.one_lab import Run, Show

TEXTS = ["机器学习很有趣。" * 12, "Machine learning is fun.\n" * 9, "x"]


def test_uses_are_the_tokens_of_the_text() -> None:
    tokenizer = load_tokenizer("6.4k")
    counted = uses(tokenizer, TEXTS)
    ids = [token for text in TEXTS for token in tokenizer.encode(text)]
    assert counted.sum() == len(ids) and all(counted[token] == ids.count(token) for token in set(ids))


def test_a_text_is_cut_where_enough_was_read() -> None:
    assert list(beginning(["abc", "def"], 4)) == ["abc", "d"]
    assert list(beginning(["abc", "def"], 3)) == ["abc"] and list(beginning(["abc"], 9)) == ["abc"]


def test_no_utf8_text_holds_the_impossible_bytes() -> None:
    every = {byte for code in range(0x110000) if not 0xD800 <= code < 0xE000 for byte in chr(code).encode()}
    assert set(range(256)) - every == set(IMPOSSIBLE)


def test_tied_rows_that_are_never_a_target_end_up_pointing_the_same_way() -> None:
    """The mechanism in small: the softmax pushes all of them alike, whatever they began as."""
    torch.manual_seed(0)
    table = (0.02 * torch.randn(60, 16)).requires_grad_()
    optimizer = torch.optim.AdamW([table], lr=0.02, weight_decay=0.0)
    ids = torch.randint(0, 40, (400,))
    for _ in range(150):
        hidden = table[ids] + 1.0  # contexts share a direction, as those of a language model do
        loss = F.cross_entropy(hidden @ table.T, (ids * 7 + 1) % 40)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    cosines = alike(table.detach().numpy(), list(range(40, 50)))
    assert cosines[50:].min() > ALIKE > np.quantile(cosines[:40], 0.9)


def test_a_run_counts_and_finds(run: Run, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_documents", lambda: TEXTS)
    monkeypatch.setattr(shipped, "SHIPPED", {"small": "1k", "ours": "6.4k", "large": "16k"})
    result = run("rows", thousands=100)
    counted = uses(load_tokenizer("6.4k"), TEXTS)
    assert result["rare_rows_percent"]["ours"] == pytest.approx(100 * (counted < 10).mean())
    assert result["unused_rows_percent"]["ours"] == pytest.approx(100 * (counted == 0).mean())
    assert result["characters"] == sum(map(len, TEXTS))
    assert len(result["reference"]) == 13 and {point["uses"] for point in result["reference"]} == {0}
    assert min(point["cosine"] for point in result["untrained"]) >= ALIKE
    assert max(point["cosine"] for point in result["others"]) < ALIKE
    tokens = {point["token"] for point in result["untrained"]}
    assert "\\x02" in tokens and "\\x1b" in tokens, "control characters were in no training text"
    assert result["low_norm"] < len(result["untrained"]) / 2, "a small norm does not find them"
    shown = show("rows", result)
    assert list(shown.figures) == ["rare", "untrained"] and shown.rows[0]["Uses in the text"] == 0
