"""The playground's page: texts, seeds, branches, the command, and what is said of unusual input."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from labs.playground.continuation import MAX_PROMPT
from labs.runner.job import Job
from minimind_core.__main__ import main as core_main
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER
from pages.ui.lab import token_stream
from pages.ui.site import visitor
from pages.ui.words.i18n import catalogue
from pages.ui.words.markdown import literal
from tests.pages.addresses import visit
from tests.pages.conftest import CountingClient, OpenApp

PAGE = "playground"
MODEL = "nano-rope"


def open_small(open_app: OpenApp, **options: Any) -> AppTest:
    """The page with a small shipped model and a short text."""
    app = open_app(PAGE, **options)
    app.slider(key="playground_max_new_tokens").set_value(12)
    app.selectbox(key="playground_model").set_value(MODEL)
    return app


def press(app: AppTest, button: str) -> AppTest:
    app.button(key=f"playground.{button}").click().run()
    assert not app.exception
    return app


def drawn(app: AppTest) -> dict[str, Any]:
    """What the component is given."""
    return next(
        json.loads(block.proto.json)
        for block in app.get("bidi_component")
        if block.proto.component_name == "token_stream"
    )


def text(app: AppTest) -> str:
    return "".join(token[0] for token in drawn(app)["tokens"])


def says(app: AppTest, words: str) -> bool:
    return any(words in element.value for element in [*app.markdown, *app.caption])


def command(app: AppTest) -> list[str]:
    return shlex.split(app.code[0].value)


def test_a_text_is_written_and_told(open_app: OpenApp, worker: CountingClient) -> None:
    app = press(open_small(open_app), "write")
    assert worker.submitted == ["playground/continuation"]
    data = drawn(app)
    assert data["prompt"] == "Once upon a time" and not data["live"] and len(data["tokens"]) == 12
    for _, _, probability, filtered, rank, kept, by_hand, others in data["tokens"]:
        assert 0 < probability <= 1 and 0 < filtered <= 1 and rank >= 1 and kept >= 1 and not by_hand
        assert sum(chosen for *_, chosen in others) == 1
    assert says(app, "12 tokens, the most you asked for") and says(app, f"{literal(MODEL)} · fp32")


def test_the_command_writes_the_text_on_the_page(
    open_app: OpenApp, capsys: pytest.CaptureFixture[str]
) -> None:
    app = open_small(open_app)
    app.text_area(key="playground_prompt").set_value('It\'s a "test"\nof  $quoting 今天')
    app.slider(key="playground_temperature").set_value(1.2)
    app.number_input(key="playground_top_k").set_value(40)
    app = press(app, "write")
    assert core_main([*command(app)[3:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == text(app)


def test_the_seed_decides_the_text(open_app: OpenApp) -> None:
    app = press(open_small(open_app), "write")
    first = text(app)
    assert text(press(app, "same_seed")) == first and says(app, "token for token")
    assert text(press(app, "new_seed")) != first and not says(app, "token for token")
    second, seed = text(app), app.number_input(key="playground_seed").value
    assert seed > 0 and says(app, f"seed {seed}")
    app.number_input(key="playground_seed").set_value(5).run()
    assert text(press(app, "same_seed")) == second  # of the text on the page, whatever is typed by now
    app.slider(key="playground_temperature").set_value(2.0)
    press(app, "same_seed")
    assert not says(app, "token for token")


def test_a_changed_prompt_is_what_is_written_again(open_app: OpenApp) -> None:
    app = press(open_small(open_app), "write")
    app.text_area(key="playground_prompt").set_value("The dog").run()
    assert drawn(app)["prompt"] == "Once upon a time"
    assert drawn(press(app, "new_seed"))["prompt"] == "The dog"


def test_an_alternative_is_written_on_from(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes: list[tuple[int, int]] = []
    draw = token_stream.token_stream

    def choose(*told: Any, on_branch: Any, **options: Any) -> None:
        if wishes:
            on_branch(*wishes.pop())
        draw(*told, on_branch=on_branch, **options)

    monkeypatch.setattr(token_stream, "token_stream", choose)
    app = press(open_small(open_app), "write")
    before = drawn(app)["tokens"]
    other = next(row for row in before[4][-1] if row[4] and not row[5])
    wishes.append((4, other[0]))
    app.run()
    app.run()
    data = drawn(app)
    assert data["prompt"] == "Once upon a time" and data["tokens"][:4] == before[:4]
    assert data["tokens"][4][1:4] == other[1:4] and data["tokens"][4][6] and len(data["tokens"]) == 5 + 12
    kept = "".join(token[0] for token in data["tokens"][:5])
    assert command(app)[command(app).index("--prompt") + 1] == f"Once upon a time{kept}"
    assert core_main([*command(app)[3:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == text(app).removeprefix(kept)
    assert drawn(press(app, "new_seed"))["tokens"][:5] == data["tokens"][:5]
    wishes.append((0, -1))
    app.run()
    assert not app.exception and len(drawn(app)["tokens"]) == 5 + 12


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("", "begin-of-text"), ("long " * 600, "trained on 512"), ("word " * 250, "grew beyond the 512")],
)
def test_unusual_prompts_work_and_say_so(open_app: OpenApp, prompt: str, said: str) -> None:
    app = open_small(open_app)
    app.text_area(key="playground_prompt").set_value(prompt)
    if said.startswith("grew"):
        app.slider(key="playground_max_new_tokens").set_value(200)
    app = press(app, "write")
    assert says(app, said) and not app.error


def test_greedy_says_that_it_is(open_app: OpenApp) -> None:
    app = open_small(open_app)
    app.slider(key="playground_temperature").set_value(0.0)
    assert says(press(app, "write"), "is greedy")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("/no/such/folder", "There is no checkpoint at '/no/such/folder'"),
        ("README.md", "README.md is not a PyTorch weight file"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_one_sentence(
    open_app: OpenApp, worker: CountingClient, monkeypatch: pytest.MonkeyPatch, model: str, words: str
) -> None:
    """As if it had been typed: AppTest can only pick from the list."""
    submit = worker.submit
    with monkeypatch.context() as patch:
        patch.setattr(worker, "submit", lambda *asked, **how: submit(*asked, **{**how, "model": model}))
        app = press(open_small(open_app), "write")
    assert len(app.error) == 1 and words in app.error[0].value and "\n" not in app.error[0].value
    assert not press(app, "write").error and text(app)


def test_a_stopped_text_stays_and_its_command_ends_there(
    open_app: OpenApp, worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = worker.submit

    def stop_early(*asked: Any, **options: Any) -> Job:
        whole = submit(*asked, **options)
        part = Job(whole.experiment_id, whole.params, lambda _job: None)
        for partial in whole.partials[:6]:
            part.add_partial(partial)
        part.cancel()
        return part

    monkeypatch.setattr(worker, "submit", stop_early)
    app = press(open_small(open_app), "write")
    assert says(app, "5 tokens, then stopped") and len(drawn(app)["tokens"]) == 5
    assert command(app)[command(app).index("--max-new-tokens") + 1] == "5"


def test_the_page_begins_with_its_lead_and_nothing_else(open_app: OpenApp) -> None:
    """Streamlit draws a bare string of a page file, even one meant as documentation."""
    app = open_app(PAGE)
    assert [element.value for element in app.markdown] == [catalogue("en")["playground.lead"]]


def test_the_address_sets_the_page(open_app: OpenApp) -> None:
    app = open_app(PAGE, playground_prompt="Hello", playground_temperature="9", playground_seed="7")
    assert app.text_area(key="playground_prompt").value == "Hello"
    assert app.number_input(key="playground_seed").value == 7
    assert app.slider(key="playground_temperature").value == 3.0 and says(app, "the address asks for 9")


def test_examples_fill_the_prompt_in_any_language(open_app: OpenApp) -> None:
    app = open_app(PAGE, lang="zh")
    assert app.text_area(key="playground_prompt").value == "春天来了，"
    assert app.text_area(key="playground_prompt").value != press(app, "example.2").text_area[0].value


def test_prompt_and_text_are_there_after_another_page(open_app: OpenApp) -> None:
    app = open_small(open_app)
    app.text_area(key="playground_prompt").set_value("The dog")
    before = text(press(app, "write"))
    visit(app, "")
    visit(app, PAGE)
    assert app.text_area(key="playground_prompt").value == "The dog" and text(app) == before


def test_somebody_elsewhere_reads_and_chooses_no_path(
    open_app: OpenApp, worker: CountingClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "secret" / "mine"
    shutil.copytree(WEIGHTS_FOLDER / "byte-128", mine)
    asked: list[str | None] = []
    submit = worker.submit

    def on_mine(*told: Any, model: str | None, **options: Any) -> Job:
        asked.append(model)
        return submit(*told, model=str(mine), **options)

    monkeypatch.setattr(worker, "submit", on_mine)
    app = press(open_small(open_app), "write")
    assert command(app)[command(app).index("--model") + 1] == str(mine)
    monkeypatch.setattr(visitor, "at_this_machine", lambda _headers: False)
    monkeypatch.setattr(visitor, "visitor_name", lambda _cookies: None)
    app.run()
    assert command(app)[command(app).index("--model") + 1] == "mine"
    app.selectbox(key="playground_model").set_value("")
    press(app, "write")
    assert asked == [MODEL, None]


@pytest.mark.parametrize(("lang", "said"), [("en", "has 8,002 characters"), ("zh", "有 8,002 个字符")])
def test_a_long_paste_stays_and_its_beginning_is_read(
    open_app: OpenApp, worker: CountingClient, lang: str, said: str
) -> None:
    app = open_small(open_app) if lang == "en" else open_app(PAGE, lang=lang, playground_max_new_tokens="1")
    pasted = "a" * MAX_PROMPT + " b"
    app.text_area(key="playground_prompt").set_value(pasted).run()
    assert app.text_area(key="playground_prompt").value == pasted
    assert said in app.warning[0].value
    press(app, "write")
    assert not app.exception and not app.error
    assert app.session_state["playground.writing"].params.prompt == "a" * MAX_PROMPT
