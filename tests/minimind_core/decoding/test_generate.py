"""Naive, cached and batched generation give the same tokens; stops, streams and says what it cannot do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch

from minimind_core.decoding.generate import Generator, Method, check_prompts, generate
from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.stream import stream
from minimind_core.errors import ConfigError
from minimind_core.files.checkpoint import load_model
from minimind_core.files.checkpoint_config import shipped_checkpoints
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_model, sentence
from tests.minimind_core.llama_twins import SHAPES, sample, twin

GREEDY = SamplingParams(temperature=0)
PROMPTS = [[5, 40, 7, 33], [250], [11, 12, 13, 14, 15, 16, 17, 18, 19], [100, 3]]
MIXED = [
    SamplingParams(0.7, seed=1),
    SamplingParams(1.3, top_k=30, top_p=0.8, seed=2),
    GREEDY,
    SamplingParams(1.0, min_p=0.05, repetition_penalty=1.3, seed=3),
]
METHODS: tuple[Method, ...] = ("naive", "cached")


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return random_model()


def continued(
    model: MiniMind,
    prompts: Sequence[Sequence[int]],
    params: SamplingParams | list[SamplingParams],
    count: int = 40,
    method: Method = "cached",
    stop_ids: Sequence[int] = (),
) -> list[list[int]]:
    return generate(model, prompts, params, count, method=method, stop_ids=stop_ids).new_ids


@pytest.mark.parametrize("shape", SHAPES)
def test_200_greedy_tokens_equal_transformers(shape: str) -> None:
    model = sample(shape)
    theirs = twin(model).generate(
        torch.tensor([PROMPTS[0]]),
        max_new_tokens=200,
        do_sample=False,
        attention_mask=torch.ones(1, 4, dtype=torch.int64),
    )
    ours = continued(model, [PROMPTS[0]], GREEDY, 200)[0]
    assert ours == theirs[0, 4:].tolist()
    assert len(set(ours)) > 5  # not one token for ever, which any error would also give
    assert continued(model, [PROMPTS[0]], GREEDY, 50, "naive")[0] == ours[:50]


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "none"])
def test_naive_equals_cached_equals_alone(position: str) -> None:
    model = random_model(TINY.replace(position=position, max_length=64))
    naive = continued(model, PROMPTS, MIXED, method="naive")
    assert naive == continued(model, PROMPTS, MIXED)
    pairs = zip(PROMPTS, MIXED, strict=True)
    assert naive == [continued(model, [prompt], params)[0] for prompt, params in pairs]


@pytest.mark.parametrize("method", METHODS)
def test_a_request_does_not_depend_on_its_batch(model: MiniMind, method: Method) -> None:
    alone = continued(model, [PROMPTS[1]], MIXED[1], method=method)[0]
    for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
        batch = continued(model, [PROMPTS[i] for i in order], [MIXED[i] for i in order], method=method)
        assert batch[order.index(1)] == alone


def test_seeds_repeat_and_differ(model: MiniMind) -> None:
    texts = [continued(model, [PROMPTS[0]], SamplingParams(1.0, seed=seed))[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert continued(model, [PROMPTS[0]] * 2, SamplingParams(1.0)) != continued(
        model, [PROMPTS[0]] * 2, SamplingParams(1.0)
    )


def test_equal_requests_of_one_seed_give_equal_rows(model: MiniMind) -> None:
    rows = continued(model, [PROMPTS[0]] * 3, SamplingParams(1.0, seed=4))
    assert rows[0] == rows[1] == rows[2]


def test_a_generator_forgets_its_last_batch(model: MiniMind) -> None:
    generator = Generator(model, batch_size=2, capacity=64)
    first = generator.generate(PROMPTS[:2], MIXED[:2], 30).new_ids
    generator.generate(PROMPTS[2:], MIXED[2:], 40)
    assert (
        generator.generate(PROMPTS[:2], MIXED[:2], 30).new_ids
        == first
        == continued(model, PROMPTS[:2], MIXED[:2], 30)
    )


@pytest.mark.parametrize("check_every", [1, 2, 7, 100])
def test_how_often_the_host_looks_changes_nothing(model: MiniMind, check_every: int) -> None:
    stop = continued(model, PROMPTS, MIXED)[1][9]
    generator = Generator(model, batch_size=4, capacity=64)
    looked = generator.generate(PROMPTS, MIXED, 40, stop_ids=[stop], check_every=check_every).new_ids
    assert looked == continued(model, PROMPTS, MIXED, stop_ids=[stop])


@pytest.mark.parametrize("method", METHODS)
def test_each_row_ends_with_its_first_stop_id(model: MiniMind, method: Method) -> None:
    free = continued(model, PROMPTS, MIXED, method=method)
    stops = {free[0][5], free[2][0]}
    ended = continued(model, PROMPTS, MIXED, method=method, stop_ids=tuple(stops))
    for row, whole in zip(ended, free, strict=True):
        first = next((index for index, token in enumerate(whole) if token in stops), len(whole) - 1)
        assert row == whole[: first + 1]
    assert len(ended[2]) == 1 < len(ended[0]) < 40


def test_generation_can_be_stopped_from_outside(model: MiniMind) -> None:
    looks = iter([False, True])
    generator = Generator(model, capacity=64)
    stopped = generator.generate([PROMPTS[0]], GREEDY, 50, check_every=4, should_stop=lambda: next(looks))
    assert stopped.new_ids[0] == continued(model, [PROMPTS[0]], GREEDY, 5)[0]


@pytest.mark.parametrize("params", MIXED)
def test_stream_gives_the_same_tokens(model: MiniMind, params: SamplingParams) -> None:
    expected = continued(model, [PROMPTS[0]], params, 25)[0]
    assert [token.id for token in stream(model, PROMPTS[0], params, 25)] == expected
    stop = expected[10]
    ended = [token.id for token in stream(model, PROMPTS[0], params, 25, stop_ids=(stop,))]
    assert ended == expected[: expected.index(stop) + 1]


def test_stream_tells_what_was_chosen_from(model: MiniMind) -> None:
    with torch.no_grad():
        probabilities = model(torch.tensor([PROMPTS[0]]))[0, -1].softmax(-1)
    best = probabilities.topk(3)
    plain = next(stream(model, PROMPTS[0], SamplingParams(seed=0), 1, num_alternatives=3))
    assert plain.probability == pytest.approx(float(probabilities[plain.id]), rel=1e-4)
    assert [token for token, _ in plain.alternatives] == best.indices.tolist()
    assert [p for _, p in plain.alternatives] == pytest.approx(best.values.tolist(), rel=1e-4)
    assert plain.entropy == pytest.approx(float(torch.special.entr(probabilities).sum()), rel=1e-4)
    assert plain.kept == TINY.vocab_size
    assert next(stream(model, PROMPTS[0], SamplingParams(top_k=7, seed=0), 1)).kept == 7
    greedy = next(stream(model, PROMPTS[0], GREEDY, 1))
    assert (greedy.id, greedy.kept, greedy.entropy) == (int(best.indices[0]), 1, 0)


@pytest.mark.parametrize("params", MIXED)
def test_stream_tells_what_the_settings_made_of_it(model: MiniMind, params: SamplingParams) -> None:
    told = list(stream(model, PROMPTS[0], params, 6, num_alternatives=TINY.vocab_size))
    seen = torch.zeros(TINY.vocab_size, dtype=torch.bool)
    ids = list(PROMPTS[0])
    for token in told:
        seen[ids] = True
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[0, -1]
        penalized = apply_repetition_penalty(logits, seen, params.repetition_penalty)
        expected = filter_logits(penalized, params.temperature, params.top_k, params.top_p, params.min_p)
        alternatives = [index for index, _ in token.alternatives]
        assert token.filtered_alternatives == pytest.approx(expected[alternatives].tolist(), abs=1e-5)
        assert token.filtered_probability == token.filtered_alternatives[alternatives.index(token.id)] > 0
        assert token.rank == alternatives.index(token.id) + 1
        assert token.kept == sum(share > 0 for share in token.filtered_alternatives)
        ids.append(token.id)


def test_stream_reads_the_last_position_of_the_prompt_only(
    model: MiniMind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head over a whole long prompt would cost its length times the vocabulary, for nothing."""
    shapes = []
    head = model.head
    monkeypatch.setattr(model, "head", lambda hidden: shapes.append(hidden.shape[1]) or head(hidden))
    list(stream(model, PROMPTS[0], GREEDY, 3))
    assert shapes == [1, 1, 1]


