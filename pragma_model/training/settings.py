"""The settings of a training run, without torch, so that the command line starts fast.

`TrainSettings` decides the losses of a run; `RunOptions` does not, and may change when it resumes.
"""

# ruff: noqa: RUF009 - option() gives a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from pragma_model.model.readout import ACTIVITY, Readout, default_readout, parse_readout
from pragma_model.model.sizes import ModelSize, size_of
from pragma_model.options import flag_of, option
from pragma_sql.formats.errors import PragmaError

SIZE_SETS = ("dropout", "learning_rate", "muon_learning_rate")
"""Settings that default to those of the size."""

Precision = Literal["fp32", "bf16"]
ObjectiveName = Literal["lookahead", "paper"]
Parallel = Literal["ddp", "fsdp"]

SMALLEST_BUDGET = 64
"""Smallest budget of a batch: room for two events of the greatest length."""


@dataclass(frozen=True)
class MaskRates:
    """Chances of being hidden (PRAGMA, section on pre-training); together they hide about 31%."""

    token: float = 0.15
    """Chance of each value."""
    event: float = 0.10
    """Chance of each event, with all its values."""
    key: float = 0.10
    """Chance of each key of a user, with all its values in the user's events. The paper does not
    say whether keys are drawn by event or by user."""
    unknown: float = 0.10
    """Chance of each hidden value to become [UNK] instead of [MASK] and not to count in the loss:
    "a small share" in the paper."""

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0.0 <= rate < 1.0:
                raise PragmaError(f"mask rate {name} is {rate}", "choose it from 0 to below 1")


@dataclass(frozen=True)
class LookAheadSettings:
    """What the objective `lookahead` asks for beside masked values (docs/decisions/lookahead.md).

    Weights are relative to the mean loss of a masked value.
    """

    counts: float = 1.0
    """Weight of the number of events in each window, and of whether there is any."""
    amounts: float = 0.5
    """Weight of the sums of numeric keys and of active periods in each window."""
    values: float = 0.5
    """Weight of the values of coming events, given their keys."""
    moments: int = 4
    """Moments of a user in a batch with events."""
    window: int = 256
    """Most events before such a moment that the model reads."""
    sampled: int = 16
    """Most values after such a moment that are asked for."""
    users_alone: int = 128
    """Users whose activity and profile alone are read, at `moments_alone` moments each."""
    moments_alone: int = 8
    windows: tuple[int, ...] = ()
    """Windows after a moment in seconds, the shortest first; empty takes what suits the dataset."""

    def __post_init__(self) -> None:
        for name in ("counts", "amounts", "values"):
            if not getattr(self, name) >= 0.0:
                raise PragmaError(f"look-ahead weight {name} is {getattr(self, name)}", "0 or more")
        for name in ("moments", "window", "sampled", "users_alone", "moments_alone"):
            if getattr(self, name) < 1:
                raise PragmaError(f"look-ahead {name} is {getattr(self, name)}", "1 or more")
        if list(self.windows) != sorted(set(self.windows)) or any(w < 1 for w in self.windows):
            raise PragmaError(
                f"look-ahead windows are {self.windows}", "seconds, the shortest first"
            )


