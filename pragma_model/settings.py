"""What a training run is told. Free of torch, so that the command line can read the defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from pragma_model.sizes import ModelSize, size_of
from pragma_sql.errors import PragmaError

SIZE_SETS = ("dropout", "learning_rate", "muon_learning_rate")
"""Settings of a run that the size gives where the run does not."""

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

    size: str = "nano"
    steps: int = 600
    budget: int = 8192
    """Most event tokens of a batch."""
    window: int = 16
    """Events of a user that a batch reads, up to a random moment. Whole histories would fill a
    batch with a handful of users, and each step would unlearn the last one's. Chosen on the hidden
    values of validation users."""
    seed: int = 0
    learning_rate: float | None = None
    muon_learning_rate: float | None = None
    weight_decay: float = 0.01
    warm_up: float = 0.1
    """Share of the steps in which the rates rise."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    smoothing: float = 0.1
    """Label smoothing."""
    dropout: float | None = None
    attention: str = "auto"
    """Attention kernel; see `pragma_model.attention.Kernel`."""
    masks: MaskRates = field(default_factory=MaskRates)

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("budget", SMALLEST_BUDGET), ("window", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise PragmaError(f"{name} is {getattr(self, name)}", f"--{name} {least} or more")
        size = self.model_size
        for name in ("learning_rate", "muon_learning_rate"):
            if not 0.0 < getattr(size, name) < 1.0:
                option = f"--{name.replace('_', '-')}"
                raise PragmaError(
                    f"{name} is {getattr(size, name)}", f"{option} above 0 and below 1"
                )
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
