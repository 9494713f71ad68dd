"""One decode step: equal to the whole forward in every form, rows that come and go, one graph capture."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from minimind_core.decoding import cuda_graph
from minimind_core.decoding.choose import Chooser
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.decoding.decode import Decoding
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step, StepKind, padded
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_model
from tests.minimind_core.llama_twins import difference

PROMPTS = [[5, 40, 7, 33], [250], [11, 12, 13, 14, 15, 16, 17, 18, 19]]
ROOT = Path(__file__).resolve().parents[3]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return random_model().eval()


def column(*values: int) -> Tensor:
    """A token or position a row, [B, 1]."""
    return torch.tensor(values)[:, None]


def whole(model: MiniMind, ids: Sequence[int]) -> Tensor:
    """Logits [V] after the last token, everything read at once."""
    with torch.no_grad():
        return model(torch.tensor([ids]))[0, -1]


@pytest.mark.parametrize("kind", ["eager", "graph"])
def test_a_step_gives_the_logits_of_the_whole_text(model: MiniMind, kind: StepKind) -> None:
    step = Step(model, 3, 16, kind)
    texts = [list(prompt) for prompt in PROMPTS]
    logits = step.prefill(PROMPTS)
    assert step.positions.tolist() == [[3], [0], [8]]
    for tokens in ([1, 2, 3], [9, 9, 9]):
        assert difference(logits, torch.stack([whole(model, text) for text in texts])) < 1e-4
        positions = column(*map(len, texts))
        for text, token in zip(texts, tokens, strict=True):
            text.append(token)
        logits = step(column(*tokens), positions)
        assert not logits.requires_grad
    assert difference(logits, torch.stack([whole(model, text) for text in texts])) < 1e-4


def test_a_row_that_is_reset_reads_anew_and_the_others_do_not_notice(model: MiniMind) -> None:
    step, undisturbed = Step(model, 3, 16), Step(model, 3, 16)
    for each in (step, undisturbed):
        each.prefill(PROMPTS)
    step.reset([1])
    assert [row.max().item() for row in step.cache.positions] == [3, -1, 8]
    first = step(column(6, 60, 7), column(4, 0, 9))  # a new text begins in row 1
    second = step(column(8, 61, 9), column(5, 1, 10))
    assert difference(first[1], whole(model, [60])) < 1e-4
    assert difference(second[1], whole(model, [60, 61])) < 1e-4
    undisturbed(column(6, 70, 7), column(4, 1, 9))
    assert torch.equal(second[[0, 2]], undisturbed(column(8, 71, 9), column(5, 2, 10))[[0, 2]])


def test_a_prompt_is_read_into_its_row_only(model: MiniMind) -> None:
    step = Step(model, 3, 16)
    step.prefill(PROMPTS)
    before = [tensor.clone() for tensor in (*step.cache.keys, *step.cache.values)]
    logits = step.prefill([[60, 61]], first_row=1)
    assert difference(logits[0], whole(model, [60, 61])) < 1e-4
    assert step.positions.tolist() == [[3], [1], [8]]
    assert step.cache.positions[1].tolist() == [0, 1, *[-1] * 14]
    for tensor, old in zip((*step.cache.keys, *step.cache.values), before, strict=True):
        assert torch.equal(tensor[[0, 2]], old[[0, 2]]) and not torch.equal(tensor[1], old[1])


def test_requests_that_come_and_go_have_the_tokens_that_they_have_alone(model: MiniMind) -> None:
    """A continuous batch of two rows: whenever a request has its tokens, the next one takes its row."""
    params = [
        SamplingParams(0.9, top_k=20, seed=3),
        SamplingParams(1.2, repetition_penalty=1.4, seed=4),
        SamplingParams(temperature=0),
    ]
    lengths, rows, waiting = [5, 12, 6], {}, [0, 1, 2]
    texts: list[list[int]] = [[], [], []]
    step, chooser = Step(model, 2, 32), Chooser(2, TINY.vocab_size)
    logits = torch.zeros(2, TINY.vocab_size)
    while waiting or rows:
        for row in (0, 1):
            if waiting and row not in rows:
                rows[row] = waiting.pop(0)
                step.reset([row])
                logits[row] = step.prefill([PROMPTS[rows[row]]], first_row=row)[0]
                chooser.assign([row], [params[rows[row]]], [PROMPTS[rows[row]]])
        chosen = chooser(logits)
        for row, request in list(rows.items()):
            texts[request].append(int(chosen[row]))
            if len(texts[request]) == lengths[request]:
                del rows[row]
        logits = step(chosen[:, None], step.positions + 1).clone()
    for request, text in enumerate(texts):
        alone = generate(model, [PROMPTS[request]], params[request], lengths[request]).new_ids[0]
        assert text == alone


def test_a_row_that_is_given_away_forgets_what_it_has_seen() -> None:
    chooser = Chooser(2, 8)
    chooser.start([SamplingParams(repetition_penalty=2.0, seed=1)] * 2, torch.tensor([[1, 2], [3, -1]]))
    chooser.assign([0], [SamplingParams(repetition_penalty=1.5, seed=5)], [[6, 7]])
    assert [row.nonzero().flatten().tolist() for row in chooser.seen] == [[6, 7], [3]]
    assert chooser.settings["repetition_penalty"].flatten().tolist() == [1.5, 2]


def test_what_follows_a_step_is_one_program_with_it(model: MiniMind) -> None:
    step = Step(model, 1, 16)
    logits = step.prefill([PROMPTS[0]])
    step.ids.copy_(logits.argmax(-1, keepdim=True))
    step.positions.add_(1)
    program = step.then(lambda logits: logits.argmax(-1))
    text = [*PROMPTS[0], int(step.ids)]
    assert program().tolist() == [int(whole(model, text).argmax())]


def test_a_full_cache_is_stepped_over_at_a_fixed_length(model: MiniMind) -> None:
    step = Step(model, 2, 12, "graph")
    step.cache.fill(0.01)
    step.positions.fill_(11)
    once, again = (step(column(1, 1), step.positions).clone() for _ in range(2))
    assert torch.equal(once, again)
    assert step.cache.positions.tolist() == [list(range(12))] * 2
    assert (step.cache.keys[0][:, :, :11] == 0.01).all() and (step.cache.keys[0][:, :, 11] != 0.01).any()


def test_a_finished_batch_gives_its_memory_back_at_once(model: MiniMind) -> None:
    """Without waiting for the garbage collector, which does not know how large a cache is."""
    gc.disable()
    try:
        decoding = Decoding(model, 1, 16)
        decoding.start([PROMPTS[0]], [SamplingParams(temperature=0)])
        decoding.advance(3)
        step = Step(model, 1, 16)
        step(column(5), column(0))
        caches = [weakref.ref(decoding.step.cache), weakref.ref(step.cache)]
        del decoding, step
        assert [cache() for cache in caches] == [None, None]
    finally:
        gc.enable()


def test_padding_is_on_the_right() -> None:
    assert padded([[1, 2, 3], [4]], torch.device("cpu")).tolist() == [[1, 2, 3], [4, -1, -1]]


class RecordedGraph:
    """Stands for `torch.cuda.CUDAGraph` on a machine without one."""

    replays = 0

    def replay(self) -> None:
        self.replays += 1


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams and graphs that run what they are given at once."""

    class Stream:
        def wait_stream(self, other: object) -> None:
            assert other is not self

    @contextlib.contextmanager
    def using(_: object) -> Iterator[None]:
        yield

    cuda = cuda_graph.torch.cuda
    monkeypatch.setattr(cuda, "Stream", Stream)
    monkeypatch.setattr(cuda, "current_stream", Stream)
    monkeypatch.setattr(cuda, "stream", using)
    monkeypatch.setattr(cuda, "graph", using)
    monkeypatch.setattr(cuda, "CUDAGraph", RecordedGraph)


