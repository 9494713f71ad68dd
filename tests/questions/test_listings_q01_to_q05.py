"""The code in the reference answers of Questions 1 to 5 runs in both languages and keeps its promises."""

from __future__ import annotations

from typing import Any

import pytest

from tests.questions.listings import run

torch = pytest.importorskip("torch")
F = torch.nn.functional
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])
IGNORED = -100


def of(slug: str, language: str) -> dict[str, Any]:
    """What the listings of an answer define."""
    return run(slug, language, torch=torch, F=F)


@LANGUAGES
def test_q1_rows_and_masks_are_those_of_the_table(language: str) -> None:
    make_rows = of("q01_loss_mask", language)["make_rows"]
    assert make_rows([101, 102, 103], 5, 0) == ([101, 102, 103, 0], [102, 103, 0, 0], [1, 1, 0, 0])
    assert make_rows([201, 202, 203, 204, 205], 5, 0)[2] == [1, 1, 1, 1]
    assert make_rows([1, 7, 2], 6, 2)[2] == [1, 1, 0, 0, 0], "the one EOS that matters stays a target"
    assert make_rows([], 4, 0)[2] == make_rows([9], 4, 0)[2] == [0, 0, 0]


@LANGUAGES
def test_q1_loss_is_that_of_ignore_index_and_of_the_whole_step(language: str) -> None:
    masked_loss = of("q01_loss_mask", language)["masked_loss"]
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 9, generator=random, requires_grad=True)
    y, mask = torch.randint(9, (2, 4), generator=random), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    ignored = F.cross_entropy(logits.flatten(0, 1), y.masked_fill(mask == 0, IGNORED).flatten())
    torch.testing.assert_close(masked_loss(logits, y, mask), ignored)
    halves = [masked_loss(logits[i : i + 1], y[i : i + 1], mask[i : i + 1], num_targets=6) for i in (0, 1)]
    torch.testing.assert_close(halves[0] + halves[1], ignored)
    empty = masked_loss(logits, y, torch.zeros_like(mask))
    empty.backward()
    assert empty == 0 and logits.grad is not None and not logits.grad.any()


@LANGUAGES
def test_q2_rows_without_a_target_after_truncation_are_left_out(language: str) -> None:
    from minimind_core.tokenizer import load_tokenizer

    usable, tokenizer = of("q02_empty_text", language)["usable"], load_tokenizer("6.4k")
    assert not any(usable(text, tokenizer, 8) for text in ("", "好", None, 3))
    assert usable("今天天气很好", tokenizer, 8) and not usable("今天天气很好", tokenizer, 1)


@LANGUAGES
def test_q2_loss_of_an_empty_batch_is_a_connected_zero(language: str) -> None:
    safe_loss = of("q02_empty_text", language)["safe_loss"]
    logits = torch.randn(6, 9, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([1, IGNORED, 3, IGNORED, 5, 6])
    torch.testing.assert_close(safe_loss(logits, targets), F.cross_entropy(logits, targets))
    torch.testing.assert_close(safe_loss(logits, targets, num_targets=8), safe_loss(logits, targets) / 2)
    empty = safe_loss(logits, torch.full_like(targets, IGNORED))
    empty.backward()
    assert empty == 0 and logits.grad is not None and not logits.grad.any()


@LANGUAGES
def test_q2_loss_keeps_a_broken_logit_at_an_ignored_place_out_of_the_gradient(language: str) -> None:
    safe_loss = of("q02_empty_text", language)["safe_loss"]
    logits = torch.zeros(2, 4, dtype=torch.bfloat16)
    logits[0, 1] = torch.inf
    logits.requires_grad_()
    loss = safe_loss(logits, torch.tensor([IGNORED, 2]))
    loss.backward()
    assert loss.isfinite() and loss.dtype == torch.float32
    assert logits.grad is not None and logits.grad.isfinite().all()


@LANGUAGES
def test_q4_windows_score_every_token_once_and_end_with_the_text(language: str) -> None:
    plan_windows = of("q04_long_text", language)["plan_windows"]
    plan = plan_windows(8192, 512, 256)
    assert (
        len(plan) == 31 and plan[-1][1] == 8192 and min(first - start for start, _, first in plan[1:]) == 256
    )
    for length, window, stride in (
        (1000, 512, 256),
        (513, 512, 511),
        (512, 512, 256),
        (7, 4, 1),
        (2, 8, 3),
        (1, 8, 3),
    ):
        plan = plan_windows(length, window, stride)
        assert [token for _, end, first in plan for token in range(first, end)] == list(range(1, length))
        assert all(0 <= start < first and end - start == min(window, length) for start, end, first in plan)


@LANGUAGES
def test_q5_attention_of_the_answer_is_that_of_the_core(language: str) -> None:
    from minimind_core.model.attention import attend

    attention = of("q05_shapes", language)["attention"]
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 512, generator=random)
    q, k, v, o = (torch.randn(rows, 512, generator=random) / 512**0.5 for rows in (512, 128, 128, 512))
    found = attention(x, q, k, v, o, rotate=lambda heads: heads.flip(-1))
    queries, keys, values = (
        (x @ w.T).reshape(2, 5, heads, 64).permute(0, 2, 1, 3) for w, heads in ((q, 8), (k, 2), (v, 2))
    )
    true = (
        attend(queries.flip(-1), keys.flip(-1), values, None, "eager").permute(0, 2, 1, 3).reshape(2, 5, 512)
    )
    torch.testing.assert_close(found, true @ o.T)
