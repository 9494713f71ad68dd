"""A fifteenth question, made by one command in a copy of the project, passes the shared tests there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs.contract.registry import ROOT
from labs.skeleton import create
from minimind_core.errors import ConfigError, FileError
from questions import load_questions

KEY = f"q{max(question.number for question in load_questions()) + 1:02d}"
SLUG = f"{KEY}_demo"
OF_ALL_LABS = ("tests/labs/test_every_lab.py", "tests/labs/test_drawn.py", "tests/labs/test_predictions.py")
OF_ALL_QUESTIONS = ("tests/questions", "tests/pages/test_home.py")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the new question; the weights are linked, since nothing writes there."""
    root = tmp_path_factory.mktemp("project")
    for path in ROOT.iterdir():
        if path.name == "weights":
            (root / path.name).symlink_to(path, target_is_directory=True)
        elif path.is_dir() and not path.name.startswith("."):
            shutil.copytree(path, root / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file() or path.name == ".streamlit":
            shutil.copytree(path, root / path.name) if path.is_dir() else shutil.copy(path, root / path.name)
    create(SLUG, root)
    return root


def python(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folders = {"MINIMIND_LAB_CACHE": str(copy / "cache"), "MINIMIND_DATA": str(copy / "data")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env={**os.environ, **folders}, capture_output=True, text=True)


def test_it_runs_and_its_claims_agree(copy: Path) -> None:
    done = python(copy, "-m", "labs", "verify", KEY)
    assert done.returncode == 0 and done.stdout.count("agrees") == 2, done.stdout + done.stderr


@pytest.mark.parametrize(
    "selected",
    [(*OF_ALL_LABS, "-k", f"{KEY} or Q{int(KEY[1:])} or tokens"), OF_ALL_QUESTIONS],
    ids=["labs", "content"],
)
def test_it_passes_the_shared_tests(copy: Path, selected: tuple[str, ...]) -> None:
    done = python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *selected)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_it_is_laid_out_and_typed_as_the_house_is(copy: Path) -> None:
    for command in (("ruff", "format", "--check"), ("ruff", "check")):
        done = python(copy, "-m", *command, f"labs/{SLUG}")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "slug",
    [
        "15_demo",
        "q15",
        "q15-demo",
        "Q15_demo",
        "q1_demo",
        "../q15_demo",
        "q00_demo",
        "q١٥_demo",
        "q15_demo\n",
        "q15_" + "a" * 300,
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(ConfigError, match="it is like q15_beam_search"):
        create(slug, tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "questions").touch()
    with pytest.raises(FileError, match="Cannot write"):
        create("q15_demo", tmp_path)


def test_a_broken_question_is_one_sentence_of_every_command(copy: Path) -> None:
    broken = copy / "questions" / "q98_broken" / "question.toml"
    broken.parent.mkdir()
    broken.write_text('id = "Q0"\n')
    try:
        done = python(copy, "-m", "labs", "verify", KEY, "--json")
    finally:
        shutil.rmtree(broken.parent)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"A question cannot be used. {broken}: ")
    assert json.loads(done.stdout) == {"error": done.stderr.rstrip()}


def test_a_number_that_is_taken_is_refused(tmp_path: Path) -> None:
    create("q15_demo", tmp_path)
    with pytest.raises(ConfigError, match="q15 is taken by q15_demo"):
        create("q15_other", tmp_path)
