"""The command line: its JSON, its sentences and exit codes, and texts that come out as they should."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from minimind_core import __main__ as command_line
from minimind_core import commands
from minimind_core.__main__ import main
from minimind_core.commands import generate as generate_command
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import load_model, load_state_dict, save_checkpoint
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.data import Document
from minimind_core.training.evaluate import evaluate
from tests.interrupts import hear_interrupts
from tests.minimind_core.checkpoint_samples import TINY, random_state, same, save_tiny

ROOT = Path(__file__).resolve().parents[3]
TEXTS = {"en": "The weather is fine.", "zh": "今天天气很好。", "code": "def f(x):\n\treturn x\n"}
BYTES = ByteTokenizer()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_tiny(folder, trained={"tokens": 12, "curve": [[1, 5.5]]})
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "val.jsonl"
    lines = [json.dumps({"text": text, "lang": lang}) for lang, text in TEXTS.items()]
    path.write_text("\n".join([*lines, '{"text": null}', json.dumps({"text": "no language"})]))
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    """The JSON of a command, which must be all of standard output."""
    assert main([*map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1 and "Traceback" not in printed.err
    return json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """What a command tells a person: standard output and standard error."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_generate_gives_ids_and_text(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "--prompt",
        "Hi 你",
        "--max-new-tokens",
        12,
        "--temperature",
        0.9,
        "--top-p",
        0.8,
        "--seed",
        3,
        "--device",
        "cpu",
        "--dtype",
        "fp32",
        "--model",
        tiny,
    )
    result = answer(capsys, "generate", *options)
    assert result["prompt_ids"] == [1, *BYTES.encode("Hi 你")]
    expected = generate(
        load_model(tiny).model,
        [result["prompt_ids"]],
        SamplingParams(0.9, top_p=0.8, seed=3),
        12,
        stop_ids=(2,),
    ).new_ids[0]
    assert result["new_token_ids"] == expected and result["text"] == BYTES.decode(expected)
    assert (result["model"], result["device"], result["dtype"], result["seed"]) == ("tiny", "cpu", "fp32", 3)
    assert result["finish_reason"] in ("stop", "length") and result["tokens_per_second"] > 0
    assert result["method"] == "fastest" and result["way"] == "eager"  # a byte model has no int8 kernel
    naive = answer(capsys, "generate", *options, "--method", "naive")
    assert (naive["new_token_ids"], naive["way"]) == (expected, "naive")
    out, err = said(capsys, "generate", *options)
    assert out == "Hi 你" + result["text"] + "\n" and "operation by operation; seed 3" in err


@pytest.mark.parametrize("seed", range(3))
def test_text_that_comes_piece_by_piece_is_the_whole_text(
    tiny: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """A byte model splits characters: nothing may be printed before a character is whole."""
    options = (
        "generate",
        "--prompt",
        "一",
        "--temperature",
        3,
        "--seed",
        seed,
        "--model",
        tiny,
        "--ignore-eos",
    )
    assert said(capsys, *options)[0] == "一" + answer(capsys, *options)["text"] + "\n"


def test_a_prompt_may_come_from_standard_input(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"two\r\nlines")))
    result = answer(capsys, "generate", "--prompt", "-", "--max-new-tokens", 2, "--model", tiny)
    assert result["prompt_ids"] == [1, *BYTES.encode("two\nlines")]


