"""What a run tells while it goes and when it is done: lines of `metrics.jsonl`, and its summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from pragma_model.training.data import BEGINNING, Place
from pragma_sql.formats.errors import PragmaError

if TYPE_CHECKING:
    from pragma_model.evaluation.breakdown import Found
    from pragma_sql.formats.bundle import Bundle


@dataclass(frozen=True)
class StepMetrics:
    """One step of training, of all processes together."""

    step: int
    epoch: int
    loss: float | None
    """The mean over the hidden values; None where it is no number."""
    accuracy: float
    """Share of the hidden values that scored highest."""
    tokens: int
    """Event tokens of the step, markers left out."""
    events: int
    padding: float
    """Share of the cells of attention that are empty."""
    learning_rate: float | None
    """AdamW's; None where the step was skipped."""
    skipped: bool = False
    """The loss or a gradient was no number, and nothing was changed."""
    tokens_per_s: float = 0.0
    events_per_s: float = 0.0
    seconds: float = 0.0
    """Since the run began, pauses left out."""
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """By the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """By key."""

    def timed(self, took: float, seconds: float) -> StepMetrics:
        """The same, with the seconds that the step took and those of the run."""
        return replace(
            self,
            tokens_per_s=self.tokens / took,
            events_per_s=self.events / took,
            seconds=seconds,
        )


@dataclass
class RunState:
    """Where a run is; with weights and optimizers it is all that a resume needs."""

    step: int = 0
    """Steps that are done."""
    place: Place = BEGINNING
    """Where the next step reads."""
    bad_in_a_row: int = 0
    tokens: int = 0
    seconds: float = 0.0
    filled: float = 0.0
    """Share of the cells of attention that were filled, summed over the steps."""
    metrics_bytes: int = 0
    """Of `metrics.jsonl` up to this step."""


@dataclass(frozen=True)
class Validation:
    """The hidden values of the validation split; accuracies are shares of them."""

    values: int
    loss: float
    accuracy: float
    baseline_accuracy: float
    """Of answering each key's most frequent value in the training split."""
    bigram_accuracy: float
    """Of answering what most often followed the key's last value that is not hidden."""
    key_accuracy: Mapping[str, float]
    split: str = "validation"
    step: int = 0
    """After which it was looked at."""
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """By the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """By key, with the loss."""


@dataclass(frozen=True)
class ProbeScore:
    """A linear probe of the user vectors on held-out users."""

    step: int
    probe_users: int
    roc_auc: float
    pr_auc: float


class StoppedError(PragmaError):
    """A run was asked to stop, and can go on."""

    def __init__(self, run: str, step: int, saved: int | None, number: int) -> None:
        where = f"the checkpoint is of step {saved}" if saved else "there is no checkpoint"
        super().__init__(
            f"run {run!r} was stopped after step {step}; {where}",
            "the same command with --resume" if saved else "the same command with --overwrite",
        )
        self.exit_code = 128 + number
        """As shells report a process that a signal ended."""


@dataclass(frozen=True)
class RunSummary:
    """A finished run."""

    run: str
    size: str
    parameters: int
    steps: int
    tokens: int
    """Event tokens trained on, markers left out, repeats counted."""
    padding: float
    """Share of the cells of attention that were empty."""
    seconds: float
    """Of training, without validation and export."""
    validation: Validation | None
    """None where the shards have no validation split."""
    bundle: Bundle | None
    """None where none was asked for."""

    @property
    def tokens_per_s(self) -> float:
        """Event tokens trained on a second."""
        return self.tokens / self.seconds

    @property
    def next_step(self) -> str:
        """The command that comes next."""
        if self.bundle is None:
            return f"pragma train SHARDS --run {self.run} --resume   # writes the bundle"
        return f"pragma register {self.run}"

    @property
    def onnx_max_abs_diff(self) -> float | None:
        """Of any component of a user vector, ONNX Runtime to torch."""
        return self.bundle.manifest.metrics["onnx_max_abs_diff"] if self.bundle else None

    def to_json(self) -> str:
        """One JSON object."""
        content = {
            **asdict(replace(self, bundle=None)),
            "model_id": self.bundle.manifest.model_id if self.bundle else None,
            "bundle": str(self.bundle.path) if self.bundle else None,
            "onnx_max_abs_diff": self.onnx_max_abs_diff,
            "tokens_per_s": self.tokens_per_s,
            "next": self.next_step,
        }
        return json.dumps(content, indent=2)


class Watch:
    """Looks on while a run goes. This one says nothing; a subclass shows what it sees."""

    def step(self, metrics: StepMetrics) -> None:
        """A step is done."""

    def stage(self, name: str) -> None:
        """The run goes on to something other than steps."""

    def warn(self, message: str) -> None:
        """Something is worth knowing, but does not stop the run."""
