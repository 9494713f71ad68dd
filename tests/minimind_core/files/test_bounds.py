"""Devices, pipes, bombs and nests are refused before they are read; nothing is taken for what it is not."""

from __future__ import annotations

import io
import json
import lzma
import os
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from minimind_core import bounded
from minimind_core.bounded import open_file, read_bounded
from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint import load_model
from minimind_core.files.checkpoint_config import locate
from minimind_core.files.import_minimind import import_minimind
from minimind_core.tokenizer import ByteTokenizer, load_tokenizer
from minimind_core.training.data import ReadReport, read_documents
from minimind_core.training.packing import PackedCorpus
from tests.minimind_core.checkpoint_samples import TINY, random_state, save_tiny, sentence
from tests.minimind_core.training_run import SHORT, fresh_trainer

ROOT = Path(__file__).resolve().parents[3]
UNIX = pytest.mark.skipif(os.name == "nt", reason="no devices or pipes as files")
SPECIAL = "is a device or a pipe, not a file"


def special_files(folder: Path) -> list[Path]:
    """Of every kind: endless, empty, never written to, and no bytes at all."""
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(folder / "socket"))  # a long path fits no address
    listener.close()
    (folder / "link").symlink_to("/dev/zero")
    return [Path("/dev/zero"), Path("/dev/null"), Path("/dev/random"), folder / "pipe", folder / "link"]


@UNIX
def test_no_command_reads_a_device_or_waits_for_a_pipe(tmp_path: Path) -> None:
    for path in special_files(tmp_path):
        assert SPECIAL in sentence(lambda path=path: load_model(path))
        assert SPECIAL in sentence(lambda path=path: import_minimind(path, "byte"))
        assert SPECIAL in sentence(lambda path=path: [*read_documents([path], ReadReport())])
        assert SPECIAL in sentence(lambda path=path: PackedCorpus.load(path))
        assert SPECIAL in sentence(lambda path=path: fresh_trainer(SHORT).load(path))
        assert SPECIAL in sentence(lambda path=path: read_bounded(path, 100))
    with pytest.raises(CheckpointError, match=SPECIAL):  # what the app says at once
        locate(tmp_path / "socket")


@UNIX
@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
)
def test_no_file_of_a_folder_may_be_one(tmp_path: Path, name: str) -> None:
    torch.save(random_state(TINY), tmp_path / "pytorch_model.bin")
    (tmp_path / "tokenizer.json").write_text(ByteTokenizer().to_json())
    (tmp_path / "config.json").write_text('{"model_type": "llama", "num_attention_heads": 4}')
    assert load_model(tmp_path).config.num_heads == 4
    for make in (lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")):
        (tmp_path / name).unlink(missing_ok=True)
        make(tmp_path / name)
        if name == "model.safetensors":  # not looked at, for it is no file
            assert load_model(tmp_path).config.num_heads == 4
        else:
            sentence(lambda: load_model(tmp_path))


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "x")
    with open(tmp_path / "x" / "config.json", "r+b") as file:
        file.truncate(2**40)  # sparse
    assert "1,099,511,627,776 bytes, and at most" in sentence(lambda: load_model(tmp_path / "x"))
    for name in ("a.pth", "a.safetensors", "tokenizer.json"):
        with open(tmp_path / name, "wb") as file:
            file.truncate(2**40)
        assert "at most" in sentence(lambda name=name: import_minimind(tmp_path / name, tmp_path))
    monkeypatch.setattr(bounded, "MAX_WEIGHT_BYTES", 10_000)
    save_tiny(tmp_path / "y")
    assert "at most 10,000 are read" in sentence(lambda: load_model(tmp_path / "y"))


