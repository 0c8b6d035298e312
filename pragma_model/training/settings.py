"""What a training run is told. Free of torch, so that the command line can read the defaults.

`TrainSettings` decides the losses of a run; `RunOptions` does not, and may change when it resumes.
"""

# ruff: noqa: RUF009 - option() gives a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from pragma_model.model.sizes import ModelSize, Readout, size_of
from pragma_model.options import flag_of, option
from pragma_sql.formats.errors import PragmaError

SIZE_SETS = ("dropout", "learning_rate", "muon_learning_rate")
"""Settings of a run that the size gives where the run does not."""

Precision = Literal["fp32", "bf16"]
Parallel = Literal["ddp", "fsdp"]

SMALLEST_BUDGET = 64
"""Room for two events of the longest kind."""


@dataclass(frozen=True)
class MaskRates:
    """Chances of being hidden (PRAGMA, section on pre-training); their union is about 31%."""

    token: float = 0.15
    """Of each value."""
    event: float = 0.10
    """Of each event, with all its values."""
    key: float = 0.10
    """Of each key of a user, with all its values in the user's events. Whether a key is drawn by
    event or by user is left open in the paper."""
    unknown: float = 0.10
    """Of each hidden value to become [UNK], not [MASK], and to stay out of the loss: "a small
    share" in the paper."""

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0.0 <= rate < 1.0:
                raise PragmaError(f"mask rate {name} is {rate}", "choose it from 0 to below 1")


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides a run, given its shards.

    None takes what the size says. The paper is silent on rates, batch, window, smoothing and
    warm-up; these defaults were measured with the nano size.
    """

    size: str = option("nano", "nano, small, medium or large.")
    steps: int = option(600, "Steps of the optimizers.")
    budget: int = option(8192, "Most event tokens a batch: sets the memory.", "--batch-tokens")
    """Most event tokens of a batch: what memory depends on."""
    accumulation: int = option(
        1,
        "Batches a step, of all processes.",
        "--grad-accum",
        shown="one a process",
    )
    """Batches of a step, those of all processes together. Any number of processes that divides it
    trains on the same tokens with the same masks."""
    precision: Precision = option(
        "fp32", "fp32, bf16, or auto: bf16 where the hardware computes in it.", shown="auto"
    )
    """bf16 computes in bfloat16 where that is safe; weights and optimizers stay float32."""
    window: int = option(64, "Events of a user that a batch reads, up to a random moment.")
    """Events of a user that a batch reads, up to a random moment. Whole histories would fill a
    batch with a handful of users, and each step would unlearn the last one's. On validation users
    16, 64 and 128 are alike to a probe, and find as many hidden values in 600 steps."""
    seed: int = option(0, "Decides weights, batches and masks.")
    learning_rate: float | None = option(
        None, "Peak rate of AdamW: embeddings, norms, output.", shown="by size"
    )
    muon_learning_rate: float | None = option(
        None, "Peak rate of Muon: the encoders' matrices.", shown="by size"
    )
    weight_decay: float = 0.01
    warm_up: float = option(0.1, "Share of the steps in which the rates rise.")
    """Share of the steps in which the rates rise."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    smoothing: float = 0.1
    """Label smoothing."""
    dropout: float | None = option(
        None, "Share of states that are left out.", shown="0 for nano, else 0.1"
    )
    attention: str = option(
        "auto", "Attention kernel: auto, padded, grouped, varlen, flash or flex."
    )
    """Attention kernel; see `pragma_model.model.attention.base.Kernel`."""
    masks: MaskRates = field(default_factory=MaskRates)

    def __post_init__(self) -> None:
        least_of = {
            "steps": 1,
            "budget": SMALLEST_BUDGET,
            "accumulation": 1,
            "window": 1,
            "seed": 0,
        }
        for name, least in least_of.items():
            if getattr(self, name) < least:
                flag = flag_of(type(self), name)
                raise PragmaError(f"{name} is {getattr(self, name)}", f"{flag} {least} or more")
        size = self.model_size
        for name in ("learning_rate", "muon_learning_rate"):
            if not 0.0 < getattr(size, name) < 1.0:
                flag = flag_of(type(self), name)
                raise PragmaError(f"{name} is {getattr(size, name)}", f"{flag} above 0 and below 1")
        if self.precision not in get_args(Precision):
            raise PragmaError(
                f"precision is {self.precision!r}",
                f"--precision {' or '.join(get_args(Precision))}",
            )
        for name in ("warm_up", "smoothing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise PragmaError(f"{name} is {getattr(self, name)}", "choose it from 0 to below 1")
        if not 0.0 <= size.dropout < 1.0:
            raise PragmaError(f"dropout is {size.dropout}", "--dropout from 0 to below 1")

    @property
    def model_size(self) -> ModelSize:
        """The size, with what this run sets otherwise."""
        own = {name: getattr(self, name) for name in SIZE_SETS}
        return replace(size_of(self.size), **{k: v for k, v in own.items() if v is not None})

    def flat(self) -> dict[str, float | int | str]:
        """All settings by name, the size's where the run sets none."""
        own = {name: value for name, value in asdict(self).items() if name != "masks"}
        masks = {f"mask_{name}": rate for name, rate in asdict(self.masks).items()}
        return {**own, **masks, **{name: getattr(self.model_size, name) for name in SIZE_SETS}}

    def having(self, given: Mapping[str, object]) -> TrainSettings:
        """The same, with these settings by name."""
        return replace(self, **given)  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> TrainSettings:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError: it holds something else.
        """
        masks = content["masks"]
        if not isinstance(masks, Mapping):
            raise TypeError(f"masks are {masks!r}")
        return cls(**{**content, "masks": MaskRates(**masks)})  # type: ignore[arg-type]

    def first_difference(self, other: TrainSettings) -> str | None:
        """The first setting that is not the same in both."""
        return next(
            (f.name for f in fields(self) if vars(self)[f.name] != vars(other)[f.name]), None
        )


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about it."""

    overwrite: bool = option(False, "Start again where RUN exists.", "--overwrite")
    """Allow a name that is in use."""
    resume: bool = option(False, "Go on from the last good checkpoint of RUN.", "--resume")
    """Go on from the last good checkpoint."""
    checkpoint_minutes: float = option(10.0, "Between checkpoints.")
    """Between checkpoints; there is one at the end in any case."""
    readers: int = option(1, "Threads that read batches ahead.", "--num-workers")
    """Threads that read and pack batches ahead; 0 reads when a batch is due."""
    parallel: Parallel | None = option(None, "Under torchrun: ddp or fsdp.", shown="fsdp for large")
    """How processes share a model: each has all of it (ddp), or a part (fsdp). Without it, fsdp for
    the large size."""
    recompute: bool | None = option(
        None,
        "Compute layers twice to save memory.",
        "--activation-checkpointing/--no-activation-checkpointing",
        shown="for large",
    )
    """Compute the states of layers again when going backward, so as not to keep them. Without it,
    for the large size."""
    compile: bool = option(False, "torch.compile; does not pay on a CPU.", "--compile")
    """Have torch compile the model: for GPUs. Does not pay on a CPU."""
    validate_every: int = option(0, "Steps between validations; 0 for one at the end.")
    """Steps between looks at held-out users while training; 0 for at the end only."""
    validation_batches: int = option(1000, "Most batches that a validation looks at.")
    """Most batches of held-out users that a validation looks at, drawn by the seed."""
    probe: Path | None = option(None, "Labels (parquet: user_id, label) to probe for.")
    """Labels that a linear probe is asked for at each validation."""
    tensorboard: bool = option(False, "Also write event files for TensorBoard.", "--tensorboard")
    mlflow: bool = option(False, "Also log to MLflow.", "--mlflow")
    readout: Readout | None = option(
        None, "States in an embedding: of [USR], of the last event.", shown="both"
    )
    """What the embeddings of the bundle are made of; without it, of both."""
    bundle: bool = option(
        True, "Write a bundle at the end; --no-bundle to try settings.", "--bundle/--no-bundle"
    )
    """Export the graphs and seal a bundle at the end."""

    def __post_init__(self) -> None:
        least_of = {
            "checkpoint_minutes": 0,
            "readers": 0,
            "validate_every": 0,
            "validation_batches": 1,
        }
        for name, least in least_of.items():
            if getattr(self, name) < least:
                flag = flag_of(type(self), name)
                raise PragmaError(f"{name} is {getattr(self, name)}", f"{flag} {least} or more")
        if self.parallel not in (None, *get_args(Parallel)):
            raise PragmaError(f"parallel is {self.parallel!r}", "--parallel ddp or fsdp")
        if self.resume and self.overwrite:
            raise PragmaError("--resume goes on and --overwrite starts anew", "choose one of them")
