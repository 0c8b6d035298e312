"""What runs a bundle's two halves: ONNX Runtime, or torch where there is a GPU.

One setting, PRAGMA_PRECISION, chooses the precision; `docs/decisions/scoring.md` has its figures.
"""

from __future__ import annotations

import os
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
    """Cores that the process may run on, and that a container's quota pays for; at least 1.

    `os.cpu_count()` counts the machine's, also under `taskset`, `--cpuset-cpus` and `--cpus`.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have none
        cores = os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(cores, int(quota))) if quota else cores


def _quota(cgroup: Path) -> float | None:
    """Cores' worth of time that the control group grants, by version 2, else 1; None without."""
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
    """What a model is scored in."""

    AUTO = "auto"
    """The fastest that moves no probe AUC by more than 0.002: single precision."""
    FP32 = "fp32"
    INT8 = "int8"
    """Weights and, batch by batch, activations of matrix products in 8 bits. Needs package onnx."""
    BF16 = "bf16"
    """Half precision by torch: ONNX Runtime has none for a CPU."""


class Engine(Protocol):
    """Event and user encoder of one bundle; threads share it."""

    token_budget: int
    """Padded tokens a call of the event encoder: rows times the longest row."""
    history_budget: int
    """Padded history slots a call of the user encoder: users times the longest history."""
    calls: int
    """Calls that may run at once."""

    def event_vectors(self, packed: PackedEvents) -> Float:
        """[R, D]"""

    def user_vectors(self, packed: PackedUsers, event_vectors: Float) -> Float:
        """[B, E] from the vectors of event rows, [R, D]."""


class OnnxEngine:
    """The bundle's graphs in ONNX Runtime on the CPU.

    A call runs on one thread, on batches whose states stay in its cache; several calls run at once.
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
    """The engine for a bundle, in the precision asked for, else in that of PRAGMA_PRECISION.

    A GPU is used where torch is installed and finds one. On a CPU, `calls` run at once, by default
    as many as there are cores.
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
    """Makes an engine of a bundle, or none where there is no device for it."""

    def __call__(self, bundle: Bundle, *, half: bool) -> Engine | None:
        """`half`: in half precision."""


def _torch_engine() -> MakeEngine:
    """What the packages at hand offer as the engine `torch`; this package imports no torch."""
    (offered,) = entry_points(group="pragma.engines", name="torch")
    make: MakeEngine = offered.load()
    return make


def chosen_precision() -> Precision:
    """The precision that PRAGMA_PRECISION names, once called PRAGMA_SCORING; AUTO without it."""
    name = os.environ.get(SETTING) or os.environ.get(OLD_SETTING) or Precision.AUTO
    if name not in list(Precision):
        raise PragmaError(f"{SETTING}={name} is not known", f"one of {', '.join(Precision)}")
    return Precision(name)


def _may_have_gpu() -> bool:
    """Whether it is worth the seconds that torch takes to load, to ask it for a GPU."""
    driver = any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg"))
    return driver and find_spec("torch") is not None


def _session(graph: Path, int8: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="pragma-") as folder:
        path = _quantised(graph, Path(folder)) if int8 else graph
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _quantised(graph: Path, folder: Path) -> Path:
    """The graph with the weights of its matrix products in 8 bits."""
    need_packages(f"{SETTING}=int8", ["onnx"])
    quantization, onnx = import_module("onnxruntime.quantization"), import_module("onnx")
    model = onnx.load(graph)
    del model.graph.value_info[:]  # shapes are inferred anew: those of the export are refused
    target = folder / f"int8-{graph.name}"
    quantization.quantize_dynamic(
        model,
        target,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        extra_options={"MatMulConstBOnly": True},
    )
    return target
