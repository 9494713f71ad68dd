"""Reading text: bad lines are counted and never fatal; X, Y and the mask line up."""

import json
import lzma
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.data import DataLoader

from minimind_core.errors import DataError
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.data import Document, PretrainDataset, ReadReport, read_documents

BYTES = ByteTokenizer()
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=8)


def write(path: Path, *lines: str | bytes) -> Path:
    raw = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    path.write_bytes(lzma.compress(raw) if path.suffix == ".xz" else raw)
    return path


def read(*paths: Path) -> tuple[list[Document], ReadReport]:
    report = ReadReport()
    return list(read_documents(paths, report)), report


def dataset(*texts: str, max_length: int = 8, add_bos_eos: bool = True) -> PretrainDataset:
    return PretrainDataset([Document(text) for text in texts], BYTES, max_length, add_bos_eos)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.xz"])
def test_plain_and_xz_files_read_the_same(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, '{"text": "今天", "source": "s", "lang": "zh"}', '{"text": "x"}', "")
    documents, report = read(path, path)
    assert documents == [Document("今天", "s", "zh"), Document("x")] * 2
    assert report.sentence() == "Read 4 documents from 4 lines."


def test_a_null_source_is_no_source(tmp_path: Path) -> None:
    documents, _ = read(write(tmp_path / "a.jsonl", '{"text": "x", "source": null, "lang": null}'))
    assert documents == [Document("x", "", "")]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "empty"),
        ("  \t", "empty"),
        ('{"text": ""}', "empty"),
        ('{"text": null}', "null"),
        ('{"text": "cut', "broken"),
        ("[1, 2]", "broken"),
        ('"text"', "broken"),
        ("7", "broken"),
        ("null", "broken"),
        ("{}", "no_text"),
        ('{"Text": "x"}', "no_text"),
        ('{"text": 5}', "broken"),
        ('{"text": ["x"]}', "broken"),
        (r'{"text": "\ud800"}', "broken"),
        (b'{"text": "\xff"}', "broken"),
        (b"\x00\x01\x02", "broken"),
        ("[" * 100_000, "broken"),
        ('{"text": ' + "9" * 5000 + "}", "broken"),
    ],
)
def test_a_bad_line_is_counted_with_its_place_and_reading_goes_on(
    tmp_path: Path, line: str | bytes, kind: str
) -> None:
    documents, report = read(write(tmp_path / "a.jsonl", '{"text": "one"}', line, '{"text": "two"}'))
    assert [document.text for document in documents] == ["one", "two"]
    assert (report.lines, report.documents, getattr(report, kind)) == (3, 2, 1)
    assert report.first_lines == {kind: ["a.jsonl:2"]}
    assert "left out 1" in report.sentence() and "a.jsonl:2" in report.sentence()


def test_the_report_names_the_first_places_only(tmp_path: Path) -> None:
    _, report = read(write(tmp_path / "a.jsonl", *["{"] * 5, '{"text": null}', '{"text": "x"}'))
    assert report.sentence() == (
        "Read 1 documents from 7 lines; left out 1 with a null text (a.jsonl:6), "
        "5 broken (a.jsonl:1, a.jsonl:2, a.jsonl:3)."
    )


def test_texts_that_look_empty_are_texts(tmp_path: Path) -> None:
    texts = [" ", "\u200b", "<|endoftext|>", "\0"]
    documents, report = read(write(tmp_path / "a.jsonl", *(json.dumps({"text": text}) for text in texts)))
    assert [document.text for document in documents] == texts
    assert report.sentence() == "Read 4 documents from 4 lines."


def test_a_truncated_xz_file_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"{i * 7919} " * 20}) for i in range(20_000)]
    path = write(tmp_path / "a.jsonl.xz", *lines)
    path.write_bytes(path.read_bytes()[:-5000])
    documents, report = read(path)
    assert 100 < len(documents) < 20_000
    assert report.sentence() == (
        f"Read {len(documents)} documents from {len(documents)} lines; "
        "a.jsonl.xz ended early, so fetch it again."
    )
    path.write_bytes(b"")
    assert read(path)[1].truncated == ["a.jsonl.xz"]


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*none\.jsonl: No such file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="Cannot read"):
        read(tmp_path)
    (tmp_path / "a.jsonl.xz").write_text('{"text": "not compressed"}\n')
    with pytest.raises(DataError, match="no xz file"):
        read(tmp_path / "a.jsonl.xz")
    whole = bytearray(lzma.compress(b'{"text": "x"}\n' * 1000))
    whole[len(whole) // 2] ^= 255
    (tmp_path / "a.jsonl.xz").write_bytes(whole)
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path / "a.jsonl.xz")


