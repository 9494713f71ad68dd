# mypy: ignore-errors
# ruff: noqa
"""Temporary: experiments of the old form, whose parts stand in ten modules, behind the new one."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

from labs.contract import experiment as new
from labs.contract.drawing import Figure
import plotly.io

plotly.io.templates.default = None

Result = dict[str, Any]
Row = new.Row
Text = Any
Context = new.Context
DeviceClass = new.DeviceClass
DEFAULT_MODEL = new.DEFAULT_MODEL


def constant(cpu: float, cuda: float) -> Any:
    return lambda _params, device: cuda if device == "cuda" else cpu


def Experiment(
    id: str,
    package: str,
    params: Any,
    seconds: Any,
    version: int = 1,
    keep: bool = True,
    drawn_by_formula: bool = False,
) -> Any:
    lab, _, name = id.partition("/")

    def part(module: str) -> Any:
        full = f"{package}.{module}"
        if importlib.util.find_spec(full) is None:
            return None
        return getattr(importlib.import_module(full), name, None)

    def show(_self: Any, result: Any, text: Any) -> new.Shown:
        def words(key: str, **values: Any) -> str:
            return text(key.removeprefix(f"{lab}."), **values)

        made = {}
        for key, old in part("figures")(result, words).items():
            made[key] = Figure()
            data = old.to_plotly_json()
            made[key].data, made[key].layout = data["data"], data["layout"]
            made[key].frames = data.get("frames", [])
        rest = {
            name: part(module)
            for name, module in (("rows", "tables"), ("notes", "notes"), ("numbers", "numbers"))
        }
        optional = {}
        for name, function in rest.items():
            if function is not None:
                try:
                    optional[name] = function(result, words)
                except KeyError:
                    pass
        return new.Shown(made, sentence=result.get("sentence"), **optional)

    def so_far(_self: Any, params: Any, partials: Any) -> Any:
        return part("live")(params, partials) if part("live") and partials else None

    def source(_self: Any) -> str:
        spec = importlib.util.find_spec(f"{package}.measure")
        text = Path(spec.origin).read_text(encoding="utf-8")
        return next(
            ast.get_source_segment(text, node)
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        )

    body = {
        "id": id,
        "version": version,
        "keep": keep,
        "drawn_by_formula": drawn_by_formula,
        "seconds": lambda _self, given, device: seconds(given, device),
        "measure": lambda _self, given, ctx: part("measure")(given, ctx),
        "formula": lambda _self, given: part("analytic")(given) if part("analytic") else None,
        "view": lambda _self, given, result: part("view")(given, result) if part("view") else None,
        "so_far": so_far,
        "__orig_bases__": (new.Experiment[params, dict],),
        "__module__": package,
    }
    if part("figures"):
        body["show"] = show
    made = type(name, (new.Experiment,), body)
    made.source = source
    return made()
