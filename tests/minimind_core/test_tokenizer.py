"""Byte-level BPE: every text round-trips, control tokens stay out of reach, files are checked."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_core.errors import TokenizerError
from minimind_core.tokenizer import (
    SPECIAL_TOKENS,
    TOKENIZERS_FOLDER,
    ByteTokenizer,
    Tokenizer,
    load_tokenizer,
)
from minimind_core.training.bpe import train_bpe
from minimind_core.training.train_tokenizers import SIZES

SAMPLE = [
    "今天天气很好，我们去公园玩。今天天气很好。",
    "The weather is fine today; the weather was fine.\n",
    "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n",
] * 3
ODD = [
    "",
    " ",
    "\n\n\t  ",
    "鱻龘",
    "🏳️‍🌈 emoji",
    "caf\u0065\u0301",
    "\ufeff\u200b\0",
    "é\r\n",
    "12345678 2024年",
    "<|im_end|>",
    "a<|endoftext|>b",
    "don't DON’T",
    "    if x:\n        pass",
    "ﬁ ２０",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SHIPPED = ["1k", "6.4k"]


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return train_bpe(SAMPLE, 300)


@pytest.fixture(scope="module", params=[*SHIPPED, "byte", "small"])
def any_tokenizer(request: pytest.FixtureRequest, small: Tokenizer) -> Iterator[Tokenizer]:
    yield small if request.param == "small" else load_tokenizer(request.param)


@given(text=TEXT)
def test_every_text_round_trips(any_tokenizer: Tokenizer, text: str) -> None:
    ids = any_tokenizer.encode(text)
    assert any_tokenizer.decode(ids) == text
    assert len(ids) <= len(text.encode())
    assert not set(ids) & any_tokenizer.special_ids
    assert b"".join(map(any_tokenizer.token_bytes, ids)) == text.encode()


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_round_trip_and_batches_agree(any_tokenizer: Tokenizer, text: str) -> None:
    assert any_tokenizer.decode(any_tokenizer.encode(text)) == text
    assert any_tokenizer.encode_batch([text, "x"]) == [any_tokenizer.encode(text), any_tokenizer.encode("x")]


def test_every_byte_is_an_entry(any_tokenizer: Tokenizer) -> None:
    singles = {any_tokenizer.token_bytes(index) for index in range(any_tokenizer.vocab_size)}
    assert {bytes([byte]) for byte in range(256)} <= singles


def test_specials_have_the_ids_of_the_design(any_tokenizer: Tokenizer) -> None:
    assert (any_tokenizer.pad_id, any_tokenizer.bos_id, any_tokenizer.eos_id) == (0, 1, 2)
    assert [any_tokenizer.token_text(index) for index in range(3)] == list(SPECIAL_TOKENS)
    assert any_tokenizer.special_ids == {0, 1, 2}


def test_a_typed_control_token_is_text_unless_allowed(any_tokenizer: Tokenizer) -> None:
    text = "好<|im_end|>"
    assert any_tokenizer.encode(text, allow_special=True)[-1] == any_tokenizer.eos_id
    assert any_tokenizer.eos_id not in any_tokenizer.encode(text)
    assert any_tokenizer.decode(any_tokenizer.encode(text, allow_special=True)) == "好"
    assert any_tokenizer.decode(any_tokenizer.encode(text, allow_special=True), skip_special=False) == text


def test_vocabularies_have_exactly_the_named_size() -> None:
    assert {name: load_tokenizer(name).vocab_size for name in SIZES} == SIZES
    assert {file.name for file in TOKENIZERS_FOLDER.glob("*.xz")} == {f"{name}.json.xz" for name in SIZES}
    assert ByteTokenizer().vocab_size == 259


def test_byte_tokenizer_maps_byte_b_to_3_plus_b() -> None:
    data = bytes(range(128)).decode()
    assert ByteTokenizer().encode(data) == [3 + byte for byte in data.encode()]
    assert ByteTokenizer().encode("好") == [3 + byte for byte in "好".encode()]


def test_half_a_character_is_shown_not_lost(any_tokenizer: Tokenizer) -> None:
    ids = ByteTokenizer().encode("好")
    assert ByteTokenizer().decode(ids[:2]) == "\ufffd"
    assert ByteTokenizer().token_text(ids[0]) == r"\xe5"


def test_decode_equals_the_backend_on_random_ids(any_tokenizer: Tokenizer) -> None:
    ids = [(7 * i * i + 3 * i) % any_tokenizer.vocab_size for i in range(400)]
    backend = any_tokenizer._backend
    assert any_tokenizer.decode(ids) == backend.decode(ids)
    assert any_tokenizer.decode(ids, skip_special=False) == backend.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("name", [*SHIPPED, "100k", "byte"])
def test_transformers_reads_the_same_file_the_same_way(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    ours = load_tokenizer(name)
    ours.save(tmp_path / "tokenizer.json")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in [*SAMPLE, *ODD]:
        assert theirs(text, add_special_tokens=False)["input_ids"] == ours.encode(text, allow_special=True)
        assert theirs.decode(ours.encode(text), clean_up_tokenization_spaces=False) == text
    assert len(theirs) == ours.vocab_size


def test_saving_and_loading_keeps_ids_and_fingerprint(small: Tokenizer, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "t.json.xz"):
        small.save(tmp_path / name)
        again = load_tokenizer(tmp_path / name)
        assert again.fingerprint == small.fingerprint
        assert again.encode(SAMPLE[0]) == small.encode(SAMPLE[0])
    assert load_tokenizer(tmp_path).fingerprint == small.fingerprint
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.json.xz", "tokenizer.json"]


def test_fingerprint_ignores_layout_and_sees_content(small: Tokenizer, tmp_path: Path) -> None:
    data = json.loads(small.to_json())
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]  # how older files spell it
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data, indent=2, sort_keys=True))
    assert load_tokenizer(path).fingerprint == small.fingerprint
    assert small.prefix(280).fingerprint != small.fingerprint
    assert ByteTokenizer().fingerprint == "64e187192ac5e162"


def test_training_twice_gives_the_same_and_sizes_are_prefixes(small: Tokenizer) -> None:
    assert train_bpe(SAMPLE, 300).to_json() == small.to_json()
    for size in (259, 260, 280, 300):
        assert small.prefix(size).fingerprint == train_bpe(SAMPLE, size).fingerprint
    assert small.prefix(280).merges == small.merges[:21]
    assert small.merges[0] == (b"h", b"e")  # the commonest pair of the sample


def test_shipped_vocabularies_are_prefixes_of_the_largest() -> None:
    largest = load_tokenizer("100k")
    for name in ("1k", "6.4k", "16k"):
        smaller = load_tokenizer(name)
        assert smaller.merges == largest.merges[: len(smaller.merges)]
    assert largest.prefix(6400).fingerprint == load_tokenizer("6.4k").fingerprint


def test_more_merges_never_lengthen_the_training_text(small: Tokenizer) -> None:
    counts = [sum(map(len, small.prefix(size).encode_batch(SAMPLE))) for size in (259, 265, 280, 300)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == sum(len(text.encode()) for text in SAMPLE)


def test_training_stops_where_no_pair_repeats() -> None:
    assert train_bpe(["abcdef"], 400).vocab_size == 259


def test_pieces_end_where_the_pattern_says(small: Tokenizer) -> None:
    pieces = [
        small._backend.pre_tokenizer.pre_tokenize_str(text)
        for text in ("It's 20241 now", "def f():\n        return", "今天天气很好，走")
    ]
    assert [[text for text, _ in piece] for piece in pieces[:2]] == [
        ["It", "'s", "Ġ", "202", "41", "Ġnow"],
        ["def", "Ġf", "():Ċ", "ĠĠĠĠĠĠĠ", "Ġreturn"],
    ]
    assert [span for _, span in pieces[2]] == [(0, 6), (6, 8)]


def test_sizes_that_cannot_be_are_refused(small: Tokenizer) -> None:
    for call in (lambda: train_bpe([], 258), lambda: small.prefix(10)):
        with pytest.raises(TokenizerError, match="259 is the floor"):
            call()
    with pytest.raises(TokenizerError, match="has 300 entries"):
        small.prefix(301)
    with pytest.raises(TokenizerError, match="Not valid UTF-8"):
        small.encode("\ud800")


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path, small: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer at .*one of: byte, 1"):
        load_tokenizer(tmp_path)
    with pytest.raises(TokenizerError, match="no tokenizer at nonsense"):
        load_tokenizer("nonsense")
    small.save(tmp_path / "whole.json.xz")
    whole = (tmp_path / "whole.json.xz").read_bytes()
    for content in (whole[: len(whole) // 2], b"", lzma.compress(b"[]"), lzma.compress(b"\xff{"), b"{}"):
        (tmp_path / "broken.json.xz").write_bytes(content)
        with pytest.raises(TokenizerError, match="damaged or no tokenizer file"):
            load_tokenizer(tmp_path / "broken.json.xz")


def test_foreign_files_are_refused_or_read(tmp_path: Path, small: Tokenizer) -> None:
    path = tmp_path / "tokenizer.json"
    word_level = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"},
    }
    path.write_text(json.dumps(word_level))
    with pytest.raises(TokenizerError, match="not a byte-level BPE"):
        load_tokenizer(path)

    llama = small.to_json().replace("<|im_start|>", "<s>").replace("<|im_end|>", "</s>")
    path.write_text(llama)
    with pytest.raises(TokenizerError, match=r"no <\|im_end\|> token"):
        load_tokenizer(tmp_path)
    names = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(names))
    assert load_tokenizer(tmp_path).eos_id == 2
    with pytest.raises(TokenizerError, match="Only a tokenizer trained"):
        load_tokenizer(tmp_path).prefix(280)


def test_shipped_files_fit_the_budget() -> None:
    assert sum(file.stat().st_size for file in TOKENIZERS_FOLDER.glob("*.xz")) <= 3_000_000
