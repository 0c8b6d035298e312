"""User vectors -> forecasts, by the small graph `forecast.onnx` of a bundle.

Letters: B users, E width of an embedding, W windows, J numeric keys.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

from pragma_sql.formats.activity import duration
from pragma_sql.formats.bundle import FORECAST_FILE, Bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Float

_BY_WINDOW = pa.map_(pa.string(), pa.float64())
FORECAST = pa.struct(
    {
        "events": _BY_WINDOW,
        "silence": _BY_WINDOW,
        "active": _BY_WINDOW,
        "amounts": pa.map_(pa.string(), _BY_WINDOW),
    }
)


class Forecaster:
    """What a bundle's model expects of users, given their vectors; threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the graph.

        Raises:
            PragmaError: the model does not look ahead, or its vectors lack the state of [USR].
        """
        manifest = bundle.manifest
        if manifest.activity is None or manifest.user_states is None:
            lacks = "looks ahead" if manifest.activity is None else "has [USR] in its vectors"
            raise PragmaError(
                f"forecast: model {manifest.model_id} is not one that {lacks}",
                "pragma train SHARDS --objective lookahead --readout user,state,hinges",
            )
        self._states = manifest.user_states
        self.windows = [duration(window) for window in manifest.activity.ahead]
        self.keys = _names(bundle, manifest.activity.keys)
        self._session = onnxruntime.InferenceSession(
            str(bundle.path / FORECAST_FILE), providers=["CPUExecutionProvider"]
        )

    def numbers(self, vectors: Float) -> npt.NDArray[np.float64]:
        """User vectors [B, E] -> [B, J + 3, W]: events, silence, active periods, sums by key."""
        states = np.ascontiguousarray(vectors[:, self._states])
        found = np.asarray(self._session.run(["forecasts"], {"user_states": states})[0], np.float64)
        windows = len(self.windows)
        by_window = found[:, 2 * windows :].reshape(len(vectors), windows, 1 + len(self.keys))
        first = found[:, : 2 * windows].reshape(len(vectors), 2, windows)
        return np.concatenate([first, by_window.transpose(0, 2, 1)], axis=1)

    def forecasts(self, vectors: Float) -> pa.StructArray:
        """User vectors [B, E] -> structs of `FORECAST`, [B]."""
        numbers = self.numbers(vectors)
        events, silence, active = (self._by_window(numbers[:, place]) for place in range(3))
        sums = self._by_window(numbers[:, 3:].reshape(-1, len(self.windows)))
        offsets = np.arange(len(vectors) + 1) * len(self.keys)
        keys = pa.array(self.keys * len(vectors), pa.string())
        amounts = pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, sums)
        return pa.StructArray.from_arrays([events, silence, active, amounts], fields=list(FORECAST))

    def _by_window(self, numbers: npt.NDArray[np.float64]) -> pa.MapArray:
        """[n, W] -> maps by window, [n]"""
        offsets = np.arange(len(numbers) + 1) * len(self.windows)
        windows = pa.array(self.windows * len(numbers), pa.string())
        return pa.MapArray.from_arrays(
            pa.array(offsets, pa.int32()), windows, pa.array(numbers.ravel())
        )


def _names(bundle: Bundle, keys: tuple[int, ...]) -> list[str]:
    rows = pq.read_table(
        bundle.path / "vocabulary.parquet",
        columns=["token_id", "key"],
        filters=[("kind", "==", "key")],
    )
    named = dict(zip(rows["token_id"].to_pylist(), rows["key"].to_pylist(), strict=True))
    return [named.get(key, str(key)) for key in keys]
