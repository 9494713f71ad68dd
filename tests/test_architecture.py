"""The house rules, as tests: who may import whom, what the web process loads, how long a piece may be."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.pages.addresses import ADDRESSES

ROOT = Path(__file__).resolve().parents[1]
CODE = ("pages", "labs", "questions", "study", "serving", "minimind_core")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50

STREAMLIT_INSIDE = ROOT / "pages" / "ui" / "streamlit_inside.py"

VISIT_ALL_PAGES = """
import os, sys, tempfile
import pytest
from streamlit.testing.v1 import AppTest
from tests.pages.addresses import APP, addresses, keep_pages_router_off, visit

os.environ["MINIMIND_DATA"] = tempfile.mkdtemp()
keep_pages_router_off(pytest.MonkeyPatch())
app = AppTest.from_file(str(APP), default_timeout=60)
app.query_params["lang"] = "en"
for address in addresses(app.run()):
    visit(app, address)
    for skip in [button for button in app.button if button.label == "Skip all"]:
        skip.click().run()  # now the lab is open
    assert not app.exception, (address, app.exception)
    print(address, [name for name in ("torch", "transformers") if name in sys.modules])
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
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "mypy"),
        ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
    ],
    ids=["style", "layout", "types", "import directions"],
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
    assert modules == {"streamlit", "pages.menu", "pages.ui.site.server", "pages.ui.site.frame"}


def test_torch_is_absent_after_visiting_every_page() -> None:
    done = run("-c", VISIT_ALL_PAGES)
    assert done.returncode == 0, done.stderr
    loaded = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(loaded) == set(ADDRESSES)
    assert set(loaded.values()) == {"[]"}, done.stdout


def module_name(path: Path) -> str:
    """`labs/q06_gqa/__init__.py` as "labs.q06_gqa"."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for package in CODE for path in (ROOT / package).rglob("*.py")}


@cache
def imported_by(path: Path) -> frozenset[str]:
    """Our modules that a file imports, at its top or within a function, or names for a later import."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: write imports in full"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and "." in str(node.value):
            names.add(str(node.value))
    return frozenset(names & MODULES.keys())


def module(name: str) -> str:
    return name


def room(name: str) -> str:
    """The folder of a module. A module at the top of a package is a room of its own."""
    folder = module_name(MODULES[name].parent / "__init__.py")
    return folder if "." in folder else name


@pytest.mark.parametrize("part", [module, room])
def test_no_imports_run_in_a_circle(part: Callable[[str], str]) -> None:
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        graph.setdefault(part(name), set()).update(map(part, imported_by(path)))
    for name, others in graph.items():
        others.discard(name)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))


def test_one_file_reaches_inside_streamlit() -> None:
    reaching = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in {ROOT / "app.py", *(ROOT / "pages").rglob("*.py")} - {STREAMLIT_INSIDE}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import | ast.Attribute) and reaches_inside(node)
    ]
    assert not reaching, "\n".join(reaching)


def reaches_inside(node: ast.ImportFrom | ast.Import | ast.Attribute) -> bool:
    """Whether it imports from below `streamlit`, its errors apart, or takes a private name of an object."""
    if isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return bool(re.match("_[^_]", node.attr)) and not own
    modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return any(re.match(r"streamlit\.(?!errors$)", module or "") for module in modules)


def test_nothing_is_compiled_behind_a_lock_that_outlives_its_owner() -> None:
    """Torch's builder of extensions leaves one where it is killed, and whoever comes then waits for good."""
    locked = [str(path) for path in python_files() if "torch.utils.cpp_extension" in imported_names(path)]
    assert not locked, locked


def test_hooks_are_taken_off_whatever_was_raised() -> None:
    """`handle.remove()` stands where it is reached after an error or a cancel: in `finally` or `__exit__`.

    A model is shared: a hook that stays on it is called by every later run.
    """
    missed = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        for tree in [ast.parse(path.read_text(encoding="utf-8"))]
        for node in set(removals(tree)) - {call for sure in surely_reached(tree) for call in removals(sure)}
    ]
    assert not missed, f"write `with hooked(…):` (labs/tools/models.py): {missed}"


def removals(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of a `remove` that is told nothing: only a hook's handle has one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not node.args and getattr(node.func, "attr", "") == "remove":
            yield node


def surely_reached(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            yield from node.finalbody
        elif isinstance(node, ast.FunctionDef) and node.name == "__exit__":
            yield node


def imported_names(path: Path) -> set[str]:
    """Modules that a file imports from, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return names | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def test_the_version_whose_inside_we_know_is_the_pinned_one() -> None:
    pinned = re.search(r"^streamlit==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"Streamlit {pinned[1]}," in STREAMLIT_INSIDE.read_text()


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
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")} - {ROOT / "tests"}
    assert not [folder for folder in folders if (folder / "__init__.py").exists()]
