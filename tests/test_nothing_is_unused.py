"""What nobody uses is gone: names of modules, keys of results, words of labs, classes of styles."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from labs.contract.params import lab_of
from labs.contract.registry import Registry, read_words

ROOT = Path(__file__).resolve().parents[1]
CODE = ("pages", "labs", "questions", "study", "serving", "minimind_core")
REGISTRY = Registry.discover()
KEPT = {
    "load_balancing_loss": "for whoever trains a mixture of experts; held against transformers",
    "recorded_routing": "what `load_balancing_loss` is given",
    "translated": "an error in a language that no page has open: how tests read the other one",
    "words_not_to_use": "the glossary's own rule, which tests hold every text against",
}
"""Public names without a caller of ours."""
PRISM = {"boolean", "builtin", "comment", "keyword", "number", "string", "token", "triple-quoted-string"}
"""Classes that Streamlit's highlighter of code gives."""
PLOTLY = {"annotation-text", "bartext-outside", "heatmaplayer", "hm", "point", "textpoint"}
"""Classes that plotly gives to what it draws."""
LONGEST_KEY = 80


@dataclass(frozen=True)
class Module:
    """What a file defines at its top, and what it uses; read once."""

    defined: dict[str, int]
    """Names and their lines, without what a decorator registers."""
    loaded: frozenset[str]
    attributes: frozenset[str]
    imported: frozenset[tuple[str, str]]
    """Modules, and the names from them."""
    texts: frozenset[str]
    read_texts: frozenset[str]
    """The texts but those that an item of a dictionary is only put under."""
    templates: frozenset[str]
    """f-strings that could be keys of words, as patterns: what is filled in may be anything."""
    keys: dict[str, str]
    """The annotated members of classes, by "Class.member"."""


@cache
def module(path: Path) -> Module:
    top = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(top))
    put = {id(key) for node in nodes for key in put_under(node)}
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    members = [
        (f"{node.name}.{member.target.id}", member.target.id)
        for node in top.body
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
    ]
    return Module(
        defined={name: node.lineno for node in top.body for name in names_given(node)},
        loaded=frozenset(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)),
        attributes=frozenset(n.attr for n in nodes if isinstance(n, ast.Attribute)),
        imported=frozenset(
            (n.module or "", each.name) for n in nodes if isinstance(n, ast.ImportFrom) for each in n.names
        ),
        texts=frozenset(str(node.value) for node in texts),
        read_texts=frozenset(str(node.value) for node in texts if id(node) not in put),
        templates=frozenset(filter(None, map(template, nodes))),
        keys=dict(members),
    )


def put_under(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.Dict):
        return node.keys
    return [node.slice] if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) else []


def template(node: ast.AST) -> str:
    """An f-string that could be the key of a word, as a pattern; empty for all else."""
    values = node.values if isinstance(node, ast.JoinedStr) else []
    parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in values]
    beginning = r"\w+[._]" if parts and parts[0] else r"\."
    if not re.fullmatch(rf"{beginning}[\w.]*", "".join(filter(None, parts))):
        return ""
    return "".join(".+" if part is None else re.escape(part) for part in parts)


