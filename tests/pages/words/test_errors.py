"""What went wrong is said in the reader's language, whoever found it and wherever it is shown."""

from __future__ import annotations

import ast
import re
import signal
import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from labs.claims.verdicts import Verdict, by_check
from labs.contract.fields import Choice, Number, ParamError, Text
from labs.contract.registry import Registry
from labs.q06_gqa.cache import check_live_type
from labs.q06_gqa.cache_bytes import check_cache
from labs.q07_rope.scaling import read_scaling
from labs.q08_speedup.claims_core import idle_share
from labs.runner.exchange import EXCHANGED
from labs.runner.failures import explain, explain_exit, explain_stop
from labs.runner.job import Job
from labs.runner.lane import CANNOT_START
from labs.runner.supervisor import CLOSED
from minimind_core.device import pick_device
from minimind_core.errors import CheckpointError, MiniMindError, Sentence
from minimind_core.files.checkpoint import load_model
from pages.ui.experiments import registry
from pages.ui.words import errors
from questions import load_question
from study.store import Store, StoreError, open_store
from study.store.errors import SENTENCES as STORE_SENTENCES
from tests.pages.conftest import CountingClient, OpenApp

ROOT = Path(__file__).resolve().parents[3]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RAISED = ("labs", "minimind_core", "pages", "study")


def check_both(error: str | Exception) -> str:
    """The Chinese sentence; the English one has to be what the error says itself."""
    chinese = errors.translated(error, "zh")
    assert errors.translated(error, "en") == str(error) and str(error).rstrip()
    assert CHINESE.search(chinese), chinese
    return chinese


@pytest.mark.parametrize(
    "error",
    [
        explain(MemoryError()).sentence,
        explain(RuntimeError("CUDA error: device-side assert")).sentence,
        explain(KeyError("x")).sentence,
        explain_exit(-signal.SIGKILL),
        explain_exit(-signal.SIGSEGV),
        explain_exit(3),
        explain_exit(None),
        explain_stop("silence", 60),
        explain_stop("limit", 60),
        CANNOT_START,
        CLOSED,
        EXCHANGED,
    ],
    ids=lambda error: error.key,
)
def test_each_end_of_a_run_has_a_sentence_in_both_languages(error: Sentence) -> None:
    chinese = check_both(error)
    assert all(
        f"{value:g}" if isinstance(value, float) else str(value) in chinese for value in error.values.values()
    )


def bad_settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """For each field of each experiment what it refuses: the wrong kind, too little, too much, too long."""
    for experiment in Registry.discover():
        yield experiment.id, {"no such setting": 1}
        for spec in experiment.params.specs():
            if isinstance(spec, Text):
                yield experiment.id, {spec.name: "9" * (spec.max_length + 1)}
                continue
            yield experiment.id, {spec.name: "no such value"}
            if isinstance(spec, Number):
                for limit, beyond in ((spec.minimum, -1), (spec.maximum, 1)):
                    yield experiment.id, {spec.name: limit + beyond * (abs(limit) + 1)}


def test_whatever_an_experiment_refuses_has_a_sentence_in_both_languages() -> None:
    refused = set()
    for name, settings in bad_settings():
        with pytest.raises(ParamError) as caught:
            Registry.discover().find(name).params.from_dict(settings)
        check_both(caught.value)
        refused.add(caught.value.key)
    assert {
        "param.unknown",
        "param.int",
        "param.float",
        "param.bool",
        "param.low",
        "param.high",
        "param.choice",
        "param.long",
        "q06.tokens",
        "q13.top_p",
        "q13.temperature.low",
        "q10.steps.low",
    } <= refused


@pytest.mark.parametrize(
    ("name", "settings", "chinese"),
    [
        ("q06", {"tokens": 0}, "缓存长度必须是 1 到 32,768 之间的整数。"),
        ("q06/cache", {"tokens": 2.5}, "缓存长度必须是 1 到 32,768 之间的整数。"),
        ("q06/cache", {"kv_heads": 3}, "8 个查询头无法平均分给 3 个 KV 头。请选 1、2、4 或 8。"),
        ("q07/spectrum", {"custom": "{"}, "读不懂这个字典"),
        ("q07/spectrum", {"beta_fast": 1, "beta_slow": 2}, "beta_fast 必须大于"),
        ("q10/scaler", {"backoff_factor": 1}, "回退因子必须小于 1"),
        ("q10/scaler", {"overflows": "soon"}, "而不是 soon。"),
        ("q13/manual", {"numbers": "a"}, "a 不是数字。"),
        ("q13", {"top_k": -2}, "“Top-k（0 表示关闭）”不能小于 0"),
    ],
)
def test_bad_input_is_said_in_chinese(name: str, settings: dict[str, Any], chinese: str) -> None:
    with pytest.raises(ParamError) as caught:
        Registry.discover().find(name).params.from_dict(settings)
    assert chinese in check_both(caught.value)


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: load_model(folder / "gone"),
        load_model,
        lambda _: pick_device("tpu"),
        lambda _: check_cache(2**60, "cpu"),
        lambda _: check_live_type("int4"),
        lambda _: read_scaling('{"rope_type": "magic"}', 512, 1e6),
    ],
    ids=["missing", "no weights", "device", "memory", "computed only", "dictionary"],
)
def test_what_the_core_and_the_labs_cannot_do_is_said_in_chinese(act: Any, tmp_path: Path) -> None:
    with pytest.raises(MiniMindError) as caught:
        act(tmp_path)
    check_both(caught.value)


