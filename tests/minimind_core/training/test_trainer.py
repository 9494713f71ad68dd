"""Training: one gradient however it is spread, bit-exact resumption, unusable states."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
import torch.nn.functional as F

from minimind_core.errors import ConfigError
from minimind_core.model.minimind import MiniMind
from minimind_core.training.batches import IGNORE, Batch
from minimind_core.training.distributed import Processes
from minimind_core.training.trainer import StepRecord, Trainer
from minimind_core.training.training_config import TrainingConfig, learning_rate_factor
from tests.minimind_core.checkpoint_samples import TINY, sentence
from tests.minimind_core.training_run import BROKEN, CONFIG, SHORT, RandomBatches, fresh_trainer

ROOT = Path(__file__).resolve().parents[3]
SMOOTH = dataclasses.replace(SHORT, eps=1e-3)
"""With Adam's usual eps a gradient of rounding noise moves a weight as far as any other."""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def losses(trainer: Trainer, until: int | None = None) -> list[float]:
    return [record.loss for record in trainer.steps(until)]


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.parameters])


def mean_loss(model: MiniMind, batch: Batch) -> torch.Tensor:
    return F.cross_entropy(model(batch.inputs).flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)


@pytest.mark.parametrize("grad_accum", [2, 4, 8])
def test_accumulation_equals_one_big_batch(grad_accum: int) -> None:
    """Rows have 1 to 16 targets: a mean of the micro-batches' means is another loss and gradient."""
    whole = fresh_trainer(dataclasses.replace(SMOOTH, grad_accum=1))
    parts = fresh_trainer(dataclasses.replace(SMOOTH, grad_accum=grad_accum))
    batch = whole.source.batch(0)
    with torch.no_grad():
        size = 8 // grad_accum
        means = [mean_loss(whole.model, batch.rows(start, start + size)) for start in range(0, 8, size)]
    first, second = list(whole.steps()), list(parts.steps())
    assert abs(float(torch.stack(means).mean()) - first[0].loss) > 1e-3
    for one, other in zip(first, second, strict=True):
        assert (one.loss, one.grad_norm) == pytest.approx((other.loss, other.grad_norm), rel=1e-5)
    assert (weights(whole) - weights(parts)).abs().max() < 1e-6