def test_x_y_and_mask_of_a_short_text() -> None:
    x, y, mask = dataset("AB")[0]
    assert x.tolist() == [1, 68, 69, 2, 0, 0, 0]
    assert y.tolist() == [68, 69, 2, 0, 0, 0, 0]
    assert mask.tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert {tensor.dtype for tensor in (x, y, mask)} == {torch.int64}


def test_a_text_that_is_cut_has_no_eos() -> None:
    assert dataset("ABCDEF")[0][1].tolist() == [68, 69, 70, 71, 72, 73, 2]
    assert dataset("ABCDEFG")[0][1].tolist() == [68, 69, 70, 71, 72, 73, 74]


def test_texts_without_a_target_are_dropped_and_counted() -> None:
    report = ReadReport()
    rows = PretrainDataset(map(Document, ["", "A", "AB"]), BYTES, 8, add_bos_eos=False, report=report)
    assert (len(rows), rows.dropped, report.one_token) == (1, 2, 2)
    assert "left out 2 without a target" in report.sentence()
    assert (len(dataset("", "A", "AB")), dataset("", "A", "AB").dropped) == (3, 0)
    assert dataset("").num_targets == 1  # bos predicts eos


@given(texts=TEXTS, max_length=st.integers(3, 20), add_bos_eos=st.booleans())
def test_rows_keep_the_invariants_of_the_shift(texts: list[str], max_length: int, add_bos_eos: bool) -> None:
    rows = dataset(*texts, max_length=max_length, add_bos_eos=add_bos_eos)
    sizes = [min(len(text.encode()) + 2 * add_bos_eos, max_length) for text in texts]
    masks = [int(mask.sum()) for _, _, mask in rows]
    assert sum(masks) == rows.num_targets == sum(max(0, size - 1) for size in sizes)
    assert len(rows) + rows.dropped == len(texts)
    for x, y, mask in rows:
        assert x.shape == y.shape == mask.shape == (max_length - 1,)
        assert torch.equal(x[1:], y[:-1])
        assert torch.equal(mask, mask.sort(descending=True).values)  # padding on the right only
        assert (y[mask == 0] == BYTES.pad_id).all()


def test_the_mask_goes_by_length_not_by_id() -> None:
    tokenizer = ByteTokenizer()
    tokenizer.eos_id = tokenizer.pad_id
    _, y, mask = PretrainDataset([Document("AB")], tokenizer, 8)[0]
    assert (y.tolist(), mask.tolist()) == ([68, 69, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0])


def test_masked_mean_equals_ignore_index() -> None:
    _, y, mask = next(iter(DataLoader(dataset("AB", "今天天气", "x"), batch_size=3)))
    logits = torch.randn(*y.shape, BYTES.vocab_size, generator=torch.Generator().manual_seed(0))
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    masked = (loss * mask.flatten()).sum() / mask.sum()
    labels = y.masked_fill(mask == 0, -100).flatten()
    torch.testing.assert_close(masked, F.cross_entropy(logits.flatten(0, 1), labels, ignore_index=-100))


def test_lengths_without_room_are_refused() -> None:
    with pytest.raises(DataError, match="No room for text between BOS and EOS"):
        dataset("AB", max_length=2)
    with pytest.raises(DataError, match="One token has nothing to predict"):
        dataset("AB", max_length=1, add_bos_eos=False)


def test_more_texts_than_one_batch_keep_their_order() -> None:
    rows = dataset(*(chr(65 + i % 26) for i in range(600)))
    assert len(rows) == 600
    assert [int(x[1]) for x, _, _ in rows] == [68 + i % 26 for i in range(600)]
