"""Conversations are read wherever texts are, in the chat template; one that cannot be is named."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minimind_core.doctor import examine
from minimind_core.tokenizer import ByteTokenizer, load_tokenizer
from minimind_core.training.conversations import read_turns
from minimind_core.training.data import (
    Document,
    PretrainDataset,
    ReadReport,
    encode_documents,
    read_documents,
)
from minimind_core.training.evaluate import evaluate
from minimind_core.training.packing import pack_documents
from tests.minimind_core.checkpoint_samples import random_model, sentence

BYTES = ByteTokenizer()
TURNS = [
    {"role": "system", "content": "你是 MiniMind。"},
    {"role": "user", "content": "Hi there\n"},
    {"role": "assistant", "content": "  你好！"},
]
TEMPLATE = (
    "<|im_start|>system\n你是 MiniMind。<|im_end|>\n<|im_start|>user\nHi there\n<|im_end|>\n"
    "<|im_start|>assistant\n  你好！<|im_end|>\n"
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> tuple[list[Document], ReadReport]:
    report = ReadReport()
    return list(read_documents([path], report)), report


def ids_of(document: Document, name: str = "6.4k") -> list[int]:
    [ids] = encode_documents([document], load_tokenizer(name))
    return ids


@pytest.mark.parametrize("field", ["conversations", "messages"])
@pytest.mark.parametrize("tokenizer", ["byte", "1k", "6.4k"])
def test_ids_are_those_of_the_template_and_nothing_is_doubled(
    tmp_path: Path, field: str, tokenizer: str
) -> None:
    [document], report = read(written(tmp_path / "sft.jsonl", {field: TURNS, "lang": "zh"}))
    assert ids_of(document, tokenizer) == load_tokenizer(tokenizer).encode(TEMPLATE, allow_special=True)
    assert document.text == "你是 MiniMind。\nHi there\n\n  你好！" and document.lang == "zh"
    assert report.sentence() == (
        "Read 1 documents from 1 lines; 1 of them conversations, with loss on all their tokens."
    )


@given(contents=st.lists(WORDS, min_size=1, max_size=4))
def test_whatever_is_said_the_only_control_tokens_are_the_templates(contents: list[str]) -> None:
    contents = [f"{content}<|im_end|><|endoftext|>" for content in contents]
    turns = [{"role": "user", "content": content} for content in contents]
    [ids] = encode_documents([Document("", turns=read_turns({"messages": turns}))], BYTES)
    control = [index for index in ids if index in BYTES.special_ids]
    assert control == [BYTES.bos_id, BYTES.eos_id] * len(contents)
    assert BYTES.decode(ids) == "".join(f"user\n{content}\n" for content in contents)


def test_packing_padding_and_scoring_read_them(tmp_path: Path) -> None:
    documents, _ = read(written(tmp_path / "mixed.jsonl", {"conversations": TURNS}, {"text": "plain"}))
    expected = BYTES.encode(TEMPLATE, allow_special=True)
    corpus = pack_documents(documents, BYTES)
    assert sorted(map(len, _parts(corpus))) == sorted([len(expected), len("plain") + 2])
    assert expected in _parts(corpus)
    inputs, targets, mask = PretrainDataset(documents, BYTES, len(expected))[0]
    assert [*inputs.tolist(), int(targets[-1])] == expected and mask.all(), "the loss is on every token"
    score = evaluate(random_model(), BYTES, documents[:1], max_tokens=10_000)[""]
    with torch.inference_mode():
        logits = random_model()(torch.tensor([expected[:-1]]))[0]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(expected[1:]))
    assert score.tokens == len(expected) - 1 and score.loss == pytest.approx(float(loss), rel=1e-5)


def _parts(corpus: Any) -> list[list[int]]:
    edges = [*corpus.document_starts.tolist(), len(corpus.ids)]
    return [corpus.ids[begin:end].tolist() for begin, end in pairwise(edges)]


BAD: list[tuple[Any, str]] = [
    ([], "messages is no list of turns"),
    ("hi", "messages is no list of turns"),
    ({"role": "user", "content": "a"}, "messages is no list of turns"),
    (["hi"], "turn 1 has no role"),
    ([{"from": "human", "value": "hi"}], "turn 1 has no role"),
    ([TURNS[1], {"role": None, "content": "a"}], "turn 2 has no role"),
    ([{"role": "narrator", "content": "a"}], "turn 1 has the role 'narrator'"),
    ([{"role": "user<|im_end|>", "content": "a"}], "turn 1 has the role 'user<|im_end|>'"),
    ([{"role": "tool", "content": "a"}], "turn 1 has the role 'tool'"),
    ([TURNS[1], {"role": "assistant", "content": None}], "turn 2 has no content"),
    ([{"role": "user", "content": ""}], "turn 1 has no content"),
    ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "turn 1 has no content"),
    ([{"role": "user"}], "turn 1 has no content"),
    ([TURNS[1], {"role": "assistant", "content": "a", "tool_calls": [1]}], "turn 2 has tool_calls"),
    ([{"role": "assistant", "content": "a", "reasoning_content": "b"}], "turn 1 has reasoning_content"),
    ([{"role": "user", "content": "\ud800"}], "turn 1 holds half a character"),
]


@pytest.mark.parametrize(("turns", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_one_that_cannot_be_written_is_left_out_with_file_line_and_reason(
    tmp_path: Path, turns: Any, reason: str
) -> None:
    path = tmp_path / "sft.jsonl"
    path.write_text("".join(json.dumps({"messages": each}) + "\n" for each in (TURNS, turns)))
    documents, report = read(path)
    assert len(documents) == report.conversations == 1 and report.left_out == 1
    assert report.sentence().endswith(
        f"left out 1 conversations that cannot be written (sft.jsonl:2 {reason})."
    )
    path.write_text(json.dumps({"messages": turns}) + "\n")
    assert sentence(lambda: read(path)) == (
        f"{path}: left out all its lines (1), because no conversation can be written ({reason}); "
        "give each turn a role (system, user or assistant) and content."
    )


def test_empty_extras_of_upstreams_files_are_no_reason(tmp_path: Path) -> None:
    turns = [turn | {"tools": "", "tool_calls": "", "reasoning_content": None} for turn in TURNS]
    [document], _ = read(written(tmp_path / "sft.jsonl", {"conversations": turns}))
    assert ids_of(document) == load_tokenizer("6.4k").encode(TEMPLATE, allow_special=True)


def test_the_doctor_says_what_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "sft.jsonl", {"conversations": TURNS}, {"conversations": [*TURNS[:1], {}]})
    [finding] = [each for each in examine(["no-such-model"], data=[path]) if each.area == "data"]
    assert finding.state == "note" and "sft.jsonl:2 turn 2 has no role" in finding.sentence
    [finding] = [
        each
        for each in examine(["no-such-model"], data=[written(path, {"conversations": TURNS})])
        if each.area == "data"
    ]
    assert finding.state == "ok" and "1 of them conversations" in finding.sentence
