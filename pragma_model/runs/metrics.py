"""The figures of a run: lines of `metrics.jsonl` while it goes, and its summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from pragma_model.training.data import BEGINNING, ReaderPosition
from pragma_sql.formats.errors import PragmaError

if TYPE_CHECKING:
    from pragma_model.evaluation.breakdown import Found
    from pragma_sql.formats.bundle import Bundle


@dataclass(frozen=True)
class StepMetrics:
    """The figures of one training step, over all processes."""

    step: int
    epoch: int
    loss: float | None
    """Mean loss over the hidden values; None if it is not finite."""
    accuracy: float
    """Share of the hidden values that are guessed right."""
    tokens: int
    """Number of event tokens in the step, without markers."""
    events: int
    padding: float
    """Share of the cells of attention that are empty."""
    learning_rate: float | None
    """The rate of AdamW; None if the step was skipped."""
    ahead_loss: float | None = None
    """Loss of what comes next; None if the model does not look ahead."""
    skipped: bool = False
    """Whether the loss or a gradient was not finite, so that nothing was changed."""
    tokens_per_s: float = 0.0
    events_per_s: float = 0.0
    seconds: float = 0.0
    """Seconds since the run began, without pauses."""
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """Figures by the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """Figures by key."""

    def timed(self, took: float, seconds: float) -> StepMetrics:
        """These figures with the seconds of the step and of the run."""
        return replace(
            self,
            tokens_per_s=self.tokens / took,
            events_per_s=self.events / took,
            seconds=seconds,
        )


@dataclass
class RunState:
    """The progress of a run; with weights and optimizers, all that a resume needs."""

    step: int = 0
    """Number of finished steps."""
    place: ReaderPosition = BEGINNING
    """The place where the next step reads."""
    ahead_place: ReaderPosition = BEGINNING
    """The place where the next step reads users to look ahead from."""
    bad_in_a_row: int = 0
    tokens: int = 0
    seconds: float = 0.0
    filled: float = 0.0
    """Share of the cells of attention that were filled, summed over the steps."""
    metrics_bytes: int = 0
    """Size of `metrics.jsonl` up to this step."""


@dataclass(frozen=True)
class Validation:
    """Figures for the hidden values of the validation split; accuracies are shares of these."""

    values: int
    loss: float
    accuracy: float
    baseline_accuracy: float
    """Accuracy of guessing each key's most frequent value in the training split."""
    bigram_accuracy: float
    """Accuracy of guessing what most often followed the key's last value that is not hidden."""
    key_accuracy: Mapping[str, float]
    split: str = "validation"
    step: int = 0
    """The step after which the model was validated."""
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """Figures by the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """Figures by key."""


@dataclass(frozen=True)
class ProbeScore:
    """A linear probe of the user vectors on held-out users."""

    step: int
    probe_users: int
    roc_auc: float
    pr_auc: float


class StoppedError(PragmaError):
    """A run was asked to stop, and can be resumed."""

    def __init__(self, run: str, step: int, saved: int | None, number: int) -> None:
        where = f"the checkpoint is of step {saved}" if saved else "there is no checkpoint"
        super().__init__(
            f"run {run!r} was stopped after step {step}; {where}",
            "the same command with --resume" if saved else "the same command with --overwrite",
        )
        self.exit_code = 128 + number
        """The exit code that shells report for a process ended by a signal."""


@dataclass(frozen=True)
class RunSummary:
    """The summary of a finished run."""

    run: str
    size: str
    parameters: int
    steps: int
    tokens: int
    """Number of event tokens trained on, without markers, repeats included."""
    padding: float
    """Share of the cells of attention that were empty."""
    seconds: float
    """Seconds of training, without validation and export."""
    validation: Validation | None
    """Figures of the validation; None if the shards have no validation split."""
    bundle: Bundle | None
    """The bundle; None if none was asked for."""

    @property
    def tokens_per_s(self) -> float:
        """Event tokens trained on per second."""
        return self.tokens / self.seconds

    @property
    def next_step(self) -> str:
        """The command to run next."""
        if self.bundle is None:
            return f"pragma train SHARDS --run {self.run} --resume   # writes the bundle"
        return f"pragma register {self.run}"

    @property
    def onnx_max_abs_diff(self) -> float | None:
        """Largest difference of ONNX Runtime and torch in a component of user vectors."""
        return self.bundle.manifest.metrics["onnx_max_abs_diff"] if self.bundle else None

    @property
    def silence_auc(self) -> dict[str, float]:
        """By window, the ROC-AUC of the forecast of silence on validation users."""
        metrics = self.bundle.manifest.metrics if self.bundle else {}
        prefix = "silence_auc_"
        return {
            name.removeprefix(prefix): value
            for name, value in metrics.items()
            if name.startswith(prefix)
        }

    def to_json(self) -> str:
        """The summary as one JSON object."""
        content = {
            **asdict(replace(self, bundle=None)),
            "model_id": self.bundle.manifest.model_id if self.bundle else None,
            "bundle": str(self.bundle.path) if self.bundle else None,
            "onnx_max_abs_diff": self.onnx_max_abs_diff,
            "silence_auc": self.silence_auc,
            "tokens_per_s": self.tokens_per_s,
            "next": self.next_step,
        }
        return json.dumps(content, indent=2)


class ProgressListener:
    """An observer of a run. This one does nothing; a subclass shows what it gets."""

    def step(self, metrics: StepMetrics) -> None:
        """Take note of a finished step."""

    def stage(self, name: str) -> None:
        """Take note that the run turns to something other than steps."""

    def warn(self, message: str) -> None:
        """Take a warning that does not stop the run."""
