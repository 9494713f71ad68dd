"""Damaged, foreign and unsuitable checkpoints get one sentence; a full disk or a kill spares the old one."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from minimind_core.errors import MiniMindError
from minimind_core.files import checkpoint
from minimind_core.files.checkpoint import load_model, load_state_dict, save_checkpoint
from minimind_core.files.checkpoint_config import StoredDtype
from minimind_core.model.config import EXPERT_FIELDS
from tests.minimind_core.checkpoint_samples import (
    PYTHONS_OWN_WORDS,
    TINY,
    random_state,
    same,
    save_tiny,
    sentence,
)

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 58239525\n"


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_weights(folder: Path, state: dict[str, Tensor]) -> None:
    """Well-formed weights with a matching fingerprint, as a program other than ours would write them."""
    data = safetensors.torch.save({name: tensor.clone() for name, tensor in state.items()})
    (folder / "model.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).digest()
    edit_config(folder, weights_fingerprint=checkpoint.combined_fingerprint([digest]))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no weights"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "no JSON object"),
        (lambda f: edit_config(f, format_version=2), "update the program"),
        (lambda f: edit_config(f, dtype="int3"), "dtype"),
        (lambda f: edit_config(f, model={"hidden_sise": 3}), "did you mean 'hidden_size'"),
        (lambda f: edit_config(f, model={"rope_theta": "big"}), "no model that can be built"),
        (
            lambda f: edit_config(f, model=TINY.replace(num_layers=3).to_dict()),
            "lacks tensor 'model.layers.2.",
        ),
        (
            lambda f: edit_config(f, model=TINY.replace(num_layers=10**9).to_dict()),
            "too few for 1000000000 layers",
        ),
        (
            lambda f: edit_config(f, model=TINY.replace(vocab_size=260).to_dict()),
            "has shape [259, 64], expected [260, 64]",
        ),
        (lambda f: edit_config(f, tokenizer=None), "no tokenizer"),
        (lambda f: edit_config(f, tokenizer_fingerprint="0" * 16), "another tokenizer"),
        (lambda f: os.truncate(f / "model.safetensors", 5000), "truncated or no safetensors"),
        (lambda f: os.truncate(f / "model.safetensors", 0), "truncated or no safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(os.urandom(4096)), "truncated or no safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(LFS_POINTER), "git lfs pull"),
        (lambda f: replace_weights(f, random_state() | {"extra": torch.zeros(2)}), "'extra' has no place"),
        (
            lambda f: replace_weights(
                f, random_state() | {"model.norm.weight": torch.zeros(64, dtype=torch.int32)}
            ),
            "'model.norm.weight' is torch.int32",
        ),
        (
            lambda f: replace_weights(
                f, random_state() | {"model.norm.weight": torch.zeros(64, dtype=torch.int8)}
            ),
            "'model.norm.weight' is torch.int8",
        ),
    ],
)
def test_damage_is_named_in_one_sentence(
    tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    save_tiny(tmp_path / "x")
    damage(tmp_path / "x")
    assert expected in sentence(lambda: load_model(tmp_path / "x"))


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    save_tiny(tmp_path / "x")
    file = tmp_path / "x" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    assert "changed after saving" in sentence(lambda: load_state_dict(tmp_path / "x"))


def test_nothing_unsuitable_is_saved(tmp_path: Path) -> None:
    state = random_state()
    state["model.layers.1.mlp.up_proj.weight"][0, 0] = float("nan")

    def save(values: dict[str, Tensor], dtype: StoredDtype) -> None:
        save_checkpoint(tmp_path / "x", TINY, values, name="x", tokenizer="byte", dtype=dtype)

    assert "'model.layers.1.mlp.up_proj.weight' holds" in sentence(lambda: save(state, "int8"))
    save(state, "float32")  # a poisoned specimen may be kept
    large = random_state() | {"model.norm.weight": torch.full((64,), 1e6)}
    assert "float16 cannot store" in sentence(lambda: save(large, "float16"))
    missing = random_state()
    del missing["model.norm.weight"]
    assert "lacks tensor 'model.norm.weight' of shape [64]" in sentence(lambda: save(missing, "float32"))


# --- a full disk and a kill ---


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = save_tiny(tmp_path / "x")
    write_flushed = checkpoint.write_flushed
    monkeypatch.setattr(checkpoint, "write_flushed", lambda _, *data: write_flushed(Path("/dev/full"), *data))
    message = sentence(lambda: save_tiny(tmp_path / "x", seed=1))
    assert "No space left on device" in message and "unchanged" in message
    assert same(state, load_state_dict(tmp_path / "x")[1]) and os.listdir(tmp_path) == ["x"]


def test_a_file_size_limit_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    state = save_tiny(tmp_path / "x")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        message = sentence(lambda: save_tiny(tmp_path / "x", seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in message
    assert same(state, load_state_dict(tmp_path / "x")[1]) and os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_between_two_files_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    state = save_tiny(tmp_path / "x")
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from minimind_core.files import checkpoint\n"
        "from tests.minimind_core.checkpoint_samples import save_tiny\n"
        "write = checkpoint.write_flushed\n"
        "def killed(path, data):\n"
        "    write(path, data[:1000])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint.write_flushed = killed\n"
        "save_tiny(Path(sys.argv[1]), seed=1)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x")],
        capture_output=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert run.returncode == -9, run.stderr.decode()
    assert same(state, load_state_dict(tmp_path / "x")[1])
    newer = save_tiny(tmp_path / "x", seed=2)
    assert same(newer, load_state_dict(tmp_path / "x")[1])


JUNK: list[Any] = [None, -1, 1.5, "x", [], {}, {"a": 1}, True, 10**13, float("nan"), "../../etc/passwd", "\0"]


def test_no_junk_in_config_json_gets_through_as_a_traceback(tmp_path: Path) -> None:
    save_tiny(tmp_path / "x")
    whole = json.loads((tmp_path / "x" / "config.json").read_text())
    for key in [*whole, *(f"model.{key}" for key in whole["model"])]:
        for junk in JUNK:
            inner = key.removeprefix("model.")
            changes = {"model": whole["model"] | {inner: junk}} if inner != key else {key: junk}
            (tmp_path / "x" / "config.json").write_text(json.dumps(whole | changes))
            try:
                load_model(tmp_path / "x")
            except MiniMindError as error:
                assert not PYTHONS_OWN_WORDS.search(str(error)), error


def test_no_junk_about_experts_gets_through_either(tmp_path: Path) -> None:
    save_tiny(tmp_path / "x", config=TINY.replace(num_experts=2, num_layers=1))
    whole = json.loads((tmp_path / "x" / "config.json").read_text())
    for name in EXPERT_FIELDS:
        for junk in [*JUNK, 2**31 - 1]:
            (tmp_path / "x" / "config.json").write_text(
                json.dumps(whole | {"model": whole["model"] | {name: junk}})
            )
            if name != "norm_topk_prob" or junk is not True:
                assert sentence(lambda: load_model(tmp_path / "x"))


@pytest.mark.parametrize("name", ["\0", "x" * 5000, "~nobody-of-that-name/x", "a/b/c"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    assert "There is no checkpoint at" in sentence(lambda: load_model(name))