def test_stream_refuses_logits_without_a_candidate() -> None:
    broken = random_model()
    broken.model.norm.weight.data[0] = float("nan")
    assert "no candidate" in sentence(lambda: next(stream(broken, [5], GREEDY, 1)))


@pytest.mark.parametrize(
    ("prompts", "count", "expected"),
    [
        ([[1]], 0, "Ask for at least one token."),
        ([], 5, "The prompt needs at least one token (BOS will do)."),
        ([[1], []], 5, "The prompt needs at least one token (BOS will do)."),
        ([[1, 259]], 5, "Token id out of range 0-258; use the tokenizer that belongs to these weights."),
        ([[-1]], 5, "Token id out of range 0-258; use the tokenizer that belongs to these weights."),
    ],
)
def test_what_cannot_be_generated_from_is_said(
    model: MiniMind, prompts: list[list[int]], count: int, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_prompts(TINY, prompts, count)
    assert str(caught.value) == expected
    with pytest.raises(ConfigError, match=r"^[A-Z]"):
        generate(model, prompts, GREEDY, count)


def test_a_length_beyond_the_cache_is_said(model: MiniMind) -> None:
    generator = Generator(model, capacity=16)
    assert len(generator.generate([[1] * 6], GREEDY, 10).new_ids[0]) == 10
    message = sentence(lambda: generator.generate([[1] * 6], GREEDY, 11))
    assert message == "Prompt and new tokens together are 17; this cache holds 16."


def test_learned_positions_end_with_their_table() -> None:
    model = random_model(TINY.replace(position="learned"))
    assert len(continued(model, [[1] * 20], GREEDY, 12)[0]) == 12
    assert "has 32 learned positions (0-31)" in sentence(lambda: continued(model, [[1] * 20], GREEDY, 13))


@pytest.mark.parametrize("method", METHODS)
def test_beyond_the_trained_length_works_and_is_told(model: MiniMind, method: Method) -> None:
    within = generate(model, [[1] * 20], GREEDY, 12, method=method)
    beyond = generate(model, [[1] * 20], GREEDY, 80, method=method)
    assert not within.beyond_trained_length and beyond.beyond_trained_length
    assert beyond.new_ids[0][:12] == within.new_ids[0] and len(beyond.new_ids[0]) == 80


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_compiled_equals_cached(device: str) -> None:
    """Inductor compiles the forward, minutes on two cores; on a GPU a captured graph replays the step."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    model = random_model().to(device)
    compiled = Generator(model, batch_size=4, capacity=128, method="compiled")
    for params in ([GREEDY] * 4, MIXED, MIXED[::-1], [GREEDY] * 4):  # graphs are kept and come back
        assert compiled.generate(PROMPTS, params, 20).new_ids == continued(model, PROMPTS, params, 20)


@pytest.mark.skipif("minimind-26m" not in shipped_checkpoints(), reason="minimind-26m is not in weights/")
def test_the_shipped_model_writes_what_transformers_writes() -> None:
    loaded = load_model("minimind-26m")
    ids = [loaded.config.bos_id, *loaded.tokenizer.encode("今天天气")]
    theirs = twin(loaded.model).generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
        max_new_tokens=200,
        do_sample=False,
    )
    ours = continued(loaded.model, [ids, ids[:2]], GREEDY, 200)
    assert ours[0] == theirs[0, len(ids) :].tolist()
    assert continued(loaded.model, [ids], GREEDY, 30, "naive")[0] == ours[0][:30]
