"""The playground's lab: what it tells of every token, branches, and the command that repeats a text."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.__main__ import main
from labs.contract import Data, jsonable
from labs.contract.registry import ROOT, Registry
from labs.playground.branches import Start, closed, leads_on, readable
from labs.playground.command import generate_command
from labs.playground.continuation import ALTERNATIVES, ContinuationParams
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.__main__ import main as core_main
from tests.minimind_core.decoding.test_cpu_step import needs_kernel

REGISTRY = Registry.discover()
ID = "playground/continuation"
SHIPPED, TINY = "nano-rope", "random:byte-128"


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", model=TINY, registry=REGISTRY)


def written(client: InlineClient, model: str = TINY, **params: Any) -> tuple[Job, Data]:
    job = client.submit(ID, params, model=model)
    assert job.result is not None, job.error
    return job, job.result


def test_every_token_is_sent_as_soon_as_it_is_chosen(client: InlineClient) -> None:
    job, result = written(client, prompt="Hi", max_new_tokens=9, temperature=1.5, seed=1)
    about, *steps = job.partials
    assert about == {"about": result["about"]} and steps == result["steps"] and len(steps) == 9
    assert result["about"]["prompt_tokens"] == 3 and result["about"]["dtype"] == "fp32"
    for step in steps:
        own = [other["probability"] for other in step["alternatives"]]
        assert own == sorted(own, reverse=True) and len(own) == ALTERNATIVES
        assert 0 < step["probability"] <= own[0] and 0 < step["filtered"] <= 1
        shown = next((other for other in step["alternatives"] if other["id"] == step["id"]), None)
        assert (shown is not None) == (step["rank"] <= ALTERNATIVES)
        assert shown is None or shown["filtered"] == step["filtered"]
    assert readable(closed(steps)) == result["text"] and result["way"] == "eager"


@needs_kernel
def test_the_fastest_way_of_this_processor_is_taken_and_told(client: InlineClient) -> None:
    assert written(client, SHIPPED, max_new_tokens=2)[1]["way"] == "one_call"


def test_settings_change_what_was_drawn_from(client: InlineClient) -> None:
    _, greedy = written(client, temperature=0, max_new_tokens=4)
    assert all(step["filtered"] == 1 and step["kept"] == 1 and step["rank"] == 1 for step in greedy["steps"])
    _, few = written(client, top_k=2, top_p=1, max_new_tokens=4)
    assert all(
        [other["filtered"] > 0 for other in step["alternatives"]].count(True) == 2 for step in few["steps"]
    )


def test_the_seed_alone_decides(client: InlineClient) -> None:
    ids = [
        [step["id"] for step in written(client, temperature=1.5, max_new_tokens=12, seed=seed)[1]["steps"]]
        for seed in (4, 4, 5)
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_branch_goes_on_from_the_alternative(client: InlineClient) -> None:
    _, first = written(client, SHIPPED, prompt="Once upon a time", max_new_tokens=12)
    steps, index = first["steps"], 5
    other = next(a for a in steps[index]["alternatives"] if a["id"] != steps[index]["id"] and leads_on(a))
    branch = Start("Once upon a time").branch(steps, index, other["id"])
    assert branch is not None and branch.prompt == "Once upon a time"
    assert branch.text == "Once upon a time" + readable(steps[:index]) + other["text"]
    assert branch.kept[:index] == tuple(steps[:index])
    assert branch.kept[-1]["by_hand"] and branch.kept[-1]["probability"] == other["probability"]
    _, second = written(client, SHIPPED, prompt=branch.text, max_new_tokens=4)
    again = branch.branch(second["steps"], index + 3, second["steps"][2]["id"])
    assert again is not None and len(again.kept) == index + 4
    assert again.text == branch.text + readable(second["steps"][:3])


def test_what_is_no_text_cannot_be_branched_to() -> None:
    def piece(token: int, text: str, **more: bool) -> dict[str, Any]:
        return {"id": token, "text": text, "open": False, "special": False} | more

    others = [piece(5, "a"), piece(2, "", special=True), piece(7, "", open=True)]
    step = piece(5, "a") | {"alternatives": others}
    start = Start("x")
    assert start.branch([step], 0, 5) is not None
    for index, token in ((0, 2), (0, 7), (0, 99), (1, 5), (-1, 5)):
        assert start.branch([step], index, token) is None


AWKWARD = ["Once upon a time", "", "-5 degrees", "~/*; #", "--help me"]
QUOTED = ['it\'s a "test" $HOME `id` \\n !\n\n  今天天气\t', "-"]


@pytest.mark.parametrize("prompt", [*AWKWARD, *QUOTED])
def test_the_command_writes_the_same_text(
    client: InlineClient, prompt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The quoted ones through a real shell, for the quoting is half of it."""
    job, result = written(
        client,
        SHIPPED,
        prompt=prompt,
        max_new_tokens=16,
        temperature=1.3,
        top_k=50,
        repetition_penalty=1.2,
        seed=7,
    )
    shown = run_in_shell(command(job, 16)) if prompt in QUOTED else run_here(command(job, 16), capsys)
    assert shown["text"] == result["text"]
    assert shown["new_token_ids"] == [step["id"] for step in result["steps"]]
    assert len(shown["prompt_ids"]) == result["about"]["prompt_tokens"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"temperature": 0}, marks=pytest.mark.slow),
        pytest.param({"temperature": 1, "top_p": 1, "seed": 3}, marks=pytest.mark.slow),
        {"min_p": 0.1, "top_p": 0.5, "seed": 2**31 - 1},
    ],
)
def test_the_command_repeats_the_shipped_model(
    client: InlineClient, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped early, too: then the command asks for as many tokens as came."""
    job, result = written(client, "minimind-26m", prompt="今天天气", max_new_tokens=60, **settings)
    for count in (60, 11):
        shown = run_here(command(job, count, "minimind-26m"), capsys)
        assert shown["new_token_ids"] == [step["id"] for step in result["steps"][:count]]
    assert readable(closed(result["steps"][:11])) == shown["text"]


def command(job: Job, count: int, model: str = SHIPPED) -> str:
    assert isinstance(job.params, ContinuationParams)
    return generate_command(job.params, count=count, model=model, device="cpu", dtype="fp32")


def run_here(line: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    python, dash_m, module, *arguments = shlex.split(line)
    assert (python, dash_m, module) == ("python", "-m", "minimind_core")
    assert core_main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def run_in_shell(line: str) -> dict[str, Any]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", f"{line} --json"],
        cwd=ROOT,
        text=True,
        timeout=120,
        capture_output=True,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("params", "model", "words"),
    [
        ({}, "no-such-model", "There is no checkpoint at 'no-such-model'"),
        ({"max_new_tokens": 600}, "nano-learned", "512 learned positions"),
        ({"temperature": -1}, TINY, "Negative temperature would favour the worst tokens."),
        ({"prompt": "x" * 8001}, TINY, "prompt has 8,001 characters; the most is 8,000."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    client: InlineClient, params: dict[str, Any], model: str, words: str
) -> None:
    job = client.submit(ID, params, model=model)
    assert job.state == "failed" and words in job.error and job.error.endswith(".") and "\n" not in job.error


def test_an_empty_prompt_starts_from_bos_and_a_long_one_works(client: InlineClient) -> None:
    assert written(client, prompt="", max_new_tokens=2)[1]["about"]["prompt_tokens"] == 1
    about = written(client, prompt="long " * 40, max_new_tokens=2)[1]["about"]
    assert about["prompt_tokens"] > about["trained_length"] == 128


def test_the_longest_result_fits_the_wire(client: InlineClient) -> None:
    _, result = written(client, max_new_tokens=40)
    longest = next(spec.maximum for spec in ContinuationParams.specs() if spec.name == "max_new_tokens")
    assert len(jsonable.dumps(result)) * longest / 40 < jsonable.MAX_RESULT_BYTES


def test_it_is_listed_but_not_recorded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["list"]) == 0 and ID in capsys.readouterr().out
    assert REGISTRY.find("playground").id == ID
    monkeypatch.setattr("labs.__main__._client", lambda *_: object())
    monkeypatch.setattr("labs.__main__._measure", lambda _client, experiment, _params: experiment.id)
    monkeypatch.setattr("labs.claims.recordings.record", lambda measured: measured[0])
    monkeypatch.setattr("labs.claims.drawn.keep_drawings", lambda *_: [])
    assert main(["record", "--all", "--runs", "1", "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)["recorded"]
    assert len(recorded) > 1 and not [name for name in recorded if not name.startswith("q")]


def test_a_long_prompt_can_be_stopped_while_it_is_read() -> None:
    def stop(job: Job) -> None:
        if job.doing[0] == "prompt" and job.progress > 0:
            job.cancel()

    client = InlineClient.start("cpu", model=TINY, watch=stop)
    job = client.submit(ID, {"prompt": "x" * 6000, "max_new_tokens": 2})
    assert job.state == "cancelled" and [list(partial) for partial in job.partials] == [["about"]]
