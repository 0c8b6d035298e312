"""The sizes of the model by name (PRAGMA, table of sizes)."""

from __future__ import annotations

from dataclasses import dataclass

from pragma_sql.formats.errors import PragmaError

HEAD_WIDTH = 64
"""Width of an attention head, at every size."""


@dataclass(frozen=True)
class ModelSize:
    """Widths and depths of one model; the rest follows from them."""

    name: str
    width: int
    profile_layers: int
    event_layers: int
    history_layers: int
    dropout: float = 0.1
    learning_rate: float = 3e-4
    """Peak rate of AdamW, for embeddings, norms, biases, calendar and masked-value head."""
    muon_learning_rate: float = 3e-3
    """Peak rate of Muon, for the matrices of the encoders."""

    @property
    def hidden(self) -> int:
        """Width of the feed-forward layer."""
        return 4 * self.width

    @property
    def layers(self) -> dict[str, int]:
        """Depths by the names of the fields."""
        names = ("profile_layers", "event_layers", "history_layers")
        return {name: getattr(self, name) for name in names}


NANO = ModelSize(
    # This project's own size, for a laptop and a small dataset, on which the rates were measured. A
    # short run does not repeat values often enough to overfit, so dropout would only cost time and
    # accuracy.
    "nano",
    width=64,
    profile_layers=1,
    event_layers=1,
    history_layers=1,
    dropout=0.0,
    learning_rate=1e-2,
    muon_learning_rate=2e-2,
)

# The paper's sizes; it does not give the rates.
SMALL = ModelSize("small", 192, profile_layers=1, event_layers=5, history_layers=2)
MEDIUM = ModelSize("medium", 512, profile_layers=3, event_layers=16, history_layers=6)
LARGE = ModelSize("large", 1024, profile_layers=9, event_layers=45, history_layers=18)

SIZES = {size.name: size for size in (NANO, SMALL, MEDIUM, LARGE)}


def size_of(name: str) -> ModelSize:
    """The size of this name.

    Raises:
        PragmaError: there is no such size.
    """
    if name not in SIZES:
        raise PragmaError(f"no model size {name!r}", f"one of --size {', '.join(SIZES)}")
    return SIZES[name]