@pytest.mark.parametrize("size", [0, 99, 100, 101])
def test_the_bound_is_exact(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(bytes(size))
    if size <= 100:
        assert read_bounded(tmp_path / "a", 100) == bytes(size)
        with open_file(tmp_path / "a") as file:
            assert len(file.read()) == size
    else:
        assert "has 101 bytes, and at most 100 are read" in sentence(
            lambda: read_bounded(tmp_path / "a", 100)
        )


# --- archives ---


def rezipped(data: bytes, *, change: Callable[[str, bytes], bytes] = lambda _, content: content) -> bytes:
    """The archive packed anew, by deflate."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    return result.getvalue()


def saved(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_an_archive_that_unpacks_to_more_than_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(rezipped(saved({"a": torch.zeros(2**22)})))
    assert path.stat().st_size < 2**20 and "packed so tightly" in sentence(
        lambda: import_minimind(path, "byte")
    )
    with pytest.raises(Exception, match="packed so tightly"):
        fresh_trainer(SHORT).load(path)
    npz = tmp_path / "bomb.npz"
    np.savez_compressed(npz, ids=np.zeros(2**22, np.uint16), document_starts=np.zeros(1, np.int64))
    assert "packed so tightly" in sentence(lambda: PackedCorpus.load(npz))


def test_an_xz_bomb_is_unpacked_no_further_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimind_core.tokenizer.MAX_TOKENIZER_BYTES", 2**20)
    path = tmp_path / "tokenizer.json.xz"
    path.write_bytes(lzma.compress(bytes(2**22)))
    assert "packed so tightly" in sentence(lambda: load_tokenizer(path))
    ByteTokenizer().save(path)
    assert load_tokenizer(path).vocab_size == 259
    path.write_bytes(path.read_bytes()[:-9])
    assert "damaged" in sentence(lambda: load_tokenizer(path))


@UNIX
def test_bombs_leave_memory_alone(tmp_path: Path) -> None:
    """Zeros without end, packed in an archive, and 64 GB of one value that its stride repeats."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(64):
                entry.write(bytes(2**20))
    torch.save({"model.norm.weight": torch.zeros(1).expand(2**20, 2**14)}, tmp_path / "b.pth")
    (tmp_path / "c.pth").symlink_to("/dev/zero")
    code = (
        "import resource, sys; from minimind_core.files.import_minimind import import_minimind\n"
        "from minimind_core.errors import MiniMindError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[1:]:\n"
        "    try: import_minimind(path, 'byte')\n"
        "    except MiniMindError as error: print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    names = [str(tmp_path / name) for name in ("a.pth", "b.pth", "c.pth")]
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True)
    *said, megabytes = done.stdout.splitlines()
    assert len(said) == 3 and "Traceback" not in done.stderr, done.stderr
    assert int(megabytes) < 60, done.stdout


# --- nested pickles ---


def nested(depth: int, width: int = 2) -> object:
    value: object = ()
    for _ in range(depth):
        value = (value,) * width
    return value


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "pairs",
    [[(nested(60), 1)], [("a", 1), ("b", nested(60))], [(nested(12, 60), 1)], [("a", nested(400, 1))]],
    ids=["key", "value", "wide", "deep"],
)
def test_a_nested_pickle_is_refused_at_once(
    tmp_path: Path, pairs: list[tuple[object, object]], zipped: bool
) -> None:
    path = tmp_path / "nested.pth"
    payload = _pickled(pairs)
    path.write_bytes(_torch_zip(payload) if zipped else payload)
    said = sentence(lambda: import_minimind(path, "byte"))
    assert "nested as no state dict is" in said


def _pickled(pairs: list[tuple[object, object]]) -> bytes:
    """A dictionary of pairs, by hand, for to make it would hash its keys; shared tuples are written once."""
    memo: dict[int, int] = {}
    parts = [b"\x80\x02}("]

    def put(value: object) -> None:
        if isinstance(value, tuple):
            if id(value) in memo:
                parts.append(b"j" + struct.pack("<I", memo[id(value)]))
                return
            parts.append(b"(")
            for item in value:
                put(item)
            memo[id(value)] = len(memo)
            parts.append(b"tr" + struct.pack("<I", memo[id(value)]))
        elif isinstance(value, str):
            parts.append(b"X" + struct.pack("<I", len(value)) + value.encode())
        else:
            parts.append(b"K\x01")

    for pair in pairs:
        for item in pair:
            put(item)
    return b"".join([*parts, b"u."])


