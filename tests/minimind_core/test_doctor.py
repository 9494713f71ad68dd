"""The doctor finds each kind of damage and says what to do, and has nothing to say about what is well."""

from __future__ import annotations

import importlib.metadata
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from minimind_core import device, doctor
from minimind_core.__main__ import main
from minimind_core.doctor import Finding, examine
from minimind_core.files.checkpoint import save_checkpoint
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import ByteTokenizer
from tests.minimind_core.checkpoint_samples import TINY, random_state, save_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny")
    return tmp_path / "tiny"


def found(area: str, *models: object, **options: object) -> list[Finding]:
    findings = list(examine([str(model) for model in models], **options))  # type: ignore[arg-type]
    for finding in findings:
        assert finding.sentence.endswith("."), finding
    return [finding for finding in findings if finding.area == area]


@pytest.fixture(autouse=True)
def few_tokenizers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading six vocabularies takes a second; once is enough."""
    if request.function is not test_a_well_machine_has_nothing_to_mend:
        monkeypatch.setattr(doctor, "_tokenizers", lambda: iter(()))


def test_a_well_machine_has_nothing_to_mend(tiny: Path) -> None:
    findings = list(examine([str(tiny)]))
    assert {finding.area for finding in findings} >= {"python", "device", "tokenizer", "checkpoint"}
    assert not [finding for finding in findings if finding.state == "mend"]
    tokenizers = next(finding for finding in findings if finding.area == "tokenizer")
    assert "1k, 6.4k, 16k, 32k, 64k, 100k" in tokenizers.sentence


def test_random_weights_are_noted_and_better_ones_are_not(tiny: Path, tmp_path: Path) -> None:
    [finding] = found("checkpoint", tiny)
    assert finding.state == "note" and "looks untrained" in finding.sentence
    model, ids = MiniMind(TINY), torch.tensor([[1, *ByteTokenizer().encode(doctor.SAMPLE)]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(10):
        F.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:]).backward()
        optimizer.step()
        optimizer.zero_grad()
    save_checkpoint(tmp_path / "fit", TINY, model.state_dict(), name="fit", tokenizer="byte")
    [finding] = found("checkpoint", tmp_path / "fit")
    assert finding.state == "ok" and f"guessing is {math.log(259):.2f}" in finding.sentence


def test_a_damaged_checkpoint_is_to_be_mended(tiny: Path, tmp_path: Path) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    state = random_state()
    state["model.norm.weight"][3] = math.nan
    save_checkpoint(tmp_path / "nan", TINY, state, name="nan", tokenizer="byte")
    truncated, missing, nan = found("checkpoint", tiny, tmp_path / "none", tmp_path / "nan")
    assert {finding.state for finding in (truncated, missing, nan)} == {"mend"}
    assert "model.safetensors" in truncated.sentence
    assert missing.sentence.startswith("There is no checkpoint at")
    assert "tensor 'model.norm.weight' holds NaN or infinity; fetch" in nan.sentence


def test_the_module_is_named_where_finite_weights_make_numbers_that_are_not(tmp_path: Path) -> None:
    state = random_state()
    state["model.layers.1.mlp.up_proj.weight"] *= 1e38
    save_checkpoint(tmp_path / "wild", TINY, state, name="wild", tokenizer="byte")
    [finding] = found("checkpoint", tmp_path / "wild")
    assert (
        finding.state == "mend" and "the loss of a sample is not finite; first Inf in the" in finding.sentence
    )
    assert "model.layers.1.mlp" in finding.sentence


def test_no_weights_at_all_is_to_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "shipped_checkpoints", list)
    [finding] = found("checkpoint")
    assert finding.state == "mend" and "There are no trained weights in" in finding.sentence


@pytest.mark.parametrize(
    ("version", "state", "sentence"),
    [
        (None, "mend", "torch is not installed; run pip install -r requirements.txt."),
        ("2.4.1+cu121", "mend", "torch 2.4.1+cu121 is older than 2.11; run pip install -r requirements.txt."),
        ("2.11.0+cpu", "ok", "Python"),
    ],
)
def test_a_package_that_is_missing_or_old(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, version: str | None, state: str, sentence: str
) -> None:
    real = importlib.metadata.version

    def pretend(package: str) -> str:
        if package != "torch":
            return real(package)
        if version is None:
            raise importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(importlib.metadata, "version", pretend)
    finding = found("python", tiny)[-1]
    assert finding.state == state and finding.sentence.startswith(sentence)


def test_a_gpu_that_torch_cannot_use_is_noted(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    monkeypatch.setattr(device, "cuda_notice", lambda: "an NVIDIA GPU is present but unused")
    finding = found("device", tiny, device="cpu")[1]
    assert finding == Finding("device", "note", "An NVIDIA GPU is present but unused.")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_to_be_mended(tiny: Path) -> None:
    [finding] = found("device", tiny, device="mps")
    assert finding == Finding("device", "mend", "Apple's MPS is not available here; use --device cpu.")


def test_configs_are_checked_alone_and_inside_a_checkpoint(tiny: Path, tmp_path: Path) -> None:
    contents = {
        "good.json": '{"num_layers": 2}',
        "typo.json": '{"num_layer": 2}',
        "list.json": "[1]",
        "broken.json": "{",
        "heads.json": '{"num_kv_heads": 3}',
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    paths = [tiny / "config.json", *(tmp_path / name for name in contents), tmp_path / "none.json"]
    findings = list(examine([str(tiny)], configs=paths))[-7:]
    assert [finding.state for finding in findings] == ["ok", "ok", *["mend"] * 5]
    assert "did you mean 'num_layers'?" in findings[2].sentence
    assert "cannot be split evenly over 3 KV heads" in findings[5].sentence
    assert "Cannot read" in findings[6].sentence


def test_a_config_may_hold_the_training_alone(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text('{"training": {"learning_rate": 0.001}}')
    [finding] = found("config", tiny, configs=[tmp_path / "my.json"])
    assert finding.state == "ok" and "25,829,888 parameters" in finding.sentence


def test_a_config_in_any_encoding_or_none_is_a_finding(tiny: Path, tmp_path: Path) -> None:
    """Beside --checklist too, which reads the first one again."""
    utf16, folder, none = tmp_path / "utf16.json", tmp_path / "folder", tmp_path / "none.json"
    utf16.write_text(json.dumps({"model": TINY.to_dict()}), encoding="utf-16")
    folder.mkdir()
    (tmp_path / "my.jsonl").write_text('{"text": "a text of ours"}')
    assert found("config", tiny, configs=[utf16])[0].state == "ok"
    files = {"data": [tmp_path / "my.jsonl"], "tokenizer": "byte"}
    items = found("training", tiny, checklist=True, configs=[utf16], **files)
    assert len(items) == 10 and all(item.state != "mend" for item in items)
    for path in (folder, none):
        [item] = found("training", tiny, checklist=True, configs=[path], **files)
        assert item.state == "mend" and item.sentence.startswith(f"Cannot read {path}: ")


def test_data_is_read_to_its_end(tiny: Path, tmp_path: Path) -> None:
    names = ("good.jsonl", "holes.jsonl", "empty.jsonl", "cut.xz")
    good, holes, empty, cut = (tmp_path / name for name in names)
    good.write_text('{"text": "a", "lang": "en"}\n{"text": "b"}')
    holes.write_text('{"text": "a"}\n\n{"text": null}\nnothing')
    empty.write_text("")
    cut.write_bytes(b"not xz")
    findings = {path: found("data", tiny, data=[path])[0] for path in (good, holes, empty, cut)}
    assert findings[good] == Finding(
        "data", "ok", "Read 2 documents from 2 lines. Languages: 1 en, 1 unlabelled."
    )
    assert findings[holes].state == "note" and "1 empty (holes.jsonl:2)" in findings[holes].sentence
    assert findings[empty].state == "mend" and 'lines such as {"text"' in findings[empty].sentence
    assert findings[cut].state == "mend" and "fetch it again" in findings[cut].sentence


def test_the_command_ends_with_1_where_something_must_be_mended(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--model", str(tiny), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["healthy"] and {"area", "state", "sentence"} == set(answer["findings"][0])
    assert main(["doctor", "--model", str(tmp_path / "none")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 to mend."
    assert any(line.startswith("mend  checkpoint  There is no") for line in lines)
    assert all(len(line) <= 100 for line in lines if " " in line.strip())


def test_the_checklist_looks_at_ones_own_config_and_data(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text('{"text": "a text of ours"}\n{"text": ""}\n')
    config = {"model": TINY.to_dict(), "training": {"steps": 9, "clip_norm": 0, "warmup_steps": 40}}
    (tmp_path / "my.json").write_text(json.dumps(config))
    files = {"configs": [tmp_path / "my.json"], "data": [tmp_path / "my.jsonl"], "tokenizer": "byte"}
    items = found("training", tiny, checklist=True, **files)
    assert [item.state for item in items] == [
        "ok",
        "ok",
        "note",
        "ok",
        "note",
        "note",
        "ok",
        "ok",
        "ok",
        "ok",
    ]
    assert "1 of 2 texts are empty" in items[4].sentence
    assert not found("training", tiny, **files)
    (tmp_path / "my.jsonl").write_text("")
    [finding] = found("training", tiny, checklist=True, **files)
    assert finding.state == "mend"
