"""TensorBoard and MLflow, imported only if asked for; both get the lines of `metrics.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pragma_model.runs.log import Tracker
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_sql.formats.packages import need_packages


def trackers_of(
    folder: Path, run: str, settings: TrainSettings, options: RunOptions
) -> list[Tracker]:
    """The trackers that a run asks for.

    Raises:
        PragmaError: a package is not installed.
    """
    wanted = {"tensorboard": options.tensorboard, "mlflow": options.mlflow}
    for package, asked in wanted.items():
        if asked:
            need_packages(f"--{package}", [package], f"pip install 'pragma-sql[{package}]'")
    found: list[Tracker] = []
    if options.tensorboard:
        found.append(TensorBoard(folder))
    if options.mlflow:
        found.append(MLflow(folder, run, settings))
    return found


class TensorBoard:
    """Event files in the folder `tensorboard/` of the run: `tensorboard --logdir HOME/runs`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder / "tensorboard"
        self._make = SummaryWriter
        self._writer: SummaryWriter | None = None

    def line(self, content: Mapping[str, object]) -> None:
        """Add the numbers of a line at its step."""
        step = _step(content)
        if self._writer is None:
            # After a resume, steps beyond the checkpoint must not be shown twice.
            self._writer = self._make(str(self._folder), purge_step=step)
        for name, value in numbers(content):
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the event files."""
        if self._writer is not None:
            self._writer.close()


class MLflow:
    """A run of the experiment `pragma`, at MLFLOW_TRACKING_URI, else in `runs/mlflow.db`."""

    def __init__(self, folder: Path, run: str, settings: TrainSettings) -> None:
        import mlflow

        known = folder / "mlflow_run_id"
        elsewhere: bool = mlflow.is_tracking_uri_set()
        store = None if elsewhere else f"sqlite:///{folder.parent / 'mlflow.db'}"
        self._client = mlflow.MlflowClient(store)
        if known.is_file():
            self._run_id = known.read_text()
            return
        experiment = self._client.get_experiment_by_name("pragma")
        number = (
            experiment.experiment_id if experiment else self._client.create_experiment("pragma")
        )
        self._run_id = self._client.create_run(number, run_name=run).info.run_id
        known.write_text(self._run_id)
        for name, value in settings.flat().items():
            self._client.log_param(self._run_id, name, value)

    def line(self, content: Mapping[str, object]) -> None:
        """Add the numbers of a line at its step."""
        from mlflow.entities import Metric

        step, at = _step(content), int(1000 * _number(content.get("seconds")))
        # MLflow allows only these characters in a name.
        metrics = [
            Metric(re.sub(r"[^\w/.\- :]", "_", name), value, at, step)
            for name, value in numbers(content)
        ]
        self._client.log_batch(self._run_id, metrics)

    def close(self) -> None:
        """End the run in MLflow."""
        self._client.set_terminated(self._run_id)


def numbers(content: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """The numbers of a line, each with its path, which begins with the kind of line."""
    kind = "train" if "epoch" in content else "probe" if "probe_users" in content else "validation"
    yield from _flat(kind, {name: value for name, value in content.items() if name != "step"})


def _flat(path: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(f"{path}/{name}", each)
    elif isinstance(value, (int, float)):
        yield path, float(value)


def _step(content: Mapping[str, object]) -> int:
    return int(_number(content["step"]))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
