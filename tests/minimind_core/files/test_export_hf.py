"""An exported folder gives the same logits in transformers and in ONNX Runtime, and the same token ids."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from minimind_core.errors import CheckpointError, ConfigError
from minimind_core.files import export_hf as exporter
from minimind_core.files.checkpoint import LoadedModel, load_model
from minimind_core.files.checkpoint_config import shipped_checkpoints
from minimind_core.files.export_hf import export_hf
from minimind_core.files.import_minimind import import_minimind
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.tokenizer import ByteTokenizer, Tokenizer
from minimind_core.training.bpe import train_bpe
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model, same, sentence

transformers = pytest.importorskip("transformers")
MINIMIND3 = TINY.replace(qk_norm=True, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_theta=1e4)
TEXTS = [
    "",
    " ",
    "Hello, world!  two spaces",
    "机器学习很有趣。",
    "tab\tnew\nline\r\n",
    "e\u0301 é 🙂 ‮",
    "a<|im_end|>b <|endoftext|>",
    "don't  do'nt .  , !",
]


def loaded(config: ModelConfig = TINY, tokenizer: Tokenizer | None = None) -> LoadedModel:
    model = random_model(config)
    return LoadedModel(model, tokenizer or ByteTokenizer(), config, "tiny", Path("tiny"), {})


def hf_logits(folder: Path, ids: Tensor, **options: Any) -> Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **options).eval()
    with torch.no_grad():
        return model(ids).logits


def onnx_logits(folder: Path, ids: Tensor) -> Tensor:
    pytest.importorskip("onnxruntime")
    from minimind_core.files import onnx_llama

    return torch.from_numpy(onnx_llama.logits(folder, ids.tolist()))


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        TINY.replace(num_kv_heads=4, rope_theta=1e4),
        MINIMIND3,
        TINY.replace(rope_scaling=RopeScaling("pi", 4.0, 32)),
        TINY.replace(rope_scaling=RopeScaling("ntk", 4.0, 32)),
        TINY.replace(rope_scaling=RopeScaling("yarn", 4.0, 32)),
        MINIMIND3.replace(rope_scaling=RopeScaling("yarn", 16.0, 64, beta_fast=2.0, attention_factor=1.0)),
    ],
    ids=["gqa", "mha", "qk-norm-untied", "pi", "ntk", "yarn", "yarn-minimind"],
)
def test_transformers_computes_the_same_logits(tmp_path: Path, config: ModelConfig) -> None:
    source = loaded(config)
    export_hf(source, tmp_path / "hf")
    ids = random_ids(length=100)  # beyond max_length, where stretched frequencies differ most
    with torch.no_grad():
        ours = source.model(ids)
    assert ours.std() > 0.5  # so that 1e-4 means something
    assert (hf_logits(tmp_path / "hf", ids) - ours).abs().max() < 1e-4


@pytest.mark.parametrize("config", [TINY, MINIMIND3], ids=["llama", "qwen3"])
def test_onnx_runtime_computes_the_same_logits(tmp_path: Path, config: ModelConfig) -> None:
    source = loaded(config)
    export_hf(source, tmp_path / "hf")
    ids = random_ids(length=48)
    with torch.no_grad():
        difference = source.model(ids) - onnx_logits(tmp_path / "hf", ids)
    assert difference.abs().max() < 1e-4


@pytest.mark.skipif("minimind-26m" not in shipped_checkpoints(), reason="minimind-26m is not in weights/")
def test_the_shipped_model_in_both_engines(tmp_path: Path) -> None:
    source = load_model("minimind-26m")
    export_hf(source, tmp_path / "hf")
    ids = torch.tensor([source.tokenizer.encode("机器学习很有趣, and the weather is fine today.")[:24]])
    with torch.no_grad():
        ours = source.model(ids)
    assert (hf_logits(tmp_path / "hf", ids) - ours).abs().max() < 1e-4
    assert (onnx_logits(tmp_path / "hf", ids) - ours).abs().max() < 1e-4


def test_greedy_text_is_the_same(tmp_path: Path) -> None:
    source = loaded()
    export_hf(source, tmp_path / "hf")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    prompt = random_ids(batch_size=1, length=5)
    theirs = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, eos_token_id=None
    )
    ids = prompt
    with torch.no_grad():
        for _ in range(12):
            ids = torch.cat([ids, source.model(ids)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(theirs, ids)
    settings = model.generation_config
    assert (settings.pad_token_id, settings.bos_token_id, settings.eos_token_id) == (0, 1, 2)


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_transformers_gives_the_same_token_ids(tmp_path: Path, kind: str) -> None:
    bpe = train_bpe(["don't two spaces, hello 机器学习 " * 9], 300)
    tokenizer = ByteTokenizer() if kind == "byte" else bpe
    export_hf(loaded(TINY.replace(vocab_size=tokenizer.vocab_size), tokenizer), tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf", local_files_only=True)
    for text in TEXTS:
        ids = tokenizer.encode(text, allow_special=True)
        assert theirs.encode(text) == ids, text  # no bos or eos either
        assert theirs.decode(ids) == text
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 1, 2)
    assert len(theirs) == tokenizer.vocab_size


@pytest.mark.parametrize(
    "config",
    [TINY, MINIMIND3, TINY.replace(rope_scaling=RopeScaling("yarn", 4.0, 32))],
    ids=["llama", "qwen3", "yarn"],
)
def test_an_export_comes_back_by_import(tmp_path: Path, config: ModelConfig) -> None:
    source = loaded(config)
    export_hf(source, tmp_path / "hf")
    imported, original = import_minimind(tmp_path / "hf"), source.model.state_dict()
    assert imported.config == config and imported.meta["assumed"] == {}
    assert same(imported.state_dict, {name: original[name] for name in imported.state_dict})
    assert imported.tokenizer.fingerprint == source.tokenizer.fingerprint


def test_bfloat16_is_stored_and_declared(tmp_path: Path) -> None:
    export_hf(loaded(), tmp_path / "hf", dtype="bfloat16")
    stored = load_file(tmp_path / "hf" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16} and "lm_head.weight" not in stored
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype="auto")
    assert model.dtype == torch.bfloat16


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "alibi", "none"])
def test_positions_that_llama_lacks_are_refused(tmp_path: Path, position: Any) -> None:
    with pytest.raises(ConfigError, match=f"position='{position}' cannot be exported"):
        export_hf(loaded(TINY.replace(position=position)), tmp_path / "hf")
    assert not list(tmp_path.iterdir())


def test_a_temperature_that_llama_lacks_is_refused(tmp_path: Path) -> None:
    config = TINY.replace(rope_scaling=RopeScaling("pi", 4.0, 32, attention_factor=1.2))
    assert "no attention_factor with 'pi'" in sentence(lambda: export_hf(loaded(config), tmp_path / "hf"))


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(CheckpointError, match=r"thesis\.tex"):
        export_hf(loaded(), tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_leaves_the_old_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_hf(loaded(), tmp_path / "hf")
    before = (tmp_path / "hf" / "model.safetensors").read_bytes()
    write_flushed = exporter.write_flushed
    monkeypatch.setattr(exporter, "write_flushed", lambda _, *data: write_flushed(Path("/dev/full"), *data))
    assert "No space left" in sentence(lambda: export_hf(loaded(MINIMIND3), tmp_path / "hf"))
    assert (tmp_path / "hf" / "model.safetensors").read_bytes() == before and os.listdir(tmp_path) == ["hf"]