@pytest.mark.usefixtures("fake_cuda")
def test_recording_a_graph_leaves_its_state_as_it_was() -> None:
    counter, result, calls = torch.tensor([7]), torch.zeros(1), []

    def function() -> Tensor:
        assert torch.is_inference_mode_enabled()  # or the cache would remember how it was computed
        calls.append(1)
        counter.add_(1)
        return result

    graph = CudaGraph(function, (counter,))
    assert counter.item() == 7 and len(calls) == cuda_graph.WARM_UP_CALLS + 1
    assert graph() is result and graph() is result
    assert graph.graph.replays == 2 and len(calls) == cuda_graph.WARM_UP_CALLS + 1


@pytest.mark.usefixtures("fake_cuda")
def test_a_graph_keeps_the_memory_that_its_kernels_read() -> None:
    def recorded() -> tuple[CudaGraph[Tensor], weakref.ref[Tensor]]:
        memory = torch.zeros(1)
        return CudaGraph(lambda: memory.add_(1)), weakref.ref(memory)

    graph, memory = recorded()
    graph.result = torch.empty(0)  # a result in other memory, as of a step
    gc.collect()
    assert memory() is not None


@needs_gpu
def test_a_program_outlives_its_step() -> None:
    def program() -> Callable[[], Tensor]:
        step = Step(random_model().eval().cuda(), 2, 32, "graph")
        step.prefill(PROMPTS[:2])
        return step.then(lambda logits: logits.argmax(-1))

    run = program()
    gc.collect()
    torch.cuda.empty_cache()  # what is free goes back to the device, where reading it is an error
    first = run().clone()
    assert torch.equal(run(), first)
    torch.cuda.synchronize()


@needs_gpu
@pytest.mark.parametrize("kind", ["graph", "compiled"])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_captured_step_equals_the_eager_one(kind: StepKind, rows: int) -> None:
    model = random_model().eval().cuda()
    steps = [Step(model, rows, 32, each) for each in ("eager", kind)]
    for step in steps:
        step.prefill(PROMPTS[:rows])
    for count in range(4):
        ids = torch.full((rows, 1), 30 + count, device="cuda")
        eager, captured = (step(ids, step.positions + 1) for step in steps)
        assert difference(eager, captured) < 1e-4
        if rows == 3 and count == 1:
            for step in steps:
                step.reset([1])
                step.prefill([[60, 61]], first_row=1)
    assert torch.equal(steps[0].cache.positions, steps[1].cache.positions)


def test_one_place_captures_graphs() -> None:
    """Warm-up, streams and state are easily got wrong twice."""
    sources: dict[str, Callable[[], str]] = {
        path.relative_to(ROOT).as_posix(): path.read_text
        for folder in ("minimind_core", "labs", "study", "pages")
        for path in (ROOT / folder).rglob("*.py")
    }
    capturing = [name for name, read in sources.items() if "CUDAGraph" in read() or "cuda.graph(" in read()]
    assert capturing == ["minimind_core/decoding/cuda_graph.py"]