def test_what_a_claim_cannot_be_checked_for_is_said_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    verdict = by_check(load_question("q08_speedup").claim("Q8-C16"), idle_share)
    assert verdict.agrees is None and "GPU" in check_both(Verdict(**asdict(verdict)).sentence)


def test_without_a_key_or_a_sentence_the_english_stays() -> None:
    broken = "It is broken."
    for error in (CheckpointError(broken), Sentence(broken, "no.such.key"), broken):
        assert errors.translated(error, "zh") == broken


@pytest.mark.parametrize(
    "file",
    ["model/config.py", "decoding/sampling_params.py", "training/training_config.py", "written_settings.py"],
)
def test_whatever_is_refused_of_typed_settings_has_a_key(file: str) -> None:
    """A checklist and a dictionary are typed on a page; that each key has its Chinese is asked below."""
    refusing, silent = 0, []
    for node in ast.walk(ast.parse((ROOT / "minimind_core" / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("require", "ConfigError"):
            refusing += 1
            silent += [node.lineno] if "key" not in {keyword.arg for keyword in node.keywords} else []
    assert refusing and not silent


@cache
def raised() -> Mapping[str, set[str]]:
    """Each key that the code gives to an error, with the names of the values beside it."""
    found: dict[str, set[str]] = {}
    for path in (path for package in RAISED for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for key, values in _keyed(node):
                    found[key] = found.get(key, values) & values
    return found


def _keyed(call: ast.Call) -> Iterator[tuple[str, set[str]]]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    key = named.get("key") if name.endswith("Error") or name in ("CannotCheck", "require") else None
    if name in ("Sentence", "_fatal") and len(call.args) > 1:
        key = call.args[-1] if name == "_fatal" else call.args[1]
        packed = call.args[2] if name == "Sentence" and len(call.args) > 2 else None
        if isinstance(packed, ast.Dict):
            named |= {word.value: word for word in packed.keys if isinstance(word, ast.Constant)}
    if isinstance(key, ast.Constant):
        yield str(key.value), {str(word) for word in named}


def test_every_chinese_sentence_is_of_an_error_that_exists_and_fills_in_its_values() -> None:
    known = dict(raised())
    for experiment in registry():
        for spec in experiment.params.specs():
            if isinstance(spec, Number) and spec.low_sentence:
                known[f"{spec.label}.low"] = {"label", "given", "limit"}
            if isinstance(spec, Number | Choice) and spec.sentence:
                known[spec.label] = {"label", "given", "limit"}
    known |= {f"param.{kind}": {"label", "given"} for kind in ("int", "float", "bool", "text")}
    known |= {f"param.{kind}": {"label", "given", "limit"} for kind in ("low", "above", "high")}
    known |= {f"param.{kind}": {"label", "given", "choices"} for kind in ("choice", "order")}
    known |= {key: {"place"} for key, _ in STORE_SENTENCES.values()}
    known |= {
        key: {"count", "most", "word", "largest"}
        for key in errors.sentences("zh")
        if key.startswith("q13.numbers.")
    }
    for key, text in errors.sentences("zh").items():
        assert key in known, key
        wanted = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert wanted <= known[key], key
    assert set(raised()) <= set(errors.sentences("zh")), "an error has a key but no Chinese"
    assert not errors.sentences("en")


def _panel(name: str) -> None:
    import streamlit as st

    from pages.ui.lab import bench
    from pages.ui.words import errors
    from pages.ui.words.i18n import language_switch

    st.session_state.setdefault("lang", "zh")
    errors.show_places(True)
    language_switch()
    bench.lab([name])


def _opened(name: str) -> AppTest:
    app = AppTest.from_function(_panel, args=(name,), default_timeout=20)
    app.session_state[f"{name.replace('/', '_')}.bench.open"] = True
    return app.run()


def shown(app: AppTest) -> list[str]:
    assert not app.exception
    return [error.value for error in app.error]


def test_a_chinese_page_says_why_a_run_failed(
    worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job("q13/bugs", None, lambda _job: None)
    job.end("failed", error=explain_exit(-signal.SIGKILL))
    monkeypatch.setattr(worker, "submit", lambda *_args, **_options: job)
    app = _opened("q13/bugs")
    app.button(key="q13_bugs.bench.run").click().run()
    assert shown(app) == ["工作进程被系统杀掉了，多半是因为这台机器内存不足。新的工作进程正在启动。"]


def test_a_chinese_page_says_which_setting_cannot_be(worker: CountingClient) -> None:
    app = _opened("q13/manual")
    app.text_input(key="q13_manual_numbers").set_value("8, seven").run()
    assert shown(app) == ["seven 不是数字。"]


def test_a_chinese_page_says_which_checkpoint_is_missing(
    worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = worker.submit
    monkeypatch.setattr(worker, "submit", lambda *what, **how: submit(*what, model="/no/such/place", **how))
    app = _opened("q13/continuation")
    app.button(key="q13_continuation.bench.run").click().run()
    (message,) = shown(app)
    assert message.startswith("“/no/such/place”处没有检查点；") and "minimind-26m" in message


def test_a_chinese_page_says_what_the_store_cannot_do(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise StoreError("The disk is full.", key="store.full", place="study.sqlite3")

    monkeypatch.setattr(study.attempts, "predict", full)
    app = open_app("q13_sampling", lang="zh")
    next(button for button in app.button if button.label == "全部跳过").click().run()
    assert shown(app) == ["磁盘已满：请为 study.sqlite3 腾出一些空间，再试一次。"]


SECRETS = ("s3cret", "/srv/app/data", "/home/ada", "db.internal")
PLACES = [
    StoreError(
        "/srv/app/data/study.sqlite3 cannot be opened.",
        key="store.closed",
        place="/srv/app/data/study.sqlite3",
    ),
    StoreError(
        "postgresql://db.internal/study does not answer.",
        key="store.silent",
        place="postgresql://db.internal/study",
    ),
    StoreError(
        "/srv/app/data cannot be written (read-only).",
        key="store.unwritable",
        place="/srv/app/data",
        reason="read-only",
    ),
    StoreError("No key: postgresql+psycopg://ada:s3cret@db.internal:5/study?password=s3cret is down."),
    CheckpointError(
        "/home/ada/x.pth is damaged; fetch it again.", key="checkpoint.damaged", path="/home/ada/x.pth"
    ),
    CheckpointError("/home/ada/a b/x.pth has no key.", path="/home/ada/a b/x.pth"),
    CheckpointError("C:\\Users\\ada\\x.pth: nothing; '/home/ada/models/x.pth' neither."),
    Sentence(
        "The run ended: [Errno 2] No such file: '/home/ada/t/x.bin'",
        "failure.bug",
        {"what": "'/home/ada/t/x.bin'"},
    ),
]


@pytest.fixture(params=["en", "zh"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a session knows: its language, and once the frame was drawn, where its person sits."""
    state = {"lang": request.param}
    monkeypatch.setattr("streamlit.session_state", state)
    return state


@pytest.mark.parametrize("error", PLACES, ids=str)
def test_somebody_elsewhere_reads_no_place_of_the_server(error: Any, session: dict[str, Any]) -> None:
    unknown = errors.said(error)
    errors.show_places(False)
    elsewhere = errors.said(error)
    assert unknown == elsewhere, "before the frame is drawn nobody is at this machine"
    assert not any(secret in elsewhere for secret in (*SECRETS, "ada")), elsewhere
    errors.show_places(True)
    assert any(secret in errors.said(error) for secret in (*SECRETS, "ada")), (
        "who sits there reads where it is"
    )


def test_a_database_is_called_one(session: dict[str, Any]) -> None:
    error = StoreError("/srv/x is gone.", key="store.gone", place="/srv/x")
    assert errors.said(error) == ("The database is gone." if session["lang"] == "en" else "数据库 is gone.")


@pytest.mark.parametrize("given", ["![a](http://evil.example)", "9" * 2**20, "`a` www.evil.example\n\n# b"])
def test_what_was_given_is_shown_as_it_is_and_shortened(given: str, session: dict[str, Any]) -> None:
    sentence = f"x.pth lacks the tensor {given}; choose other weights."
    said = errors.said(CheckpointError(sentence, key="checkpoint.no_tensor", path="x.pth", tensor=given))
    assert len(said) < 900 and "![a](" not in said and "www.evil" not in said and "\n" not in said
    assert said.endswith("choose other weights." if session["lang"] == "en" else "请选用与模型相符的权重。")


def test_our_own_sentences_name_addresses_as_they_are_written(session: dict[str, Any]) -> None:
    with pytest.raises(StoreError) as caught:
        open_store("mysql://ada@127.0.0.1/x")
    assert "postgresql://USER@HOST/NAME" in errors.said(caught.value)
    assert "sqlite:///PATH" in errors.said(caught.value)