def test_an_update_is_the_one_written_out() -> None:
    """Mean loss over all targets, clipping, AdamW without decay of norms, the scheduled rate."""
    config = dataclasses.replace(SMOOTH, clip_norm=0.5)
    trainer = fresh_trainer(config)
    torch.manual_seed(0)
    model = MiniMind(TINY)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}],
        betas=(0.9, 0.95),
        eps=SMOOTH.eps,
    )
    for record in trainer.steps():
        batch = trainer.source.batch(record.step)
        loss = mean_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        rate = 1e-3 * learning_rate_factor("linear", record.step, 6, 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        assert norm > 0.5  # or clipping would not be tested
        expected = (float(loss.detach()), float(norm), rate)
        assert (record.loss, record.grad_norm, record.learning_rate) == pytest.approx(expected, rel=1e-5)
    theirs = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    assert (weights(trainer) - theirs).abs().max() < 1e-6


def test_a_run_learns_by_heart() -> None:
    class OneBatch(RandomBatches):
        def batch(self, step: int) -> Batch:
            return super().batch(0)

    torch.manual_seed(0)
    config = dataclasses.replace(SHORT, steps=80, learning_rate=1e-2, grad_accum=1)
    seen = losses(Trainer(MiniMind(TINY), OneBatch(), config))
    assert seen[0] == pytest.approx(5.6, abs=0.3) and seen[-1] < 0.5  # ln 259 = 5.56


def test_records_tell_every_log_every_steps_and_the_last() -> None:
    trainer = fresh_trainer(dataclasses.replace(SHORT, log_every=4))
    records = list(trainer.steps())
    assert [record.step for record in records] == [3, 5]
    targets = sum(trainer.source.batch(step).num_targets for step in range(6))
    assert records[-1].tokens == targets and all(isinstance(record, StepRecord) for record in records)
    assert losses(trainer) == []  # at the end already


def test_resume_after_kill_is_bit_identical(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.minimind_core.training_run", str(state)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    printed = [float.fromhex(child.stdout.readline()) for _ in range(4)]
    child.kill()  # SIGKILL, wherever it is
    child.wait()
    resumed = fresh_trainer(CONFIG)
    resumed.load(state)
    begin = resumed.step
    assert 4 <= begin < CONFIG.steps
    rest = losses(resumed, begin + 4)
    whole = losses(fresh_trainer(CONFIG), begin + 4)
    assert printed == whole[:4] and rest == whole[begin:]  # equal in every bit


@pytest.mark.parametrize(
    "change",
    [{"optimizer": "muon"}, {"dtype": "bf16"}, {"dtype": "fp16"}, {"schedule": "cosine", "clip_norm": 0.0}],
    ids=str,
)
def test_resume_is_bit_identical(tmp_path: Path, change: dict[str, str]) -> None:
    config = dataclasses.replace(SHORT, **change)  # type: ignore[arg-type]
    whole, first = fresh_trainer(config), fresh_trainer(config)
    for trainer in (whole, first):  # the scale of fp16 must come from the file, not from a fresh start
        trainer.scaler.load_state_dict({**trainer.scaler.state_dict(), "scale": 2.0**12})
    expected = losses(whole)
    losses(first, 3)
    first.save(tmp_path / "runs" / "state.pt")
    resumed = fresh_trainer(config)
    resumed.model.model.norm.weight.data.zero_()  # whatever it held before
    resumed.load(tmp_path / "runs" / "state.pt")
    assert losses(resumed) == expected[3:] and os.listdir(tmp_path / "runs") == ["state.pt"]
    assert resumed.scaler.get_scale() == whole.scaler.get_scale()
    assert torch.equal(weights(resumed), weights(whole)) and resumed.tokens == whole.tokens


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_two_processes_equal_one(device: str) -> None:
    """gloo on the CPU; NCCL where there are two GPUs."""
    if device == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "-m",
            "tests.minimind_core.training_run",
            device,
        ],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    both = json.loads(done.stdout.strip().splitlines()[-1])
    alone = fresh_trainer(SHORT, device=device)
    assert both["processes"] == 2
    assert both["losses"] == pytest.approx(losses(alone), rel=1e-5)
    norms = [float(parameter.detach().double().norm()) for parameter in alone.parameters]
    assert both["weights"] == pytest.approx(norms, rel=1e-5)
    assert f"Inf in the output of {BROKEN}, forward in process 1;" in both["traced"], "before the sum"
    assert both["gloo_threads"] == 0, "one that outlives the group can abort the process at its end"


def test_fp16_skips_an_update_that_overflows_and_halves_the_scale() -> None:
    trainer = fresh_trainer(dataclasses.replace(SHORT, dtype="fp16", steps=30))
    trainer.scaler.load_state_dict({**trainer.scaler.state_dict(), "scale": 2.0**26})
    before, steps = weights(trainer).clone(), trainer.steps()
    first = next(steps)
    assert first.loss_scale == 2.0**26 and not torch.tensor(first.grad_norm).isfinite()
    assert torch.equal(weights(trainer), before)
    second = next(steps)
    assert second.loss_scale == 2.0**25
    last = [*steps][-1]
    assert last.loss_scale < 2.0**25 and torch.tensor(last.grad_norm).isfinite()
    assert weights(trainer).isfinite().all() and not torch.equal(weights(trainer), before)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_lower_precision_stays_close(dtype: str) -> None:
    """Losses and gradients; the norms also show a gradient that is clipped before it is unscaled."""
    exact = list(fresh_trainer(SHORT).steps())
    rough = list(fresh_trainer(dataclasses.replace(SHORT, dtype=dtype)).steps())  # type: ignore[arg-type]
    pairs = list(zip(rough, exact, strict=True))
    assert all(one.loss != other.loss for one, other in pairs)
    for one, other in pairs:
        assert one.loss == pytest.approx(other.loss, rel=0.01)
        assert one.grad_norm == pytest.approx(other.grad_norm, rel=0.05)


def test_documents_of_a_row_are_trained_apart() -> None:
    """The loss of packed rows is that of every document alone."""
    torch.manual_seed(0)
    model = MiniMind(TINY)
    ids = torch.randint(TINY.vocab_size, (2, 17))
    documents = torch.tensor([[0] * 6 + [1] * 11, [1] * 4 + [2] * 2 + [3] * 11])
    positions = torch.tensor([[*range(6), *range(11)], [*range(4), *range(2), *range(11)]])[:, :16]
    targets = ids[:, 1:].masked_fill(documents[:, 1:] != documents[:, :-1], IGNORE)
    packed = Batch(ids[:, :-1], targets, positions, documents[:, :-1])

    class Packed:
        def batch(self, step: int) -> Batch:
            return packed

    nats, count = 0.0, 0
    with torch.no_grad():
        for row, borders in ((0, (0, 6, 17)), (1, (0, 4, 6, 17))):
            for start, stop in pairwise(borders):
                alone = ids[row : row + 1, start:stop]
                logits = model(alone[:, :-1])
                nats += float(F.cross_entropy(logits[0], alone[0, 1:], reduction="sum"))
                count += stop - start - 1
    config = TrainingConfig(steps=1, batch_size=2, seq_len=16, warmup_steps=1)
    record = next(Trainer(model, Packed(), config).steps())
    assert record.tokens == count == packed.num_targets
    assert record.loss == pytest.approx(nats / count, rel=1e-5)


def test_a_frozen_embedding_stays() -> None:
    torch.manual_seed(0)
    model = MiniMind(TINY)
    model.model.embed_tokens.weight.requires_grad_(False)
    before = model.model.embed_tokens.weight.clone()
    trainer = Trainer(model, RandomBatches(), SHORT)
    seen = losses(trainer)
    assert torch.equal(model.model.embed_tokens.weight, before) and seen[0] != seen[-1]


def test_a_batch_that_cannot_be_split_is_said() -> None:
    with pytest.raises(ConfigError, match="batch_size 8 cannot be split over 2 micro-batches in 3 processes"):
        fresh_trainer(SHORT, Processes(0, 3))


def test_an_unusable_state_is_said(tmp_path: Path) -> None:
    trainer = fresh_trainer(SHORT)
    path = tmp_path / "state.pt"
    assert "No training state at" in sentence(lambda: trainer.load(path))
    trainer.save(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a state"):
        path.write_bytes(damaged)
        assert "is not a whole training state" in sentence(lambda: trainer.load(path))
    path.write_bytes(whole)
    other = fresh_trainer(dataclasses.replace(SHORT, learning_rate=2e-3))
    assert "other settings" in sentence(lambda: other.load(path))
    torch.save(trainer.model.state_dict(), path)
    assert "training state" in sentence(lambda: trainer.load(path))


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    trainer = fresh_trainer(SHORT)
    trainer.save(path)
    before = path.read_bytes()

    def full(_state: object, target: BinaryIO) -> None:
        target.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert "free some space" in sentence(lambda: trainer.save(path))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["state.pt"]
