"""A text that is begun again where a component was stopped stands there once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pages.ui.lab import token_stream
from tests.pages.study.test_draft_js import node

SCENE = """
class Element {
  children = []
  style = { setProperty() {} }
  classList = { toggle() {} }
  dataset = {}
  addEventListener() {}
  setAttribute() {}
  append(...more) { this.children.push(...more) }
  appendChild(one) { this.children.push(one); return one }
  replaceChildren(...all) { this.children = all }
}
globalThis.document = { createElement: () => new Element(), addEventListener() {}, removeEventListener() {} }
globalThis.window = { addEventListener() {}, removeEventListener() {} }
const parts = { ".text": new Element(), ".card": new Element() }
const root = Object.assign(new Element(), { querySelector: name => parts[name] })
const parentElement = { querySelector: () => root }
const token = [" a", " a", 0.5, 0.5, 1, 1, false, []]
const data = { live: false, prompt: "Once", tokens: [token, token], words: { label: "Text" } }
"""


def test_a_stream_that_was_stopped_leaves_no_second_text() -> None:
    script = Path(token_stream.__file__).with_name("token_stream.js").read_text(encoding="utf-8")
    twice = "draw({ data, parentElement })()\ndraw({ data, parentElement })"
    module = script.replace("export default", "const draw =")
    code = f"{SCENE}{module}\n{twice}\nconsole.log(parts['.text'].children.length)"
    done = subprocess.run([node(), "-e", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == 3, "the prompt and two tokens"
