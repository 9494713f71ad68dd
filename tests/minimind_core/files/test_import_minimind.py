"""Official checkpoints load by path: shapes from tensors, the rest from config.json or named assumptions."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minimind_core.errors import LONGEST_SENTENCE, CheckpointError, TokenizerError
from minimind_core.files.checkpoint import load_model
from minimind_core.files.import_minimind import import_minimind
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import ByteTokenizer, Tokenizer
from minimind_core.training.bpe import train_bpe
from tests.minimind_core.checkpoint_samples import (
    HF_TINY,
    TINY,
    random_ids,
    random_state,
    save_upstream_minimind2,
    save_upstream_minimind2_large,
    save_upstream_minimind3,
    sentence,
)

EIGHT_HEADS = TINY.replace(num_heads=8, num_kv_heads=2, head_dim=8)
"""What a `.pth` file of unknown head count is taken for."""


@pytest.fixture(scope="module")
def tokenizer_6400() -> Tokenizer:
    """6,400 entries out of all pairs and triples of a few letters."""
    letters = "abcdefghijklmnopqrst"
    words = [a + b + c for a in letters for b in letters for c in letters]
    return train_bpe([" ".join(words)] * 2, 6400)


@pytest.fixture
def byte_folder(tmp_path: Path) -> Path:
    """A folder with the byte tokenizer as tokenizer.json, for weights of 259 entries."""
    (tmp_path / "tokenizer.json").write_text(ByteTokenizer().to_json())
    return tmp_path


def save_pth(folder: Path, state: object, name: str = "tiny.pth") -> Path:
    torch.save(state, folder / name)
    return folder / name


# --- the files upstream publishes ---


def test_the_26m_pth(tmp_path: Path, tokenizer_6400: Tokenizer) -> None:
    tokenizer_6400.save(tmp_path / "tokenizer.json")
    save_upstream_minimind2(tmp_path / "full_sft_512.pth")
    assert (tmp_path / "full_sft_512.pth").stat().st_size > 58_200_000
    raw = torch.load(tmp_path / "full_sft_512.pth", weights_only=True)
    assert len(raw) == 75
    loaded = load_model(tmp_path / "full_sft_512.pth")
    assert loaded.config == ModelConfig() and loaded.name == "full_sft_512"
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == 25_829_888
    name = "model.layers.7.mlp.down_proj.weight"
    assert torch.equal(loaded.model.state_dict()[name], raw[name].float())
    assert loaded.meta["assumed"] == {
        "num_heads": 8,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e6,
        "max_length": 512,
    }
    assert loaded.meta["family"] == "MiniMind2" and loaded.meta["dtype"] == "float16"


def test_the_104m_pth(tmp_path: Path, tokenizer_6400: Tokenizer) -> None:
    tokenizer_6400.save(tmp_path / "tokenizer.json")
    save_upstream_minimind2_large(tmp_path / "full_sft_768.pth")
    config = import_minimind(tmp_path / "full_sft_768.pth").config
    assert config == ModelConfig(hidden_size=768, num_layers=16, head_dim=96, intermediate_size=2048)


def test_the_minimind3_pth(tmp_path: Path, tokenizer_6400: Tokenizer) -> None:
    (tmp_path / "out").mkdir()
    tokenizer_6400.save(tmp_path / "model" / "tokenizer.json")  # as in a clone of upstream
    save_upstream_minimind3(tmp_path / "out" / "full_sft_768.pth")
    assert len(torch.load(tmp_path / "out" / "full_sft_768.pth", weights_only=True)) == 91
    config, state, tokenizer, meta = import_minimind(tmp_path / "out" / "full_sft_768.pth")
    assert (config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim) == (768, 8, 4, 96)
    assert (config.intermediate_size, config.qk_norm, config.rms_norm_eps) == (2432, True, 1e-6)
    assert config.rope_theta == 1e6 and config.tie_word_embeddings
    assert sum(tensor.numel() for tensor in state.values()) == 63_912_192
    assert tokenizer.vocab_size == 6400
    assert meta["family"] == "MiniMind-3" and "num_heads" not in meta["assumed"]


def test_a_training_checkpoint_with_wrappers(byte_folder: Path) -> None:
    state = {f"_orig_mod.module.{name}": tensor for name, tensor in pth_state().items()}
    path = save_pth(byte_folder, {"model": state, "optimizer": {"state": {}}, "epoch": 1, "step": 7})
    assert import_minimind(path).config.num_layers == 2


def pth_state(config: ModelConfig = EIGHT_HEADS) -> dict[str, Tensor]:
    state = random_state(config)
    return state | {"lm_head.weight": state["model.embed_tokens.weight"].clone()}


def test_an_untied_head_stays(byte_folder: Path) -> None:
    state = pth_state()
    state["lm_head.weight"] = state["lm_head.weight"] + 1
    imported = import_minimind(save_pth(byte_folder, state))
    assert not imported.config.tie_word_embeddings
    assert torch.equal(imported.state_dict["lm_head.weight"], state["lm_head.weight"])


# --- transformers folders, against transformers itself ---


def hf_model(family: str, tied: bool, **options: object) -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    config_class, model_class = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    }[family]
    config = config_class(
        **HF_TINY, intermediate_size=160, rms_norm_eps=3e-6, tie_word_embeddings=tied, **options
    )
    torch.manual_seed(0)
    return model_class(config).eval()


YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 1e4,
    "beta_fast": 16.0,
    "attention_factor": 1.1,
}


@pytest.mark.parametrize(
    ("family", "tied", "rope", "expected"),
    [
        ("llama", True, {"rope_type": "default", "rope_theta": 5e5}, {"rope_theta": 5e5, "max_length": 128}),
        (
            "llama",
            False,
            {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4},
            {"rope_theta": 1e4, "rope_scaling": RopeScaling("pi", 2.0, 64), "max_length": 64},
        ),
        ("qwen3", True, {"rope_type": "default", "rope_theta": 1e6}, {"max_length": 128}),
        (
            "qwen3",
            False,
            YARN,
            {
                "rope_theta": 1e4,
                "max_length": 32,
                "rope_scaling": RopeScaling("yarn", 4.0, 32, beta_fast=16.0, attention_factor=1.1),
            },
        ),
    ],
)
def test_logits_equal_transformers(
    byte_folder: Path, family: str, tied: bool, rope: dict[str, object], expected: dict[str, Any]
) -> None:
    reference = hf_model(family, tied, rope_parameters=rope)
    reference.save_pretrained(byte_folder)
    loaded = load_model(byte_folder)
    written = TINY.replace(rms_norm_eps=3e-6, intermediate_size=160, tie_word_embeddings=tied)
    assert loaded.config == written.replace(**expected, qk_norm=family == "qwen3")
    assert loaded.meta["assumed"] == {} and loaded.meta["format"] == "transformers"
    ids = random_ids(length=100)  # beyond the original length of the stretched ones
    with torch.no_grad():
        assert torch.allclose(loaded.model(ids), reference(ids).logits, atol=1e-4)


def test_a_folder_with_pytorch_model_bin(byte_folder: Path) -> None:
    reference = hf_model("llama", tied=True)
    reference.config.save_pretrained(byte_folder)
    torch.save(reference.state_dict(), byte_folder / "pytorch_model.bin")  # as upstream's converter writes
    with torch.no_grad():
        difference = load_model(byte_folder).model(random_ids()) - reference(random_ids()).logits
    assert difference.abs().max() < 1e-4


def test_upstreams_own_config_json(byte_folder: Path) -> None:
    """MiniMind's custom class writes rope_theta and its YaRN switch in its own way."""
    torch.save(pth_state(TINY), byte_folder / "pytorch_model.bin")
    yarn = {
        "type": "yarn",
        "factor": 16,
        "original_max_position_embeddings": 2048,
        "beta_fast": 32,
        "beta_slow": 1,
        "attention_factor": 1.0,
    }
    (byte_folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "minimind",
                "architectures": ["MiniMindForCausalLM"],
                "use_moe": False,
                "dropout": 0.0,
                "num_attention_heads": 4,
                "hidden_act": "silu",
                "rope_theta": 1e6,
                "intermediate_size": None,
                "max_position_embeddings": 32768,
                "rms_norm_eps": 1e-5,
                "inference_rope_scaling": True,
                "rope_scaling": yarn,
                "eos_token_id": [2, 0],
            }
        )
    )
    config = import_minimind(byte_folder).config
    assert config == TINY.replace(max_length=2048, rope_scaling=RopeScaling("yarn", 16, 2048, 32, 1, 1.0))