@dataclass(frozen=True)
class TrainSettings:
    """All settings that decide the result of a run, given its shards.

    None takes the value of the size. The paper does not give rates, batch, window, smoothing and
    warm-up; these defaults were measured with the nano size.
    """

    size: str = option("nano", "nano, small, medium or large.")
    steps: int = option(600, "Steps of the optimizers.")
    budget: int = option(8192, "Most event tokens a batch: sets the memory.", "--batch-tokens")
    """Most event tokens of a batch, which decides the memory."""
    accumulation: int = option(
        1,
        "Batches a step, of all processes.",
        "--grad-accum",
        shown="one a process",
    )
    """Batches of a step over all processes. Any number of processes that divides it trains on the
    same tokens with the same masks."""
    precision: Precision = option(
        "fp32", "fp32, bf16, or auto: bf16 where the hardware computes in it.", shown="auto"
    )
    """bf16 computes in bfloat16 where that is safe; weights and optimizers stay float32."""
    window: int = option(64, "Events of a user that a batch reads, up to a random moment.")
    """Events of a user that a batch reads, up to a random moment. Complete histories would fill a
    batch with a few users, and each step would unlearn those of the last. On validation users, 16,
    64 and 128 give equal probe scores and find as many hidden values in 600 steps."""
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
    objective: ObjectiveName = option(
        "lookahead",
        "lookahead, or paper: masked values alone, without activity.",
    )
    """`lookahead` gives [USR] the activity as of a random moment, and adds the near future to the
    masked values: half of a batch's tokens each. `paper` is PRAGMA as published."""
    attention: str = option(
        "auto", "Attention kernel: auto, padded, grouped, varlen, flash or flex."
    )
    """Attention kernel; see `pragma_model.model.attention.base.Kernel`."""
    masks: MaskRates = field(default_factory=MaskRates)
    ahead: LookAheadSettings = field(default_factory=LookAheadSettings)

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
        if self.objective not in get_args(ObjectiveName):
            raise PragmaError(
                f"objective is {self.objective!r}",
                f"--objective {' or '.join(get_args(ObjectiveName))}",
            )
        for name in ("warm_up", "smoothing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise PragmaError(f"{name} is {getattr(self, name)}", "choose it from 0 to below 1")
        if not 0.0 <= size.dropout < 1.0:
            raise PragmaError(f"dropout is {size.dropout}", "--dropout from 0 to below 1")

    @property
    def model_size(self) -> ModelSize:
        """The size, with the settings that this run overrides."""
        own = {name: getattr(self, name) for name in SIZE_SETS}
        return replace(size_of(self.size), **{k: v for k, v in own.items() if v is not None})

    @property
    def looks_ahead(self) -> bool:
        """Whether the model is given activity and asked for the near future."""
        return self.objective == "lookahead"

    @property
    def masked_budget(self) -> int:
        """Most event tokens of a batch of masked values; the rest of `budget` looks ahead."""
        return max(SMALLEST_BUDGET, self.budget // 2) if self.looks_ahead else self.budget

    def flat(self) -> dict[str, float | int | str]:
        """All settings by name, with those of the size where the run sets none."""
        nested = ("masks", "ahead")
        own = {name: value for name, value in asdict(self).items() if name not in nested}
        flat = {**own, **{f"mask_{name}": rate for name, rate in asdict(self.masks).items()}}
        if self.looks_ahead:
            flat |= {f"ahead_{name}": value for name, value in asdict(self.ahead).items()}
            flat["ahead_windows"] = " ".join(map(str, self.ahead.windows)) or "by the dataset"
        return {**flat, **{name: getattr(self.model_size, name) for name in SIZE_SETS}}

    def having(self, given: Mapping[str, object]) -> TrainSettings:
        """A copy with these settings, given by name."""
        return replace(self, **given)  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> TrainSettings:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError: the content does not match the settings.
        """
        # A run of before there was a choice had the objective of the paper.
        masks, ahead = content["masks"], content.get("ahead", {})
        if not isinstance(masks, Mapping) or not isinstance(ahead, Mapping):
            raise TypeError(f"masks are {masks!r}, and the look-ahead is {ahead!r}")
        nested = {
            "masks": MaskRates(**masks),
            "ahead": LookAheadSettings(**{**ahead, "windows": tuple(ahead.get("windows", ()))}),
        }
        return cls(**{"objective": "paper", **content, **nested})  # type: ignore[arg-type]

    def first_difference(self, other: TrainSettings) -> str | None:
        """The name of the first setting that differs, else None."""
        return next(
            (f.name for f in fields(self) if vars(self)[f.name] != vars(other)[f.name]), None
        )


@dataclass(frozen=True)
class RunOptions:
    """Options that do not change the losses of a run."""

    overwrite: bool = option(False, "Start again where RUN exists.", "--overwrite")
    """Replace a run of the same name."""
    resume: bool = option(False, "Go on from the last good checkpoint of RUN.", "--resume")
    """Resume from the last good checkpoint."""
    checkpoint_minutes: float = option(10.0, "Between checkpoints.")
    """Minutes between checkpoints; there is always one at the end."""
    readers: int = option(1, "Threads that read batches ahead.", "--num-workers")
    """Threads that read and pack batches ahead; 0 reads when a batch is due."""
    parallel: Parallel | None = option(None, "Under torchrun: ddp or fsdp.", shown="fsdp for large")
    """How processes share a model: each has all of it (ddp), or a part (fsdp). The default is fsdp
    for the large size, else ddp."""
    recompute: bool | None = option(
        None,
        "Compute layers twice to save memory.",
        "--activation-checkpointing/--no-activation-checkpointing",
        shown="for large",
    )
    """Compute the states of layers again in the backward pass, to save memory. By default only for
    the large size."""
    compile: bool = option(False, "torch.compile; does not pay on a CPU.", "--compile")
    """Compile the model by torch, for GPUs; it does not pay on a CPU."""
    validate_every: int = option(0, "Steps between validations; 0 for one at the end.")
    """Steps between validations on held-out users; 0 validates only at the end."""
    validation_batches: int = option(1000, "Most batches that a validation looks at.")
    """Most batches of held-out users in a validation, drawn by the seed."""
    probe: Path | None = option(None, "Labels (parquet: user_id, label) to probe for.")
    """File of labels for a linear probe at each validation."""
    tensorboard: bool = option(False, "Also write event files for TensorBoard.", "--tensorboard")
    mlflow: bool = option(False, "Also log to MLflow.", "--mlflow")
    readout: str | None = option(
        None,
        "Blocks of an embedding: any of user, last, state, hinges.",
        shown="user,state,hinges; user,last for paper",
    )
    """The blocks that make the bundle's embeddings, see `pragma_model.model.readout`."""
    bundle: bool = option(
        True, "Write a bundle at the end; --no-bundle to try settings.", "--bundle/--no-bundle"
    )
    """Export the graphs and write a bundle at the end."""

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
        if self.readout is not None:
            parse_readout(self.readout)
        if self.resume and self.overwrite:
            raise PragmaError("--resume goes on and --overwrite starts again", "choose one of them")

    def blocks(self, settings: TrainSettings, activity: int) -> Readout:
        """The blocks of the bundle's embeddings.

        Args:
            settings: those of the run.
            activity: the number of numbers of the model's activity; 0 without.

        Raises:
            PragmaError: the objective has no activity, and a block of it is asked for.
        """
        if self.readout is None:
            return default_readout(activity, settings.model_size.width)
        readout = parse_readout(self.readout)
        if not activity and set(ACTIVITY) & set(readout):
            raise PragmaError(
                f"--readout {self.readout}: the objective {settings.objective!r} has no activity",
                "--readout user,last, or --objective lookahead",
            )
        return readout
