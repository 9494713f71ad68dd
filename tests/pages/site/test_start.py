"""The first page of a fresh server waits for no lab, for no question's content and for no large library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from labs.contract.registry import ROOT

FIRST_PAGE = """
import importlib, json, os, sys
from streamlit.testing.v1 import AppTest
import app
from pages.menu import FIRST_IMPORTS
from questions import loader

for module in FIRST_IMPORTS:
    importlib.import_module(module)
before = set(sys.modules)
page = AppTest.from_file("app.py", default_timeout=300).run()
assert not page.exception and page.button(key="home.next").label
seen = {"modules": sorted(sys.modules), "late": sorted(set(sys.modules) - before)}
print(json.dumps(seen | {"questions": loader._shipped.cache_info().currsize}))
sys.stdout.flush()
os._exit(0)  # no worker is waited for
"""
OURS = ("PIL", "labs", "minimind_core", "pages", "questions", "study")
HEAVY = ("pandas", "pyarrow", "sqlalchemy", "torch", "plotly.graph_objs._figure", "prometheus_client")


def test_the_first_page_waits_for_nothing_that_it_does_not_show(tmp_path: Path) -> None:
    script = tmp_path / "first_page.py"
    script.write_text(FIRST_PAGE.replace('"app.py"', repr(str(ROOT / "app.py"))), encoding="utf-8")
    own = {"MINIMIND_DATA": str(tmp_path), "MINIMIND_LAB_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env=os.environ | own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    labs = [name for name in seen["modules"] if name.startswith("labs.q")]
    assert not labs, "a lab is imported when somebody asks for it"
    assert not seen["questions"], "menus and the first page need the headers of the questions alone"
    late = [name for name in seen["late"] if name.partition(".")[0] in OURS]
    assert not late, "pages.menu.FIRST_IMPORTS are read while the browser reads its scripts"
    assert not set(HEAVY) & set(seen["modules"])
