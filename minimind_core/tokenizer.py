"""Text to token ids and back: byte-level BPE, read from a `tokenizer.json`.

Every text round-trips, because all 256 bytes are in every vocabulary. No normalizer and no
post-processor: nothing is changed in the text, and nothing adds bos or eos (`data.py` does).
The files are ordinary `tokenizer.json` files of the `tokenizers` library, plain or xz.
Learns nothing (that is `training/bpe.py`), holds no chat template, and reads no sentencepiece or WordPiece.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from minimind_core.atomic_file import write_whole
from minimind_core.bounded import MAX_TOKENIZER_BYTES, read_bounded, unpack_xz
from minimind_core.errors import FileError, TokenizerError
from minimind_core.tokenizer_roles import roles

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Ids 0 (pad), 1 (bos) and 2 (eos) in every tokenizer trained here."""

SMALLEST_VOCAB = len(SPECIAL_TOKENS) + 256
TOKENIZERS_FOLDER = Path(__file__).resolve().parent.parent / "weights" / "tokenizers"


def _byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in a byte-level vocabulary (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


BYTE_CHARACTERS = _byte_characters()
_CHARACTER_BYTES = {character: byte for byte, character in BYTE_CHARACTERS.items()}


class Tokenizer:
    """A byte-level BPE tokenizer around `tokenizers.Tokenizer`.

    >>> ByteTokenizer().encode("Hi<|im_end|>")[:4]
    [75, 108, 63, 127]
    """

    def __init__(self, backend: tokenizers.Tokenizer, special_tokens: Sequence[str] = SPECIAL_TOKENS) -> None:
        """`special_tokens` names pad, bos and eos, which may be one. Raises TokenizerError if the vocabulary
        lacks one."""
        vocab = backend.get_vocab(with_added_tokens=True)
        missing = [token for token in special_tokens if token not in vocab]
        if missing:
            raise TokenizerError(
                f"This tokenizer has no {missing[0]} token; "
                "choose the tokenizer.json that came with the weights.",
                key="tokenizer.no_special",
                token=missing[0],
            )
        pad, bos, eos = special_tokens
        self.pad_id, self.bos_id, self.eos_id = vocab[pad], vocab[bos], vocab[eos]
        self.vocab_size = max(vocab.values()) + 1
        backend.encode_special_tokens = True  # a control token that a user types is text
        self._backend = backend

    @cached_property
    def _with_control(self) -> tokenizers.Tokenizer:
        """A twin that reads control tokens in the text as such."""
        twin = tokenizers.Tokenizer.from_str(self._backend.to_str())
        twin.encode_special_tokens = False
        return twin

    @cached_property
    def _added(self) -> dict[int, tokenizers.AddedToken]:
        return self._backend.get_added_tokens_decoder()

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of control tokens: no text that a user types gives them, and `decode` leaves them out."""
        return frozenset(index for index, token in self._added.items() if token.special)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of all that decides the ids; the layout of the file does not count."""
        data = json.loads(self._backend.to_str())
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in data["model"]["merges"]]
        content = {
            "vocab": data["model"]["vocab"],
            "merges": merges,
            "pre_tokenizer": data["pre_tokenizer"],
            "normalizer": data["normalizer"],
            "added": sorted((token["id"], token["content"]) for token in data["added_tokens"]),
            "special": [self.pad_id, self.bos_id, self.eos_id],
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """The merges in the order in which they were learned and are applied."""
        data = json.loads(self._backend.to_str())["model"]["merges"]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in data)
        return [(_piece_bytes(left), _piece_bytes(right)) for left, right in pairs]

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """Ids of `text`, without bos or eos.

        The literal text `<|im_end|>` gives ordinary bytes; with `allow_special` it gives the control token.
        Raises TokenizerError for a text with a lone surrogate, which UTF-8 cannot hold.
        """
        backend = self._with_control if allow_special else self._backend
        with _no_panic():
            return backend.encode(checked_text(text), add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once, on all cores."""
        checked = [checked_text(text) for text in texts]
        with _no_panic():
            encoded = self._backend.encode_batch_fast(checked, add_special_tokens=False)
        return [item.ids for item in encoded]

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text of `ids`. Bytes that are not UTF-8 become U+FFFD, as when a character is cut in half."""
        hidden = self.special_ids if skip_special else frozenset()
        pieces = [self.token_bytes(index) for index in ids if index not in hidden]
        return b"".join(pieces).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that one id stands for: a part of a character, or several words; a special's name."""
        if token_id in self._added:
            return self._added[token_id].content.encode()
        piece = self._backend.id_to_token(token_id)
        assert piece is not None, f"token id {token_id} lies outside the vocabulary of {self.vocab_size}"
        return _piece_bytes(piece)

    def token_text(self, token_id: int) -> str:
        r"""One id as text to look at: specials by name, bytes that are no whole character as `\xNN`."""
        return self.token_bytes(token_id).decode("utf-8", errors="backslashreplace")

    def to_json(self) -> str:
        """The content of `tokenizer.json`, which transformers reads as `PreTrainedTokenizerFast`."""
        return self._backend.to_str()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `tokenizer.json`, compressed if the name ends in `.xz`. A kill leaves the old file intact."""
        target = Path(path)
        content = self.to_json().encode()
        if target.suffix == ".xz":
            content = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
        write_whole(target, content)

    def prefix(self, vocab_size: int) -> Tokenizer:
        """The tokenizer that the same training text gives at a smaller size.

        BPE learns greedily, so the first entries do not depend on how many follow.
        Raises TokenizerError if this one is smaller already or was not trained here.
        """
        check_vocab_size(vocab_size)
        data = json.loads(self.to_json())
        vocab, merges = data["model"]["vocab"], data["model"]["merges"]
        if vocab_size > self.vocab_size:
            raise TokenizerError(f"This tokenizer has {self.vocab_size} entries; ask for at most that many.")
        if {index: token.content for index, token in self._added.items()} != dict(enumerate(SPECIAL_TOKENS)):
            raise TokenizerError("Only a tokenizer trained by MiniMind Lab can be cut to a smaller size.")
        made = [vocab[left + right] for left, right in merges]
        count = made.index(vocab_size - 1) + 1 if vocab_size > SMALLEST_VOCAB else 0
        data["model"]["merges"] = merges[:count]
        data["model"]["vocab"] = {piece: index for piece, index in vocab.items() if index < vocab_size}
        return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(data)))


class ByteTokenizer(Tokenizer):
    """No merges at all: ids 0, 1, 2 are the specials, byte b is id 3 + b, 259 entries.

    >>> ByteTokenizer().encode("A")
    [68]
    """

    def __init__(self) -> None:
        vocab = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
        vocab |= {character: len(SPECIAL_TOKENS) + byte for byte, character in BYTE_CHARACTERS.items()}
        backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[]))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        super().__init__(backend)


def load_tokenizer(path_or_name: str | os.PathLike[str]) -> Tokenizer:
    """Read a tokenizer: `"byte"`, a shipped name such as `"6.4k"`, a `.json` or `.json.xz` file, or a folder
    with a `tokenizer.json` or `tokenizer.json.xz`, of ours or of transformers.

    Which tokens pad, begin and end a text: see `roles`. Raises TokenizerError with what to do if it is
    missing, damaged or not byte-level BPE, FileError if it is far too large.
    """
    if path_or_name == "byte":
        return ByteTokenizer()
    path = _find(path_or_name)
    try:
        content = read_bounded(path, MAX_TOKENIZER_BYTES)
        content = unpack_xz(path, content, MAX_TOKENIZER_BYTES) if path.suffix == ".xz" else content
        data = json.loads(content)
        with _no_panic():
            backend = tokenizers.Tokenizer.from_buffer(content)
    except FileError:
        raise
    except Exception as error:  # the Rust library raises bare Exception for a foreign file
        raise TokenizerError(
            f"{path} is damaged or no tokenizer file; fetch or train it again.",
            key="tokenizer.damaged",
            path=str(path),
        ) from error
    if not _is_byte_level(data):
        raise TokenizerError(
            f"{path} is not a byte-level BPE tokenizer; MiniMind Lab reads no other kind.",
            key="tokenizer.kind",
            path=str(path),
        )
    vocab = backend.get_vocab(with_added_tokens=True)
    return Tokenizer(backend, roles(path.parent / "tokenizer_config.json", vocab, SPECIAL_TOKENS))


def _find(path_or_name: str | os.PathLike[str]) -> Path:
    path = Path(path_or_name)
    candidates = [path, path / "tokenizer.json", path / "tokenizer.json.xz"]
    if len(path.parts) == 1:
        candidates.append(TOKENIZERS_FOLDER / f"{path.name}.json.xz")
    existing = [candidate for candidate in candidates if candidate.is_file()]
    if not existing:
        shipped = sorted(file.name.removesuffix(".json.xz") for file in TOKENIZERS_FOLDER.glob("*.json.xz"))
        raise TokenizerError(
            f"There is no tokenizer at {path}; give a tokenizer.json file, its folder, "
            f"or one of: {', '.join(['byte', *shipped])}.",
            key="tokenizer.missing",
            path=str(path),
        )
    return existing[0]


def _is_byte_level(data: dict[str, Any]) -> bool:
    """Bytes are spelled by GPT-2's characters, and every byte is in the vocabulary."""
    vocab = data["model"].get("vocab", {})
    return (
        data["model"].get("type") == "BPE"
        and "ByteLevel" in json.dumps(data.get("decoder"))
        and all(character in vocab for character in BYTE_CHARACTERS.values())
    )


@contextlib.contextmanager
def _no_panic() -> Iterator[None]:
    """Turn a panic of the Rust library, which no `except Exception` sees, into a TokenizerError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(
            "This tokenizer's pattern cannot split the text; "
            "choose the tokenizer.json that came with the weights.",
            key="tokenizer.panic",
        ) from error


def check_vocab_size(vocab_size: int) -> None:
    """Raise TokenizerError for fewer entries than bytes and specials."""
    if vocab_size < SMALLEST_VOCAB:
        raise TokenizerError(
            f"Byte-level BPE needs 256 byte symbols plus 3 specials; {SMALLEST_VOCAB} is the floor."
        )


def _piece_bytes(piece: str) -> bytes:
    return bytes(_CHARACTER_BYTES[character] for character in piece)


def checked_text(text: str) -> str:
    """`text` itself. Raises TokenizerError where it is none that UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TokenizerError("Not valid UTF-8: remove the lone surrogate from the text.") from error
    return text
