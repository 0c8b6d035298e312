"""The engines that run a bundle's two graphs: ONNX Runtime, or torch on a GPU.

PRAGMA_PRECISION sets the precision; `docs/decisions/scoring.md` gives the figures.
"""

from __future__ import annotations

import os
import sys
import tempfile
from enum import StrEnum
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from pragma_sql.formats.bundle import Bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packages import need_packages
from pragma_sql.formats.packing import Float, PackedEvents, PackedUsers

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """The cores that the process may use, within a container's quota; at least 1.

    `os.cpu_count()` counts all cores, even under `taskset`, `--cpuset-cpus` and `--cpus`.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(cores, int(quota))) if quota else cores


def _quota(cgroup: Path) -> float | None:
    """The quota of the control group in cores, by version 2, else 1; None without a quota."""
    try:
        granted, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            granted, period = (
                (cgroup / "cpu" / name).read_text().strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        except OSError:
            return None
    if not (granted.isdigit() and period.isdigit()):
        return None
    return int(granted) / int(period)


SETTING, OLD_SETTING = "PRAGMA_PRECISION", "PRAGMA_SCORING"


class Precision(StrEnum):
    """The precision of scoring."""

    AUTO = "auto"
    """The fastest precision that changes no probe AUC by more than 0.002: single precision."""
    FP32 = "fp32"
    INT8 = "int8"
    """8-bit weights and, per batch, activations of matrix products. Needs the package onnx."""
    BF16 = "bf16"
    """Half precision by torch, as ONNX Runtime has none for a CPU."""


class Engine(Protocol):
    """The event and user encoders of one bundle; threads share it."""

    token_budget: int
    """Most padded tokens (rows times the longest row) in a call of the event encoder."""
    history_budget: int
    """Most padded slots (users times the longest history) in a call of the user encoder."""
    calls: int
    """Number of calls that may run at once."""

    def event_vectors(self, packed: PackedEvents) -> Float:
        """Vectors of event rows, [R, D]."""

    def user_vectors(self, packed: PackedUsers, event_vectors: Float) -> Float:
        """User vectors, [B, E], from the vectors of event rows, [R, D]."""


class OnnxEngine:
    """The bundle's graphs in ONNX Runtime on the CPU.

    Each call runs on one thread, on batches small enough for its cache; several calls run at once.
    """

    token_budget = 4_096
    history_budget = 4_096

    def __init__(self, folder: Path, *, int8: bool = False, calls: int | None = None) -> None:
        self.calls = calls or usable_cores()
        self._events = _session(folder / "event_encoder.onnx", int8)
        self._users = _session(folder / "user_encoder.onnx", int8)

    def event_vectors(self, packed: PackedEvents) -> Float:
        """See `Engine.event_vectors`."""
        return self._run(self._events, "event_vectors", packed.arrays())

    def user_vectors(self, packed: PackedUsers, event_vectors: Float) -> Float:
        """See `Engine.user_vectors`."""
        arrays = {**packed.arrays(), "event_vectors": event_vectors}
        return self._run(self._users, "user_vectors", arrays)

    @staticmethod
    def _run(
        session: onnxruntime.InferenceSession,
        output: str,
        arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    ) -> Float:
        inputs = {node.name: arrays[node.name] for node in session.get_inputs()}
        return np.asarray(session.run([output], inputs)[0], np.float32)


def engine_of(
    bundle: Bundle, precision: Precision | None = None, calls: int | None = None
) -> Engine:
    """The engine for a bundle, in the given precision, else in that of PRAGMA_PRECISION.

    A GPU is used if torch is installed and finds one. On a CPU, `calls` calls run at once, by
    default one per core.
    """
    precision = precision or chosen_precision()
    half = precision is Precision.BF16
    if half or (precision is not Precision.INT8 and _may_have_gpu()):
        need_packages(f"{SETTING}={precision}", ["torch"])
        engine = _torch_engine()(bundle, half=half)
        if engine is not None:
            return engine
    return OnnxEngine(bundle.path, int8=precision is Precision.INT8, calls=calls)


class MakeEngine(Protocol):
    """Makes the engine of a bundle, or None if there is no device for it."""

    def __call__(self, bundle: Bundle, *, half: bool) -> Engine | None:
        """Make the engine; `half` asks for half precision."""


def _torch_engine() -> MakeEngine:
    """The maker of the engine `torch` by its entry point, because this package imports no torch."""
    (offered,) = entry_points(group="pragma.engines", name="torch")
    make: MakeEngine = offered.load()
    return make


def chosen_precision() -> Precision:
    """The precision of PRAGMA_PRECISION (formerly PRAGMA_SCORING); AUTO if it is not set."""
    name = os.environ.get(SETTING)
    if not name and os.environ.get(OLD_SETTING):
        name = os.environ[OLD_SETTING]
        print(f"note: {OLD_SETTING} is called {SETTING} now", file=sys.stderr)
    name = name or Precision.AUTO
    if name not in list(Precision):
        raise PragmaError(f"{SETTING}={name} is not known", f"one of {', '.join(Precision)}")
    return Precision(name)


def _may_have_gpu() -> bool:
    """Whether a GPU is likely, so that it is worth the seconds to load torch and ask."""
    driver = any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg"))
    return driver and find_spec("torch") is not None


def _session(graph: Path, int8: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="pragma-") as folder:
        path = _quantise(graph, Path(folder)) if int8 else graph
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _quantise(graph: Path, folder: Path) -> Path:
    """The graph with the weights of its matrix products in 8 bits, of which they use 7.

    Without VNNI, an x86 CPU adds two 8-bit products in 16 bits, which overflow at full range.
    """
    need_packages(f"{SETTING}=int8", ["onnx"])
    quantization, onnx = import_module("onnxruntime.quantization"), import_module("onnx")
    model = onnx.load(graph)
    del model.graph.value_info[:]  # shapes are inferred again, as those of the export are refused
    target = folder / f"int8-{graph.name}"
    quantization.quantize_dynamic(
        model,
        target,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        extra_options={"MatMulConstBOnly": True},
    )
    return target