def _torch_zip(payload: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return result.getvalue()


def test_real_checkpoints_pass(tmp_path: Path) -> None:
    """With an optimizer's state, wrappers and the old format, as trainers save them."""
    state = {f"model.layers.{i}.w": torch.zeros(3) for i in range(90)}
    optimizer = {"state": {i: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)} for i in range(90)}}
    for zipped in (True, False):
        torch.save(
            {"model": state, "optimizer": optimizer, "records": [(1, 2.0, 3.0)] * 5000},
            tmp_path / "a.pth",
            _use_new_zipfile_serialization=zipped,
        )
        assert "lacks tensor" in sentence(lambda: import_minimind(tmp_path / "a.pth", "byte"))


# --- NaN, and files that are named ---


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_said_when_loaded(tmp_path: Path, value: float) -> None:
    state = random_state()
    state["model.norm.weight"][3] = value
    torch.save(state, tmp_path / "nan.pth")
    assert "tensor 'model.norm.weight' holds NaN or infinity" in sentence(
        lambda: import_minimind(tmp_path / "nan.pth", "byte")
    )
    from minimind_core.files.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "x", TINY, state, name="x", tokenizer="byte")
    assert "holds NaN or infinity" in sentence(lambda: load_model(tmp_path / "x"))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A transformers folder with a second file of weights, all halved."""
    import safetensors.torch

    from minimind_core.files.export_hf import export_hf

    save_tiny(tmp_path / "own")
    loaded = load_model(tmp_path / "own")
    export_hf(loaded, tmp_path / "hf")
    halved = {name: tensor * 0.5 for name, tensor in loaded.model.state_dict().items()}
    safetensors.torch.save_file(halved, tmp_path / "hf" / "step-200.safetensors")
    torch.save(halved, tmp_path / "hf" / "step-200.bin")
    return tmp_path / "hf"


@pytest.mark.parametrize("name", ["step-200.safetensors", "step-200.bin"])
def test_a_named_file_of_weights_is_the_one_that_is_loaded(exported: Path, name: str) -> None:
    whole, named = load_model(exported), load_model(exported / name)
    assert named.config == whole.config and named.meta["assumed"] == {} and named.name == "step-200"
    key = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(named.model.state_dict()[key] * 2, whole.model.state_dict()[key])


def test_what_stands_for_its_folder_still_does(exported: Path) -> None:
    assert locate(exported / "model.safetensors") == exported.resolve()
    (exported / "model.safetensors").rename(exported / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}}
    (exported / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("model-00001-of-00001.safetensors", "model.safetensors.index.json"):
        assert locate(exported / name) == exported.resolve()
    assert load_model(exported / "model-00001-of-00001.safetensors").name == "hf"


def test_a_strange_file_beside_a_checkpoint_of_ours_is_refused(exported: Path) -> None:
    own = exported.parent / "own"
    (exported / "step-200.safetensors").rename(own / "step-200.safetensors")
    assert "is not among the weights" in sentence(lambda: load_model(own / "step-200.safetensors"))
    assert load_model(own / "model.safetensors").name == "tiny"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (["vision_proj.mlp.0.bias", "vision_encoder.x.bias", "model.a.bias"], "belongs to MiniMind-V"),
        (["audio_proj.mlp.0.bias", "talker.layers.0.mlp.experts.1.w"], "belongs to MiniMind-O"),
        (["model.layers.0.block_sparse_moe.experts.0.w1.weight", "a.bias"], "mixes experts in another way"),
        (["model.layers.0.mlp.shared_expert_gate.weight", "a.bias"], "mixes experts in another way"),
        (["model.layers.0.mlp.experts.gate_up_proj"], "stacks its experts"),
        (["z.bias", "b.bias", "a.bias"], "(tensor 'a.bias') has biases"),
    ],
)
def test_other_kinds_are_told_by_their_most_telling_tensor(
    tmp_path: Path, tensors: list[str], words: str
) -> None:
    """The same tensor whatever the order in the file."""
    said = set()
    for order in (tensors, tensors[::-1]):
        torch.save({**random_state(), **{name: torch.zeros(2) for name in order}}, tmp_path / "a.pth")
        said.add(sentence(lambda: import_minimind(tmp_path / "a.pth", "byte")))
    assert len(said) == 1 and words in said.pop()
