"""Files that people really have: every Unicode encoding gives the texts as written, others a sentence."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.training import text_lines
from minimind_core.training.data import ReadReport, read_documents
from minimind_core.training.text_lines import encoding_of
from tests.minimind_core.checkpoint_samples import sentence

LINES = [{"text": "今天学了 RoPE", "lang": "zh"}, {"text": "Hello world"}, {"text": "上ਊ⸊中文 and English."}]
"""U+0A0A, U+2E0A and 上 (U+4E0A) have a byte 0x0A in UTF-16 that ends no line."""
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=6
)


def dumped(rows: list[dict[str, str]], end: str = "\n") -> str:
    return end.join(json.dumps(row, ensure_ascii=False) for row in rows) + end


def read(*paths: Path) -> tuple[list[str], ReadReport]:
    report = ReadReport()
    return [document.text for document in read_documents(paths, report)], report


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.xz", "a.txt"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_texts_are_as_written_in_every_unicode_encoding(
    tmp_path: Path, encoding: str, name: str, end: str
) -> None:
    data = dumped(LINES, end).encode(encoding)
    path = tmp_path / name
    path.write_bytes(lzma.compress(data) if name.endswith(".xz") else data)
    texts, report = read(path)
    assert texts == [line["text"] for line in LINES]
    assert report.sentence() == "Read 3 documents from 3 lines."


@pytest.mark.parametrize(
    "text",
    ["👩‍👩‍👧‍👦 and 🏳️‍🌈", "مرحبا بالعالم", "e\u0301 is not \u00e9", "a\u2028b\u0085c\x0bd", "x" * 2_000_000],
    ids=["joined emoji", "Arabic", "decomposed", "separators that end no line", "2 MB"],
)
def test_a_text_stays_one_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(dumped([{"text": text}, {"text": "next"}], "\r\n").encode("utf-8-sig"))
    assert read(path)[0] == [text, "next"]


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, encoding=st.sampled_from(ENCODINGS), chunk=st.sampled_from([4, 8, 64]))
def test_no_text_is_ever_another(
    texts: list[str], encoding: str, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where a line ends at, or across, the border of what is read at once."""
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_bytes(dumped([{"text": text} for text in texts]).encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "CHUNK", chunk)
        assert read(path)[0] == texts


WORDS = {
    "gb18030": ["今天天气", "注意力", "我们去公园", "é voilà 学"],
    "big5": ["今天天氣", "學習", "我們去公園"],
    "shift_jis": ["カタカナ", "今日は", "ひらがな"],
    "cp1252": ["déjà vu", "Fußgänger", "naïve – très"],
    "cp1251": ["привет", "как дела"],
}
"""Texts whose bytes in that encoding are not, by chance, those of others in UTF-8."""


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_in_another_encoding_is_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    encoding = data.draw(st.sampled_from(sorted(WORDS)))
    texts = data.draw(st.lists(st.sampled_from([*WORDS[encoding], "plain"]), min_size=4, max_size=12))
    texts += WORDS[encoding][:2] * 2
    path = tmp_path_factory.mktemp("other") / "a.jsonl"
    path.write_bytes(dumped([{"text": text} for text in texts]).encode(encoding))
    assert "is in no encoding of Unicode" in sentence(lambda: read(path))


def test_a_file_in_gbk_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"text": text} for text in ("今天天气很好", "我们去公园", "Hello", "学习注意力机制", "中文")]
    path.write_bytes(dumped(rows).encode("gbk"))
    assert sentence(lambda: read(path)) == (
        f"{path} is in no encoding of Unicode (4 of 5 lines left out; it looks like GBK); save it as UTF-8."
    )


