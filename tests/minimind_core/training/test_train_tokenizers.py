"""The tokenizer family: cut from one training, weighted by language, complete or not written."""

import json
from pathlib import Path

import pytest

from minimind_core.__main__ import main
from minimind_core.tokenizer import load_tokenizer
from minimind_core.training import train_tokenizers
from minimind_core.training.bpe import train_bpe
from minimind_core.training.data import Document

DOCUMENTS = [
    Document("今天天气很好。", lang="zh"),
    Document("the weather", lang="en"),
    Document("def f(): pass", lang="code"),
]


def test_languages_count_as_often_as_stated() -> None:
    texts = list(train_tokenizers.weighted_texts(DOCUMENTS))
    assert [texts.count(document.text) for document in DOCUMENTS] == [2, 1, 4]


def test_each_size_equals_its_own_training() -> None:
    family = train_tokenizers.train_family(DOCUMENTS, {"small": 262, "large": 270})
    for name, size in {"small": 262, "large": 270}.items():
        alone = train_bpe(train_tokenizers.weighted_texts(DOCUMENTS), size)
        assert family[name].fingerprint == alone.fingerprint


def test_bytes_per_token_by_language() -> None:
    tokenizer = train_bpe([], 259)
    assert train_tokenizers.bytes_per_token(tokenizer, DOCUMENTS) == {"code": 1.0, "en": 1.0, "zh": 1.0}


def test_command_writes_the_family_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_tokenizers, "SIZES", {"a": 262, "b": 270})
    data = tmp_path / "a.jsonl"
    data.write_text("\n".join(json.dumps({"text": d.text, "lang": d.lang}) for d in DOCUMENTS))
    arguments = ["tokenizers", "--data", str(data), "--eval", str(data), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert load_tokenizer(tmp_path / "out" / "b.json.xz").vocab_size == 270
    first = (tmp_path / "out" / "a.json.xz").read_bytes()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == [
        "entries",
        "bytes",
        "fingerprint",
        "code",
        "bytes/token",
        "en",
        "bytes/token",
        "zh",
        "bytes/token",
    ]
    assert printed[1].split()[:2] == ["a", "262"] and printed[2].split()[:2] == ["b", "270"]
    main(arguments)
    assert (tmp_path / "out" / "a.json.xz").read_bytes() == first


def test_too_little_text_is_said_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "a.jsonl"
    data.write_text('{"text": "ab ab"}')
    assert main(["tokenizers", "--data", str(data), "--out", str(tmp_path / "out")]) == 1
    assert "supports 260 entries, not 100000; give more text" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["tokenizers", "--data", str(tmp_path / "none.jsonl")]) == 1
    assert "Cannot read" in capsys.readouterr().err
