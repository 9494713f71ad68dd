"""The house rules, as tests: who may import whom, what the web process loads, how long a piece may be."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ("pages", "labs", "questions", "study", "serving", "minimind_core")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50

VISIT_ALL_PAGES = """
import os, sys, tempfile
from pathlib import Path
from streamlit.testing.v1 import AppTest

os.environ["MINIMIND_DATA"] = tempfile.mkdtemp()
app = AppTest.from_file(str(Path("app.py").resolve()), default_timeout=60).run()
for path in sorted(Path("pages").glob("*.py")):
    if path.stem != "__init__":
        app.switch_page(f"pages/{path.name}").run()
        assert not app.exception, (path, app.exception)
print(",".join(name for name in ("torch", "transformers") if name in sys.modules))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)


def python_files() -> Iterator[Path]:
    yield ROOT / "app.py"
    for package in CODE:
        yield from sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "ruff", "check", "."),
        ("-m", "mypy"),
        ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
    ],
    ids=["style", "types", "import directions"],
)
def test_the_linters_find_nothing(command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_look_at_every_package() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    present = {package for package in CODE if list((ROOT / package).rglob("*.py"))}
    assert set(tools["importlinter"]["root_packages"]) == present
    assert set(tools["mypy"]["packages"]) == present


def test_app_py_does_nothing_but_start() -> None:
    tree = ast.parse((ROOT / "app.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules == {"streamlit", "pages.ui.site.server", "pages.ui.site.frame"}


def test_torch_is_absent_after_visiting_every_page() -> None:
    done = run("-c", VISIT_ALL_PAGES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1:] in ([], [""]), done.stdout


def test_files_and_functions_stay_short() -> None:
    too_long = []
    for path in python_files():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MAX_FILE_LINES:
            too_long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert not too_long, "\n".join(too_long)


def test_every_module_says_what_it_does() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_folders_of_tests_are_no_packages() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if (folder / "__init__.py").exists()]