def test_lines_of_another_encoding_inside_a_file_are_left_out(tmp_path: Path) -> None:
    """PowerShell appends UTF-16 to a file in UTF-8, and programs that join files leave marks inside."""
    path = tmp_path / "a.jsonl"
    good = [{"text": "一"}, {"text": "二"}]
    path.write_bytes(dumped(good).encode() + dumped([{"text": "三 x"}]).encode("utf-16-le"))
    texts, report = read(path)
    assert texts == ["一", "二"] and report.broken >= 1
    path.write_bytes(dumped(good).encode("utf-8-sig") * 2)
    assert read(path)[0] == ["一", "二"] * 2
    path.write_bytes(dumped(good).encode("utf-16") + dumped([{"text": "三 x"}]).encode())
    assert read(path)[0] == ["一", "二"]


@given(st.sampled_from(ENCODINGS), st.sampled_from(["{", "[", " {", "\n{", "\t"]))
def test_an_encoding_is_known_by_the_first_characters(encoding: str, begin: str) -> None:
    name, mark = encoding_of((begin + '"text": "今"}').encode(encoding)[:8])
    assert (begin + "x").encode(encoding)[mark:].decode(name) == begin + "x"


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(text_lines, "CHUNK", 64)
    for encoding in ("utf-8", "utf-16", "utf-32-le"):
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes(dumped([{"text": "a"}, {"text": "b" * 500}, {"text": "c"}]).encode(encoding))
        texts, report = read(path)
        assert (texts, report.broken, report.first_lines) == (
            ["a", "c"],
            1,
            {"broken": [f"{encoding}.jsonl:2"]},
        )


# --- files that are no lines of texts ---


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("m.jsonl", '{"messages": []}\n' * 5, "all its lines (5), because no conversation can be written"),
        ("dpo.jsonl", '{"chosen": [], "rejected": []}\n', "(a pair of preferences is not one conversation)"),
        ("q.jsonl", '{"instruction": "a", "output": "b"}\n' * 2, 'none has a "text"; call the field'),
        ("array.json", json.dumps([{"text": "a"}, {"text": "b"}]), "it is one JSON array; write its items"),
        ("pretty.json", json.dumps([{"text": "a"}], indent=1), "it is one JSON array"),
        ("one.json", json.dumps({"text": "a"}, indent=1), "none is a JSON object"),
        ("t.csv", "text,lang\nhello,en\n", "all its lines (2), because it is a table; write each row"),
        ("t.tsv", "text\tlang\nhello\ten\n", "because it is a table"),
        ("t.txt", "Once upon a time\nthere was\n", "none is a JSON object; write each text as one line"),
        (
            "d.jsonl.gz",
            gzip.compress(b'{"text": "a"}\n', mtime=0),
            "is packed by gzip, not lines of JSON; unpack it",
        ),
        ("d.jsonl", gzip.compress(b'{"text": "a"}\n', mtime=0), "is packed by gzip"),
        ("d.jsonl.bz2", bz2.compress(b'{"text": "a"}\n'), "is packed by bzip2"),
        ("d.parquet", b"PAR1" + bytes(40), "is a Parquet table, not lines of JSON"),
        ("d.npz.zip", b"PK\x03\x04" + bytes(40), "is a zip archive"),
        ("ids.bin", bytes(range(1, 250)) * 9, "left out"),
        ("ids.bin", bytes([1, 7, 3, 0, 200, 0, 9, 1]) * 90, "left out"),
    ],
)
def test_what_is_no_training_text_is_said_with_the_way_to_convert_it(
    tmp_path: Path, name: str, data: str | bytes, expected: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    said = sentence(lambda: read(path))
    assert said.startswith(str(path)) and expected in said
    good = tmp_path / "good.jsonl"
    good.write_text('{"text": "x"}\n')
    assert sentence(lambda: read(good, path)) == said, "beside a good file it is said too"


def test_a_file_of_blank_lines_or_nulls_stops_nothing(tmp_path: Path) -> None:
    for number, data in enumerate(("", "\n\n", '{"text": null}\n', '{"text": ""}\n')):
        (tmp_path / f"{number}.jsonl").write_text(data)
    assert read(*sorted(tmp_path.iterdir()))[0] == []


def test_an_xz_file_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lzma.compress(dumped(LINES).encode()))
    assert read(tmp_path / "a.jsonl")[0] == [line["text"] for line in LINES]
