"""The small scripts that pages send to a browser, run by node: also where a browser keeps nothing for us."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from pages.ui.settings.data import _BROWSER_DRAFTS
from pages.ui.site.document import _JS
from tests.pages.study.test_draft_js import node

SCENE = """
const kept = new Map(Object.entries(%(kept)s))
const refuse = () => { throw new DOMException("site data are blocked", "SecurityError") }
const storage = new Proxy({
  getItem: key => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: key => kept.delete(key),
}, {
  ownKeys: () => [...kept.keys()],
  getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
})
Object.defineProperty(globalThis, "localStorage", { get: %(blocked)s ? refuse : () => storage })
const root = {}
globalThis.addEventListener = () => {}
globalThis.document = { documentElement: root, querySelectorAll: () => [] }
globalThis.MutationObserver = class { observe() {} }
Object.defineProperty(document, "cookie", { set: %(blocked)s ? refuse : value => { root.cookie = value } })
"""


def run(
    script: str, data: dict[str, Any], kept: dict[str, Any] | None = None, *, blocked: bool = False
) -> dict[str, Any]:
    """What a browser holds after a script, and what its document says."""
    texts = {key: text if isinstance(text, str) else json.dumps(text) for key, text in (kept or {}).items()}
    scene = SCENE % {"kept": json.dumps(texts), "blocked": json.dumps(blocked)}
    module = script.replace("export default", "const draw =")
    end = "console.log(JSON.stringify({ kept: Object.fromEntries(kept), ...root }))"
    code = f"{scene}\n{module}\ndraw({{ data: {json.dumps(data)} }})\n{end}"
    done = subprocess.run([node(), "-e", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


FORGET = {"forget": {"keys": ["d.ada.", "d.old."], "mark": "m1"}}


def test_deleting_forgets_what_the_browser_held_of_that_life_and_nothing_else() -> None:
    seen = run(
        _BROWSER_DRAFTS,
        FORGET,
        {
            "d.ada.q06": {"text": "x", "profile": "m1"},
            "d.ada.q06.offer": {"text": "x", "profile": "m1"},
            "d.old.q13": {"text": "of an older version"},
            "d.ada.q09": "{broken",
            "d.ada.q07": {"text": "written since", "profile": "m2"},
            "d.bob.q06": {"text": "Bob's", "profile": "m1"},
        },
    )
    assert set(seen["kept"]) == {"d.ada.q07", "d.bob.q06"}


def test_a_renamed_person_finds_the_drafts_of_the_browser() -> None:
    seen = run(_BROWSER_DRAFTS, {"move": {"from": "d.a.", "to": "d.b."}}, {"d.a.q06": "1", "d.c.q06": "2"})
    assert seen["kept"] == {"d.b.q06": "1", "d.c.q06": "2"}


@pytest.mark.parametrize("data", [FORGET, {"move": {"from": "a", "to": "b"}}])
def test_a_browser_with_its_site_data_blocked_makes_no_error(data: dict[str, Any]) -> None:
    assert run(_BROWSER_DRAFTS, data, blocked=True)["kept"] == {}


@pytest.mark.parametrize("blocked", [False, True])
def test_a_document_that_takes_no_cookie_has_its_language_all_the_same(blocked: bool) -> None:
    seen = run(_JS, {"lang": "zh-Hans", "language": "zh", "cookie": "c"}, blocked=blocked)
    assert seen["lang"] == "zh-Hans" and ("cookie" in seen) is not blocked