# --- refusals ---


class Malicious:
    """Pickled, it asks the reader to create a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda state, path: torch.save(state, path), "may run code"),
        (lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False), "may run code"),
        (lambda state, path: path.write_bytes(pickle.dumps(state)), "may run code"),
        (lambda state, path: path.write_bytes(pickle.dumps(state, protocol=0)), "not a PyTorch weight file"),
    ],
)
def test_code_in_a_pickle_is_refused_and_not_run(
    byte_folder: Path, write: Callable[[object, Path], object], expected: str
) -> None:
    path, victim = byte_folder / "evil.pth", byte_folder / "it-ran"
    write({**pth_state(), "evil": Malicious(victim)}, path)
    assert expected in sentence(lambda: load_model(path))
    assert not victim.exists()
    pickle.loads(pickle.dumps(Malicious(victim)))
    assert victim.exists()  # the same bytes do run where nobody refuses


def test_a_whole_pickled_model_is_refused(byte_folder: Path) -> None:
    path = save_pth(byte_folder, MiniMind(TINY))
    assert "may run code" in sentence(lambda: load_model(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "truncated or no PyTorch"),
        (b"\x00\x01 not a pickle at all" * 40, "PyTorch weight file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 58239525\n", "git-lfs pointer"),
    ],
)
def test_other_bytes_are_refused(byte_folder: Path, content: bytes, expected: str) -> None:
    (byte_folder / "x.pth").write_bytes(content)
    assert expected in sentence(lambda: load_model(byte_folder / "x.pth"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_pth_is_refused(byte_folder: Path, zipped: bool) -> None:
    path = byte_folder / "x.pth"
    torch.save(pth_state(), path, _use_new_zipfile_serialization=zipped)
    for share in (0.1, 0.6, 0.99):
        whole = path.read_bytes()
        (byte_folder / "cut.pth").write_bytes(whole[: int(len(whole) * share)])
        assert "cut.pth" in sentence(lambda: load_model(byte_folder / "cut.pth"))


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if key != name}


V_PROJ = "model.layers.1.self_attn.v_proj.weight"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ([torch.zeros(2)], "no dictionary of tensors"),
        ({}, "no dictionary of tensors"),
        ({"a": 3}, "entry 'a' is no named tensor"),
        ({"a": torch.zeros(2)}, "lacks tensor 'model.embed_tokens.weight'"),
        (pth_state() | {"model.embed_tokens.weight": torch.zeros(64)}, "expected 2 dimensions"),
        (pth_state() | {V_PROJ: torch.zeros(8, 64)}, f"'{V_PROJ}' has shape [8, 64], expected [16, 64]"),
        (without(pth_state(), V_PROJ), f"lacks tensor '{V_PROJ}' of shape [16, 64]"),
        (pth_state() | {V_PROJ: torch.zeros(16, 64, dtype=torch.int8)}, "is torch.int8"),
        (pth_state() | {"model.vision.weight": torch.zeros(2)}, "'model.vision.weight' has no place"),
        (pth_state() | {"model.layers.0.self_attn.q_proj.lora.A.weight": torch.zeros(2)}, "LoRA adapter"),
        (pth_state() | {"model.layers.0.self_attn.q_proj.bias": torch.zeros(2)}, "has biases"),
        ({"tok_embeddings.weight": torch.zeros(2, 2)}, "April 2025"),
        (pth_state() | {"model.layers.0.self_attn.q_proj.weight": torch.zeros(7, 64)}, "usable shape"),
    ],
)
def test_foreign_names_and_shapes_are_named(byte_folder: Path, state: object, expected: str) -> None:
    path = save_pth(byte_folder, state)
    assert expected in sentence(lambda: load_model(path))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('"model_type": "gpt2"', "type 'gpt2'"),
        ('"hidden_act": "gelu"', "hidden_act='gelu'"),
        ('"rope_scaling": {"rope_type": "llama3", "factor": 8}', "'llama3'"),
        ('"rope_scaling": {"rope_type": "yarn", "factor": 8, "mscale": 1}', "'mscale'"),
        ('"rope_scaling": {"rope_type": "yarn", "factor": 0.5}', "unusable rope_scaling"),
        ('"hidden_size": 128', "hidden_size=128 but the tensors have 64"),
        ('"num_attention_heads": "many"', "usable shape"),
    ],
)
def test_a_config_that_ours_is_not_is_refused(byte_folder: Path, change: str, expected: str) -> None:
    torch.save(pth_state(TINY), byte_folder / "pytorch_model.bin")
    (byte_folder / "config.json").write_text(
        f'{{"model_type": "llama", "num_attention_heads": 4, "rope_theta": 1e4, {change}}}'
    )
    assert expected in sentence(lambda: load_model(byte_folder))


def test_a_tensor_with_an_endless_name_is_one_short_sentence(byte_folder: Path) -> None:
    for name in ("x" * 10**6, "model.layers.0." + "y" * 10**6 + ".bias"):
        save_pth(byte_folder, pth_state() | {name: torch.zeros(2)}, "endless.pth")
        assert len(sentence(lambda: load_model(byte_folder / "endless.pth"))) <= LONGEST_SENTENCE


def test_weights_need_their_own_tokenizer(tmp_path: Path, tokenizer_6400: Tokenizer) -> None:
    path = save_pth(tmp_path, pth_state())
    with pytest.raises(TokenizerError, match=r"put its tokenizer\.json beside it"):
        import_minimind(path)
    tokenizer_6400.save(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="vocabulary of 259 but the tokenizer has 6400"):
        import_minimind(path)
    assert import_minimind(path, tokenizer="byte").tokenizer.vocab_size == 259


def test_a_folder_without_weights(byte_folder: Path) -> None:
    (byte_folder / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="holds no weights"):
        import_minimind(byte_folder)
