"""What a run tells while it goes and when it is done: lines of `metrics.jsonl`, and its summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pragma_model.breakdown import Found


@dataclass(frozen=True)
class StepMetrics:
    """One step of training."""

    step: int
    epoch: int
    loss: float
    accuracy: float
    """Share of the hidden values that scored highest."""
    tokens: int
    """Event tokens of the batch, markers left out."""
    tokens_per_s: float
    events_per_s: float
    learning_rate: float
    """AdamW's."""
    seconds: float
    """Since the run began."""
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """By the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """By key."""


@dataclass(frozen=True)
class Validation:
    """The hidden values of the validation split; accuracies are shares of them."""

    values: int
    loss: float
    accuracy: float
    baseline_accuracy: float
    """Of answering each key's most frequent value in the training split."""
    key_accuracy: Mapping[str, float]
    split: str = "validation"
    by_mask: Mapping[str, Found] = field(default_factory=dict)
    """By the kind of mask that hid the values: token, key, event."""
    by_field: Mapping[str, Found] = field(default_factory=dict)
    """By key, with the loss."""


@dataclass(frozen=True)
class RunSummary:
    """A finished run."""

    run: str
    size: str
    parameters: int
    steps: int
    tokens: int
    """Event tokens trained on, markers left out, repeats counted."""
    seconds: float
    """Of training, without validation and export."""
    validation: Validation | None
    """None where the shards have no validation split."""
    model_id: str
    bundle: Path
    onnx_max_abs_diff: float

    @property
    def tokens_per_s(self) -> float:
        """Event tokens trained on a second."""
        return self.tokens / self.seconds

    @property
    def next_step(self) -> str:
        """The command that comes next."""
        return f"pragma register {self.run}"

    def to_json(self) -> str:
        """One JSON object."""
        content = asdict(self) | {"tokens_per_s": self.tokens_per_s, "next": self.next_step}
        return json.dumps(content, default=str, indent=2)


class Watch:
    """Looks on while a run goes. This one says nothing; a subclass shows what it sees."""

    def step(self, metrics: StepMetrics) -> None:
        """A step is done."""

    def stage(self, name: str) -> None:
        """The run goes on to something other than steps."""
