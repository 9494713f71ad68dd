"""What is too long for a field never gets into it, and that is said; all else goes its way, wordlessly."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from pages.ui.site import too_long
from tests.pages.study.test_draft_js import node

SCENE = """
let watch
globalThis.document = {
  addEventListener: (_, heard) => { watch = heard },
  removeEventListener: () => { watch = undefined },
}
const root = { textContent: "" }
const data = { field: "st-key-a", most: 10, sentence: "{given} of 10" }
const end = draw({ data, parentElement: { querySelector: () => root } })
const box = { value: "1234567", selectionStart: 7, selectionEnd: 7, closest: at => at === ".st-key-a" }
const put = (target, event) => {
  let stopped = false
  watch({ ...event, target, preventDefault: () => { stopped = true } })
  return [stopped, root.textContent]
}
"""


def run(expression: str) -> Any:
    script = Path(too_long.__file__).with_name("too_long.js").read_text(encoding="utf-8")
    module = script.replace("export default", "const draw =")
    code = f"{module}\n{SCENE}\nconsole.log(JSON.stringify({expression}))"
    done = subprocess.run([node(), "-e", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_paste_that_does_not_fit_is_kept_out_and_said_until_something_fits() -> None:
    long, fits = "put(box, { data: 'x'.repeat(1e6) })", "put(box, { data: '890' })"
    assert run(f"[{long}, {fits}]") == [[True, "1,000,007 of 10"], [False, ""]]


def test_what_takes_the_place_of_a_selection_counts_less() -> None:
    assert run("put({ ...box, selectionStart: 0 }, { data: '0123456789' })") == [False, ""]


def test_a_text_that_is_dropped_is_looked_at_too_and_what_is_deleted_never_stopped() -> None:
    assert run("put(box, { data: null, dataTransfer: { getData: () => '4444' } })")[0]
    assert run("put({ ...box, value: 'x'.repeat(20) }, { data: null })") == [False, ""]


def test_another_field_is_left_alone_and_nothing_is_heard_afterwards() -> None:
    assert run("put({ ...box, closest: () => null }, { data: 'x'.repeat(99) })") == [False, ""]
    assert run("(end(), watch === undefined)")