def test_a_seed_is_told_and_repeats_the_text(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("generate", "--prompt", "a", "--model", tiny)
    first = answer(capsys, *options)
    assert answer(capsys, *options, "--seed", first["seed"])["text"] == first["text"]


def test_beyond_the_trained_length_works_and_says_so(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "generate",
        "--prompt",
        "x" * 40,
        "--temperature",
        0,
        "--max-new-tokens",
        5,
        "--ignore-eos",
        "--model",
        tiny,
    )
    greedy, beyond = answer(capsys, *options)["notes"]
    assert greedy.startswith("Temperature 0 is greedy")
    assert beyond == (
        "The text reached 46 tokens and this model was trained to 32: it works, but expect worse text beyond."
    )
    assert beyond in said(capsys, *options)[1]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--temperature", "-1", "Negative temperature would favour the worst tokens."),
        ("--top-p", "0", "Top-p must be in (0, 1]."),
        ("--seed", "-4", "Seed must be a whole number"),
        ("--max-new-tokens", "0", "Ask for at least one token."),
    ],
)
def test_a_wrong_value_is_usage(
    tiny: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, sentence: str
) -> None:
    options = ("generate", "--prompt", "a", "--model", tiny, option, value)
    assert answer(capsys, *options, code=2)["error"].startswith(sentence)
    out, err = said(capsys, *options, code=2)
    assert out == "" and err.startswith(sentence) and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sing",),
        ("generate",),
        ("generate", "--prompt", "a", "--dtype", "int3"),
        ("generate", "--prompt", "a", "--device", "tpu"),
        ("eval", "--data", "x", "--max-tokens", "0"),
        ("generate", "--prompt", "a", "--temperature", "warm"),
    ],
)
def test_a_wrong_option_is_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("generate", "--prompt", "a", "--model", "no-such-model"),
            "There is no checkpoint at 'no-such-model'",
        ),
        (("info", "--model", "no-such-model"), "There is no checkpoint at 'no-such-model'"),
        (("eval", "--data", "no-such-file.jsonl"), "Cannot read no-such-file.jsonl"),
        (("generate", "--prompt", "\udcff"), "Not valid UTF-8"),
    ],
)
def test_what_fails_is_one_sentence(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    arguments = arguments if "--model" in arguments else (*arguments, "--model", str(tiny))
    assert answer(capsys, *arguments, code=1)["error"].startswith(sentence)
    out, err = said(capsys, *arguments, code=1)
    assert out == "" and err.startswith(sentence) and err.count("\n") == 1


def test_eval_scores_each_language(tiny: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("eval", "--data", texts, "--max-tokens", 15, "--model", tiny)
    result = answer(capsys, *options)
    documents = [Document(text, lang=lang) for lang, text in TEXTS.items()]
    expected = evaluate(load_model(tiny).model, BYTES, documents, max_tokens=15, seq_len=32)
    assert set(result["languages"]) == {"en", "zh", "code", "unlabelled"}
    for language, score in expected.items():
        told = result["languages"][language]
        assert told["loss"] == pytest.approx(score.loss) and told["tokens"] == 15
        assert told["perplexity"] == pytest.approx(score.perplexity)
        assert told["bits_per_byte"] == pytest.approx(score.bits_per_byte)
    assert "left out 1 with a null text (val.jsonl:4)" in result["notes"][0] and result["seq_len"] == 32
    out, err = said(capsys, *options)
    lines = out.splitlines()
    assert lines[2].split() == ["bits/byte", "perplexity", "loss", "tokens", "bytes"]
    assert len({len(line) for line in lines[2:]}) == 1 and "null text" in err  # columns end alike


def test_eval_beyond_the_trained_length_says_so(
    tiny: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = answer(capsys, "eval", "--data", texts, "--seq-len", 64, "--model", tiny)
    assert "beyond the trained length of 32: it works" in result["notes"][1]
    save_tiny(tmp_path / "learned", config=TINY.replace(position="learned"))
    error = answer(capsys, "eval", "--data", texts, "--seq-len", 64, "--model", tmp_path / "learned", code=2)
    assert error["error"] == "This model has 32 learned positions; use --seq-len 32 or less."


def test_export_and_import_give_the_model_back(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = answer(capsys, "export", "--format", "hf", "--out", tmp_path / "hf", "--model", tiny)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(exported["files"])
    imported = answer(capsys, "import", tmp_path / "hf", "--out", tmp_path / "back", "--name", "back")
    assert (imported["name"], imported["dtype"], imported["assumed"]) == ("back", "float32", {})
    config, state, meta = load_state_dict(tmp_path / "back")
    assert config == TINY and same(state, load_state_dict(tiny)[1])
    assert meta["trained"]["imported_from"]["format"] == "transformers"
    config_file = tmp_path / "hf" / "config.json"
    silent = json.loads(config_file.read_text())
    del silent["max_position_embeddings"]
    config_file.write_text(json.dumps(silent))
    out, _ = said(capsys, "import", tmp_path / "hf", "--out", tmp_path / "back", "--dtype", "int8")
    assert "parameters, stored as int8" in out and "does not tell max_length = 512: assumed" in out
    assert load_state_dict(tmp_path / "back")[2]["dtype"] == "int8"


def test_a_gguf_file_is_named_with_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gguf = pytest.importorskip("gguf")
    file = tmp_path / "m.gguf"
    model = ("--model", "nano-rope", "--out", file)
    exported = answer(capsys, "export", "--format", "gguf", "--dtype", "q8_0", *model)
    assert exported["files"] == {"m.gguf": file.stat().st_size} and exported["folder"] == str(tmp_path)
    assert gguf.GGUFReader(file).fields["general.name"].contents() == "nano-rope"
    out, _ = said(capsys, "export", "--format", "gguf", *model)
    assert f"llama-completion -m {file}" in out


def test_a_model_that_llama_lacks_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny(tmp_path / "alibi", config=TINY.replace(position="alibi"))
    error = answer(capsys, "export", "--out", tmp_path / "hf", "--model", tmp_path / "alibi", code=2)
    assert "cannot be exported" in error["error"] and not (tmp_path / "hf").exists()


def test_info_tells_shape_costs_and_training(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = answer(capsys, "info", "--model", tiny)
    assert card["config"] == TINY.to_dict() and card["checkpoint"]["trained"]["tokens"] == 12
    assert card["num_parameters"] == sum(card["parameters"].values())
    assert card["costs"]["weight_bytes_fp32"] == 4 * card["num_parameters"]
    assert card["stored_bytes"] == sum(path.stat().st_size for path in tiny.iterdir())
    out, _ = said(capsys, "info", "--model", tiny)
    assert f"{card['num_parameters']:,}" in out and "kv heads" in out and "curve" not in out


def test_info_reads_a_foreign_checkpoint_too(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--out", str(tmp_path / "hf"), "--model", str(tiny)]) == 0
    capsys.readouterr()
    card = answer(capsys, "info", "--model", tmp_path / "hf")
    assert card["config"] == TINY.to_dict() and card["checkpoint"]["family"] == "MiniMind2"


def test_help_and_info_load_no_torch(tiny: Path) -> None:
    code = (
        "import sys; from minimind_core.__main__ import main; main(['info', '--model', sys.argv[1]])\n"
        "try: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_every_command_is_found_and_described(capsys: pytest.CaptureFixture[str]) -> None:
    files = {path.stem.rstrip("_") for path in Path(commands.__path__[0]).glob("*.py")} - {""}
    assert {"generate", "eval", "export", "import", "info", "doctor", "tokenizers", "train"} <= files
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")}
    assert files - {"__init"} <= listed
    for name in files - {"__init"}:
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Interrupted."),
        (MemoryError(), 1, "There is not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "There is not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), 1, "There is not enough memory"),
    ],
)
def test_what_ends_a_command_from_outside(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    def fail(_options: object) -> int:
        raise error

    monkeypatch.setattr(generate_command, "run", fail)
    assert answer(capsys, "generate", "--prompt", "a", code=code)["error"].startswith(sentence)


def test_a_programmers_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_options: object) -> int:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(generate_command, "run", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        main(["generate", "--prompt", "a"])


def test_control_c_ends_a_run_with_130(tiny: Path) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "minimind_core",
            "generate",
            "--prompt",
            "a",
            "--max-new-tokens",
            "20000",
            "--ignore-eos",
            "--model",
            str(tiny),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=hear_interrupts,
    )
    assert child.stdout is not None and child.stdout.read(1) == b"a"  # it is writing
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130 and errors.decode().strip().splitlines()[-1] == "Interrupted."
    assert b"Traceback" not in errors


def test_a_reader_that_leaves_is_no_traceback(tiny: Path) -> None:
    command = f'"{sys.executable}" -m minimind_core info --model "{tiny}" | head -1'
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("name") and done.stderr == ""


def test_any_text_can_be_printed_whatever_the_locale(tiny: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "minimind_core", "info", "--model", "没有"],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 1 and "没有" in done.stderr.decode()


def test_numbers_that_json_lacks_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": None}}


@pytest.mark.parametrize("options", [(), ("--json",), ("--method", "naive")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_without_a_finite_logit_fail_with_a_sentence_and_not_as_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, options: tuple[str, ...]
) -> None:
    state = random_state()
    state["model.norm.weight"] = torch.full_like(state["model.norm.weight"], value)
    save_checkpoint(tmp_path / "bad", TINY, state, name="bad", tokenizer="byte")
    _, error = said(capsys, "generate", "--model", tmp_path / "bad", "--prompt", "a", *options, code=1)
    assert "holds NaN or infinity" in error and error.count("\n") == 1
