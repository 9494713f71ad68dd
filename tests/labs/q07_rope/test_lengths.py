"""The length bench: in which order the models are, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labs.claims import recordings
from labs.contract import Shown
from labs.q07_rope import lengths
from labs.q07_rope.length_summary import BUCKETS, TREATMENTS, summarised
from labs.q07_rope.lengths import Lengths, LengthsParams
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools import heldout
from questions import load_question

ResultOf = Callable[[str], dict[str, Any]]
Show = Callable[[str, Any], Shown]


@pytest.fixture(scope="module")
def result(result_of: ResultOf) -> dict[str, Any]:
    return result_of("lengths")


# What is measured


def test_our_own_weights_are_in_the_order_that_the_answer_gives(result: dict[str, Any]) -> None:
    at = {line: by_length.get("2048") for line, by_length in result["perplexity"].items()}
    assert at["alibi"] < 0.5 * at["rope"] < at["rope"] < at["learned_longer"]
    assert at["rope"] < at["sinusoidal"]
    assert at["window"] < at["yarn"] < 0.7 * at["ntk"] < 0.7 * at["rope"]
    assert result["growth"]["rope"]["2048"] > 2 > 1.2 > result["growth"]["alibi"]["2048"]
    assert result["window"]["growth"]["2048"] < 1.2 and result["scaled"]["yarn"]["2048"] < 1.3
    shifted = result["perplexity"]["shifted"]["512"]
    assert shifted == pytest.approx(result["perplexity"]["rope"]["512"], rel=1e-3)
    assert result["against_rope"]["learned"]["512"] > 1
    assert result["worst_scaling"] == "pi" and result["capped"] is False
    assert result["tail"]["rope"]["2048"] > result["perplexity"]["rope"]["2048"]  # worse at the end
    assert result["table_end"]["error"] == "IndexError" and "1024" not in result["perplexity"]["learned"]
    nats = result["by_position"]["rope"]["nats"]
    assert nats[-4:].mean() > nats[:4].mean() + 1 and len(nats) == BUCKETS


def test_growth_lies_within_its_range_over_documents(client: InlineClient) -> None:
    job = client.submit("q07/lengths", {"documents": 3, "model": "byte-128", "reach": 512})
    assert job.result is not None, job.error
    result = job.result
    assert result["lengths"] == [128, 256, 512] and result["documents"] == 3
    assert "alibi" not in result["perplexity"]  # relatives have another tokenizer
    for length in ("256", "512"):
        span = result["growth_range"]["rope"][length]
        assert span["low"] <= result["growth"]["rope"][length] <= span["high"]
    assert result["growth"]["rope"]["512"] > 2 > 1.1 > result["window"]["growth"]["512"]
    assert result["perplexity"]["yarn"]["512"] < result["perplexity"]["rope"]["512"]
    read = [(partial["row"], partial["length"]) for partial in job.partials]
    assert read[:3] == [("rope", 128), ("rope", 256), ("rope", 512)]
    assert job.partials[0]["perplexity"] == result["perplexity"]["rope"]["128"]


def test_switches_and_a_fixed_factor_do_what_they_say(client: InlineClient) -> None:
    job = client.submit(
        "q07/lengths",
        {
            "documents": 1,
            "model": "byte-128",
            "reach": 512,
            "factor": 16,
            "window": False,
            "shift": False,
            "temperature": False,
            "original": 2048,
        },
    )
    assert job.result is not None, job.error
    perplexity = job.result["perplexity"]
    assert set(perplexity) == {"rope", "pi", "ntk", "yarn", "upstream"}
    assert perplexity["yarn"] == pytest.approx(perplexity["upstream"])  # the same dictionary
    assert perplexity["pi"]["128"] > 2 * perplexity["rope"]["128"]  # the price of leaving it on
    assert job.result["window"]["growth"] == {}


def test_a_run_at_the_trained_length_alone_has_no_growth(client: InlineClient, show: Show) -> None:
    params = LengthsParams(documents=1, reach=512, others=False)
    job = client.submit("q07/lengths", params)
    assert job.result is not None, job.error
    assert job.result["worst_scaling"] == "" and job.result["growth"]["rope"] == {}
    notes = show("lengths", Lengths().complete(params, job.result)).notes
    assert len(notes) == 1 and notes[0].startswith("The learned specimen")


def test_pasted_text_is_read_instead(client: InlineClient) -> None:
    pasted = "".join(heldout.held_out("english"))[:6000]
    settings = {"reach": 1024, "others": False, "window": False, "shift": False}
    job = client.submit("q07/lengths", {"pasted": pasted, **settings})
    other = client.submit("q07/lengths", {"pasted": pasted[::-1], **settings})
    assert job.result is not None and other.result is not None, job.error
    assert job.result["documents"] >= 1 and job.result["growth"]["rope"]["1024"] > 1.2
    assert other.result["perplexity"]["rope"]["512"] > 2 * job.result["perplexity"]["rope"]["512"]


def test_the_worst_treatment_may_be_none_at_all() -> None:
    nats = {
        "rope": (1.0, 2.0),
        "pi": (1.0, 1.9),
        "ntk": (1.0, 1.5),
        "yarn": (1.0, 1.1),
        "upstream": (1.0, 3.0),
    }
    losses = {
        line: {
            length: np.full((2, 64), value, np.float32) for length, value in zip((16, 32), both, strict=True)
        }
        for line, both in nats.items()
    }
    perplexity = {line: {"16": np.e ** both[0], "32": np.e ** both[1]} for line, both in nats.items()}
    read = {"trained": 16, "lengths": [16, 32], "base": "rope", "perplexity": perplexity}
    summary = summarised(read, losses)  # type: ignore[arg-type]
    assert summary["worst_scaling"] == "none"  # upstream is no choice of the prediction
    assert summary["growth"]["rope"] == {"32": pytest.approx(np.e)}
    assert summary["growth_range"]["rope"]["32"] == pytest.approx({"low": np.e, "high": np.e})
    assert {choice.id for choice in load_question("q07_rope").prediction("worst-scaling").choices} == set(
        TREATMENTS
    )


def test_the_recorded_run_says_what_the_answer_says() -> None:
    records = recordings.recorded("q07/lengths")
    assert len(records) >= 2
    for record in records:
        result = record["result"]
        assert result["worst_scaling"] == "pi"
        at_twice = {kind: result["scaled"][kind]["1024"] for kind in ("pi", "ntk", "yarn")}
        assert min(at_twice, key=at_twice.__getitem__) == "yarn"
        assert result["growth"]["rope"]["2048"] > 2 > result["window"]["growth"]["2048"]


# What is shown


def test_every_number_stands_at_its_line_and_length(result: dict[str, Any], show: Show) -> None:
    shown, perplexity = show("lengths", result), result["perplexity"]
    names = {
        "rope": "RoPE",
        "yarn": "YaRN",
        "alibi": "ALiBi",
        "window": "window",
        "learned_longer": "learned +",
    }
    for line, name in names.items():
        assert shown.numbers[name] == perplexity[line]["2048"]
    assert "learned" not in shown.numbers and "shifted" not in shown.numbers  # read at 512 alone
    rows = {row["model or treatment"]: row for row in shown.rows}
    assert len(rows) == len(perplexity) == 13
    assert [rows["RoPE"][length] for length in ("512", "1,024", "2,048")] == list(perplexity["rope"].values())
    assert rows["RoPE"]["longest over trained"] == pytest.approx(result["growth"]["rope"]["2048"])
    assert rows["RoPE"]["last 256 tokens"] == result["tail"]["rope"]["2048"]
    assert rows["YaRN"]["longest over trained"] == pytest.approx(result["scaled"]["yarn"]["2048"])
    assert rows["learned"]["1,024"] == "–" == rows["learned"]["longest over trained"]
    growth, table_end = shown.notes
    assert growth.startswith(f"RoPE in chunks of 2,048: {result['growth']['rope']['2048']:.2f}× its")
    assert "IndexError" in table_end and "(0-511)" in table_end


def test_the_figures_draw_each_line_to_its_end(result: dict[str, Any], show: Show) -> None:
    figures = show("lengths", result).figures
    assert list(figures) == ["kinds", "treatments", "position"]
    lines = {trace["hovertemplate"].partition("<br>")[0]: trace for trace in figures["treatments"].data}
    assert list(lines) == ["RoPE", "PI", "NTK", "YaRN", "upstream", "window", "shifted"]
    start = result["perplexity"]["rope"]["512"]
    assert lines["YaRN"]["x"] == [512, 1024, 2048]  # from where the untreated model is
    assert lines["YaRN"]["y"] == [start, *result["perplexity"]["yarn"].values()]
    assert lines["RoPE"]["y"] == list(result["perplexity"]["rope"].values())
    names = [note["text"] for note in figures["kinds"].layout["annotations"]]
    assert names[-1] == "learned: IndexError<br>at position 512" and "learned +" in names


def test_what_a_cpu_does_not_read_comes_from_a_stored_run(
    result: dict[str, Any], show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, capped = LengthsParams(reach=4096), {**result, "capped": True}
    stored = {
        "lengths": [512, 1024, 2048, 4096, 8192],
        "perplexity": {"rope": {"2048": 40.0, "4096": 80.0, "8192": 160.0}},
    }
    record = {"device_name": "Some GPU", "date": "2026-01-02T03:04:05", "result": stored}
    monkeypatch.setattr(lengths, "recorded", lambda _name: [record])
    completed = Lengths().complete(params, capped)  # type: ignore[arg-type]
    assert completed["view"]["stored"] is not None
    assert completed["view"]["stored"]["lengths"] == [4096]
    shown = show("lengths", completed)
    assert any("the stored measurement of 2026-01-02 on Some GPU" in note for note in shown.notes)
    (line,) = (trace for trace in shown.figures["kinds"].data if trace["meta"]["role"] == "recorded")
    assert line["x"] == [2048, 4096] and line["y"] == [result["perplexity"]["rope"]["2048"], 80.0]
    monkeypatch.setattr(lengths, "recorded", lambda _name: [])
    alone = show("lengths", Lengths().complete(params, capped))  # type: ignore[arg-type]
    assert any("there is no stored measurement" in note for note in alone.notes)


def test_a_run_is_drawn_while_it_goes_on(job_of: Callable[[str], Job], show: Show) -> None:
    job, experiment = job_of("lengths"), Lengths()
    assert job.result is not None and len(job.partials) > 20
    for count in range(1, len(job.partials) + 1):
        so_far = experiment.so_far(LengthsParams(), job.partials[:count])
        shown = show("lengths", so_far)
        assert not shown.rows and not shown.notes and "treatments" in shown.figures
    assert so_far["perplexity"] == job.result["perplexity"] and so_far["lengths"] == job.result["lengths"]
