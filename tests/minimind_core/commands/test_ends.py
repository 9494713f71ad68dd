"""The command line at its ends: numbers, outputs, places and files that nobody planned for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minimind_core.__main__ import main
from minimind_core.commands import generate, train
from minimind_core.decoding.generate import Generation, Generator
from minimind_core.errors import DataError
from minimind_core.files.checkpoint import save_checkpoint
from minimind_core.model.config import PRESETS
from minimind_core.training import pretraining, recipes
from minimind_core.training.recipes import RECIPES
from tests.minimind_core.checkpoint_samples import TINY, random_state, save_tiny, sentence

ROOT = Path(__file__).resolve().parents[3]
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
HUGE, DIGITS = "9" * 25, "9" * 5000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"a text of {n} words", "lang": "en"}) + "\n" for n in range(900))
    )
    return path


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe of two updates; Muon and AdamW, as most have."""
    small = RECIPES["byte-128"]
    training = {**small.training.to_dict(), "steps": 2, "batch_size": 2, "seq_len": 16, "warmup_steps": 1}
    monkeypatch.setitem(
        recipes.RECIPES,
        "small",
        recipes.Recipe(PRESETS["byte-128"], "byte", type(small.training)(**training)),
    )
    return "small"


def ended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and what was said of a command, which may end by argparse."""
    capsys.readouterr()
    try:
        code = main([*map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().err


# --- numbers ---

NUMBERS = ["-1", "0", "1", HUGE, DIGITS, "1e308", "1e-320", "nan", "inf", "-inf", "1_0", "٣", "0x10", ""]
OPTIONS = {
    "generate": ("--temperature", "--top-p", "--top-k", "--min-p", "--repetition-penalty", "--seed"),
    "eval": ("--max-tokens", "--seq-len"),
    "bench": ("--repeats",),
}


@pytest.mark.parametrize(("command", "option"), [(c, o) for c, options in OPTIONS.items() for o in options])
def test_a_number_at_the_end_of_its_type_is_no_traceback(
    tiny: Path, texts: Path, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    given: dict[str, tuple[object, ...]] = {
        "generate": ("--prompt", "a", "--max-new-tokens", 2, "--model", tiny),
        "eval": (
            "--data",
            texts,
            "--model",
            tiny,
            *(() if option == "--max-tokens" else ("--max-tokens", 40)),
        ),
        "bench": ("--model", "no-such-model"),
    }
    for value in NUMBERS:
        code, said = ended(capsys, command, *given[command], f"{option}={value}")
        assert code in (0, 1, 2) and "Traceback" not in said, (value, said)
        if value in ("nan", "inf", "-inf", DIGITS, ""):
            assert code != 0, value


@pytest.mark.parametrize("value", ["-1", "0", HUGE, DIGITS, "1000001", "1e3", "nan"])
def test_a_count_of_tokens_beyond_reason_is_usage(
    tiny: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    for method in ("naive", "cached"):
        options = ("--prompt", "a", "--model", tiny, "--method", method, f"--max-new-tokens={value}")
        assert ended(capsys, "generate", *options)[0] == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--learning-rate", "nan"),
        ("--learning-rate", "1e300"),
        ("--learning-rate", "-1"),
        ("--weight-decay", "inf"),
        ("--seed", "-1"),
        ("--seed", "9" * 30),
        ("--steps", "0"),
        ("--steps", HUGE),
        ("--batch-size", HUGE),
        ("--warmup-steps", "-1"),
        ("--save-every", "-1"),
        ("--eval-tokens", "0"),
        ("--device", "cuda:99999999999999999999"),
    ],
)
def test_a_training_setting_beyond_reason_is_usage(
    texts: Path, tmp_path: Path, recipe: str, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    code, said = ended(capsys, "train", recipe, "--data", texts, "--out", tmp_path / "x", f"{option}={value}")
    assert code == 2 and "Traceback" not in said and not (tmp_path / "x").exists()


def test_a_prompt_beyond_reason_is_said_before_it_is_read(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = ended(capsys, "generate", "--prompt", "x" * 1_000_001, "--model", "no-such-model")
    assert (code, said) == (2, "The prompt has more than 1,000,000 characters; give a shorter one.\n")
    code, said = ended(capsys, "generate", "--prompt", "x" * 40_000, "--model", tiny)
    assert (code, said) == (2, "The prompt has more than 32,768 tokens; give a shorter one.\n")
    monkeypatch.setattr("minimind_core.commands.generate.LONG_PROMPT", 8)
    code, said = ended(capsys, "generate", "--prompt", "x" * 20, "--max-new-tokens", 1, "--model", tiny)
    assert code == 0 and said.startswith("Reading a prompt of 21 tokens.\n")


# --- outputs ---


def shell(line: str, *, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    command = f'"{sys.executable}" -m minimind_core {line}'
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, env=environment)


@FULL
@pytest.mark.parametrize("more", ["", "--json"])
def test_a_full_output_is_one_sentence(tiny: Path, more: str) -> None:
    done = shell(f'info --model "{tiny}" {more} > /dev/full', encoding="ascii")
    assert done.returncode == 1
    assert (
        done.stderr.decode()
        == "The output cannot be written (No space left on device); write it elsewhere.\n"
    )


@FULL
def test_outputs_that_are_closed_or_all_full_are_no_traceback(tiny: Path) -> None:
    assert shell(f'info --model "{tiny}" > /dev/full 2> /dev/full').returncode == 1
    for closed in (">&-", ">&- 2>&-", "2>&-"):
        done = shell(f'info --model "{tiny}" {closed}')
        assert done.returncode == 0 and b"Traceback" not in done.stdout + done.stderr


# --- places to write to ---


@pytest.mark.parametrize("place", ["foreign", "file", "/proc/x", "/", "."])
def test_where_nothing_can_be_saved_nothing_is_trained(
    texts: Path,
    tmp_path: Path,
    recipe: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretraining, "make_source", lambda *_: pytest.fail("read the data first"))
    code, said = ended(capsys, "train", recipe, "--data", texts, "--out", place)
    assert code == 1 and said.count("\n") == 1 and "choose" in said
    assert (tmp_path / "foreign" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", ["export", "import", "pack", "tokenizers"])
def test_every_command_looks_at_its_place_first(
    tmp_path: Path, texts: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "file").write_text("mine")
    given: dict[str, tuple[object, ...]] = {
        "export": ("--model", "no-such-model"),
        "import": ("no-such-file.pth",),
        "pack": ("byte-128", "--data", "no-such-file.jsonl"),
        "tokenizers": ("--data", "no-such-file.jsonl"),
    }
    code, said = ended(capsys, command, *given[command], "--out", tmp_path / "file" / "x")
    assert code == 1 and "no-such" not in said and said.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_pack_on_a_full_disk_is_one_sentence(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "old.npz").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        code, said = ended(capsys, "pack", "byte-128", "--data", texts, "--out", tmp_path / "old.npz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1 and "File too large" in said and "unchanged" in said
    assert os.listdir(tmp_path) == ["old.npz"] and (tmp_path / "old.npz").read_bytes() == b"old"


# --- files ---


@pytest.mark.parametrize("name", ["train[1].jsonl", "a*b.jsonl", "what?.jsonl", "[x]/a.jsonl", "plain.jsonl"])
def test_a_path_that_exists_is_that_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data [1]" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    (path.parent / "train1.jsonl").write_text("{}")
    assert train._files([str(path)]) == [path]
    monkeypatch.chdir(tmp_path)
    assert train._files([str(path.relative_to(tmp_path))]) == [path.relative_to(tmp_path)]
    every = train._files([str(path.parent / "*.jsonl")])
    assert path in every and path.parent / "train1.jsonl" in every
    with pytest.raises(DataError, match="No file matches"):
        train._files([str(path.parent / "none[1].jsonl")])


def test_conversations_are_read_in_training_and_scoring_or_said(
    tiny: Path, tmp_path: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sft.jsonl"
    for turn, expected in (('"content": "hi"', 0), ('"text": "hi"', 1)):
        path.write_text(f'{{"conversations": [{{"role": "user", {turn}}}]}}\n' * 500)
        for command in (("train", recipe, "--out", tmp_path / "x"), ("eval", "--model", tiny)):
            code, said = ended(capsys, *command, "--data", path)
            assert code == expected, said
            if code:
                assert "left out all its lines (500), because no conversation can be written" in said
            elif command[0] == "eval":
                assert "500 of them conversations, with loss on all their tokens" in said


def test_weights_that_are_no_numbers_fail_and_are_no_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state()
    state["model.norm.weight"][0] = float("nan")
    save_checkpoint(tmp_path / "nan", TINY, state, name="nan", tokenizer="byte")
    code, said = ended(capsys, "generate", "--prompt", "a", "--model", tmp_path / "nan")
    assert code == 1 and "holds NaN or infinity" in said
    large = random_state()
    large["model.norm.weight"].fill_(1e38)
    large["model.embed_tokens.weight"].mul_(100)
    save_checkpoint(tmp_path / "large", TINY, large, name="large", tokenizer="byte")
    code, said = ended(capsys, "generate", "--prompt", "a", "--model", tmp_path / "large")
    assert code == 1 and said.startswith("These logits ")


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"model": ' * 50_000, "9" * 5000, '{"rope_theta": 1' + "0" * 400 + "}"]
)
def test_doctor_says_what_is_wrong_with_a_config(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "my.json").write_text(content)
    assert main(["doctor", "--model", str(tiny), "--config", str(tmp_path / "my.json"), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    [finding] = [finding for finding in findings if finding["area"] == "config"]
    assert finding["state"] == "mend" and len(finding["sentence"]) < 500


PATTERNS = [r"(a+)+$", r"(?:a|aa)+b"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_panics_is_one_sentence(tiny: Path, tmp_path: Path, pattern: str) -> None:
    from minimind_core.tokenizer import ByteTokenizer, load_tokenizer

    data: dict[str, Any] = json.loads(ByteTokenizer().to_json())
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, data["pre_tokenizer"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode("short")) == "short"
    for encode in (
        lambda: tokenizer.encode("a" * 40 + "!"),
        lambda: tokenizer.encode_batch(["a" * 40 + "!"]),
    ):
        assert "pattern cannot split" in sentence(encode)


# --- what is told ---


def test_the_rate_is_without_the_compiler(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that says: compiling takes 30 seconds, generating 2, whatever the method."""
    clock = [0.0]

    class Slow(Generator):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments[:3], "cached")
            self.compiled = arguments[3] != "compiled"

        def generate(self, *arguments: Any, **options: Any) -> Generation:
            clock[0] += 2.0 if self.compiled else 30.0
            self.compiled = True
            return super().generate(*arguments, **options)

    monkeypatch.setattr("minimind_core.decoding.generate.Generator", Slow)
    monkeypatch.setattr(generate.time, "perf_counter", lambda: clock[0])
    told = {}
    for method in ("cached", "compiled"):
        options = ["--ignore-eos", "--seed", "1", "--max-new-tokens", "20", "--method", method, "--json"]
        assert main(["generate", "--prompt", "a", "--model", str(tiny), *options]) == 0
        told[method] = json.loads(capsys.readouterr().out)
    assert told["compiled"]["new_token_ids"] == told["cached"]["new_token_ids"]
    assert "compile_seconds" not in told["cached"] and told["compiled"]["compile_seconds"] == 30.0
    for method in told:
        assert (told[method]["seconds"], told[method]["tokens_per_second"]) == (2.0, 10.0)


def test_gguf_looks_at_its_place_first_and_hf_has_no_type_of_its(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gguf")
    (tmp_path / "file").write_text("mine")
    place = tmp_path / "file" / "x.gguf"
    code, said = ended(capsys, "export", "--format", "gguf", "--model", "no-such-model", "--out", place)
    assert code == 1 and "no-such" not in said and said.count("\n") == 1
    code, said = ended(capsys, "export", "--dtype", "q8_0", "--out", tmp_path / "hf")
    assert code == 2 and "add --format gguf" in said and not (tmp_path / "hf").exists()