def names_given(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module defines, but `__all__` and its like."""
    found: list[str] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        registered = any(isinstance(each, ast.Call | ast.Attribute) for each in node.decorator_list)
        found = [] if registered else [node.name]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        found = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    yield from (name for name in found if not name.startswith("__"))


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_name_of_a_module_is_used() -> None:
    """In its own file, or in another that imports it; what a decorator or a text registers is used by it."""
    code = {path: module(path) for path in [ROOT / "app.py", *python_files(*CODE)]}
    imported = frozenset().union(*(each.imported for each in code.values()))
    texts = frozenset().union(*(each.texts for each in code.values()))
    experiments = {type(each).__name__ for each in REGISTRY}
    taken = Counter(name for each in code.values() for name in each.attributes)
    unused = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path, each in code.items()
        for name, line in each.defined.items()
        if name not in each.loaded and (module_name(path), name) not in imported and not taken[name]
        if name not in KEPT.keys() | experiments and not texts & {name, f":{name}"}
    ]
    assert not unused, "\n".join(unused)


every_lab = pytest.mark.parametrize("package", REGISTRY.packages)


@every_lab
def test_every_key_of_a_result_is_read(package: str) -> None:
    """By the lab, its words, its question, its tests, or by what all labs share."""
    name = package.removeprefix("labs.")
    own, shared = python_files(f"labs/{name}"), python_files("labs/tools", "labs/runner", "pages")
    tests = [
        path
        for path in python_files("tests/pages", "tests/labs")
        if name in (path.parent.name, path.stem[5:])
    ]
    code = [module(path) for path in (*own, *shared, *tests)]
    written = [
        path.read_text(encoding="utf-8")
        for folder in (ROOT / "labs" / name, ROOT / "questions" / name)
        for path in folder.rglob("*")
        if path.suffix in (".toml", ".md")
    ]
    texts = [*written, *(text for each in code for text in each.read_texts)]
    read = {word for text in texts for word in re.findall(r"\w+", text)}
    read |= {attribute for each in code for attribute in each.attributes}
    unread = [
        f"{path.relative_to(ROOT)}: {key}"
        for path in own
        for key, member in module(path).keys.items()
        if member not in read
    ]
    assert not unread, "\n".join(unread)


@every_lab
def test_every_word_of_a_lab_is_asked_for(package: str) -> None:
    """By its own code or by what all labs share; or it is a title, a label, or a line of progress."""
    name, lab = package.removeprefix("labs."), lab_of(f"{package}.words")
    asked = re.compile("|".join(patterns(python_files(f"labs/{name}", "labs/tools", "labs/claims", "pages"))))
    own = [each for each in REGISTRY if type(each).__module__.startswith(f"{package}.")]
    known = {f"{each.name}.{part}" for each in own for part in ("title", "about")}
    labels = [spec.label.partition(".")[2] for each in own for spec in each.params.specs()]
    given = tuple(f"{beginning}." for beginning in labels)
    unasked = [
        key
        for key in read_words(ROOT / "labs" / name / "en.toml")
        if key not in known and not f"{key}.".startswith(given)
        if not any(
            asked.fullmatch(part) for part in (key, f"{lab}.{key}", *ends(key, {each.name for each in own}))
        )
    ]
    assert not unasked


def ends(key: str, own_names: set[str]) -> list[str]:
    """What code calls a figure's title or a line of progress: the key without what all such begin with."""
    first, _, rest = key.partition(".")
    name, _, figure = rest.partition(".")
    return [rest] if first == "progress" else [figure] if first == "figure" and name in own_names else []


def patterns(paths: list[Path]) -> Iterator[str]:
    """Each text of the code as a pattern."""
    for path in paths:
        yield from (re.escape(text) for text in module(path).texts if 0 < len(text) < LONGEST_KEY)
        yield from module(path).templates


def test_every_class_of_a_style_is_given_to_something() -> None:
    given = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("pages", "questions", "labs")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".js", ".html", ".toml", ".svg", ".md")
    )
    words = set(re.findall(r"[\w-]+", given)) | set(
        re.findall(r"[\w.-]+", given.replace("_", "-").replace(".", "-"))
    )
    unknown = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "pages").rglob("*.css"))
        for name in sorted(classes(path.read_text(encoding="utf-8")) - PRISM - PLOTLY)
        if name.removeprefix("st-key-") not in words and not name.startswith("st-emotion")
    ]
    assert not unknown, "\n".join(unknown)


def classes(style: str) -> set[str]:
    """The classes and ids that its selectors name."""
    selectors = " ".join(re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)))
    return set(re.findall(r"[.#]([A-Za-z][\w-]*)", re.sub(r'"[^"]*"', "", selectors)))
