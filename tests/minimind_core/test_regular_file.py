"""Only regular files of a bounded size are read; a pipe, a device or an endless file is refused at once."""

from __future__ import annotations

import json
import lzma
import os
import socket
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from minimind_core import tokenizer
from minimind_core.errors import CheckpointError, MiniMindError, TokenizerError
from minimind_core.files import tensor_files
from minimind_core.files.checkpoint import load_model
from minimind_core.regular_file import read_regular
from minimind_core.tokenizer import load_tokenizer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are made as on POSIX")


def special(path: Path, kind: str) -> Path:
    """Put something that is no file at `path`."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(f"/dev/{kind}")
    return path


KINDS = ("pipe", "socket", "folder", "zero", "random", "full", "tty")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"pipe or a device|directory"):
        read_regular(special(tmp_path / "x", kind), 100)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="larger than"):
        read_regular(path, 99)
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match=r"larger than 2\.0 GB"):
        read_regular(path, 2**31)
    if Path("/proc/cpuinfo").exists():
        with pytest.raises(OSError, match="no fixed size"):
            read_regular(Path("/proc/cpuinfo"), 100)
    assert not open_descriptors(path), "every refusal closed the file"


def open_descriptors(path: Path) -> list[str]:
    folder = Path("/proc/self/fd")
    return (
        [link for link in map(os.readlink, folder.iterdir()) if link == str(path)] if folder.exists() else []
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
@pytest.mark.parametrize("name", ["", "config.json", "model.safetensors", "tokenizer_config.json"])
def test_a_checkpoint_with_a_special_file_ends_with_a_sentence(kind: str, name: str, tmp_path: Path) -> None:
    if name == "":
        model = special(tmp_path / "model.pth", kind)
    else:
        model = tmp_path
        if name != "config.json":
            (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
        special(tmp_path / name, kind)
    with pytest.raises(CheckpointError, match=r"\.$"):
        load_model(model)


def bomb(path: Path, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x/data/0", "w") as entry:
        for _ in range(size // 2**20):
            entry.write(bytes(2**20))


def test_an_archive_that_unfolds_beyond_its_bound_is_not_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_files, "HARMLESS_BYTES", 2**20)
    monkeypatch.setattr(torch, "load", lambda *_args, **_options: pytest.fail("opened"))
    bomb(tmp_path / "model.pth", 2**24)
    with pytest.raises(CheckpointError, match="far more than its file") as refusal:
        load_model(tmp_path / "model.pth")
    assert refusal.value.key == "checkpoint.bomb"


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "HARMLESS_BYTES", 2**20)
    torch.save({"x": torch.zeros(1).expand(2**20)}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="far more than its file"):
        load_model(tmp_path / "model.pth")


def test_a_tokenizer_that_unfolds_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "MAX_FILE_BYTES", 2**22)
    monkeypatch.setattr(tokenizer.json, "loads", lambda _content: pytest.fail("unfolded"))
    (tmp_path / "tokenizer.json.xz").write_bytes(lzma.compress(bytes(2**23), preset=0))
    with pytest.raises(TokenizerError, match="damaged"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json", "tokenizer_config.json"])
def test_deep_json_is_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(MiniMindError, match=r"\.$"):
        load_model(tmp_path)
