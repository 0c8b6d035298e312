"""`pragma runs` says what runs there are, how they differ and how well they did."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from histories_fixture import FIRST_VALUE, shopper_shards, shoppers
from typer.testing import CliRunner

from pragma_model.reports import runs as runs_command
from pragma_model.runs.comparison import differences, read_runs
from pragma_model.runs.metrics import ProgressListener, StepMetrics
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.trainer import train
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards

SETTINGS = TrainSettings(steps=9, budget=512)
STEPS_ONLY = RunOptions(bundle=False)


class CutShort(ProgressListener):
    """Ends a run after its fifth step."""

    def step(self, metrics: StepMetrics) -> None:
        if metrics.step == 5:
            raise RuntimeError("the power went")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return shopper_shards(tmp_path_factory.mktemp("dataset") / "shards", 120, train=80)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whether a shopper goes to one of the first five shops: plain from any event."""
    users = shoppers(120)
    shop = [user.events[0].tokens[1][1] for user in users]
    rows = {
        "user_id": [user.user_id for user in users],
        "label": [float(number < FIRST_VALUE + 15) for number in shop],
    }
    path = tmp_path_factory.mktemp("labels") / "shop.parquet"
    pq.write_table(pa.table(rows), path)
    return path


@pytest.fixture(scope="module")
def home(shards: Shards, labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A finished run that looked at held-out users every third step, and one that failed."""
    home = Home(tmp_path_factory.mktemp("home"))
    train(shards, SETTINGS, home, "whole", replace(STEPS_ONLY, validate_every=3, probe=labels))
    with pytest.raises(RuntimeError, match="the power went"):
        train(shards, SETTINGS.having({"seed": 7}), home, "short", listener=CutShort())
    return home


def told(home: Home, *words: str) -> str:
    app = typer.Typer()
    app.command()(runs_command)
    given = [*words, "--home", str(home.root)]
    return CliRunner().invoke(app, given, catch_exceptions=False, env={"COLUMNS": "200"}).stdout


def test_runs_are_listed_newest_first_with_how_far_they_came(home: Home) -> None:
    listed = json.loads(told(home, "--json"))
    assert [(run["run"], run["state"], run["step"], run["steps"]) for run in listed] == [
        ("short", "failed", 5, 9),
        ("whole", "finished", 9, 9),
    ]
    assert listed[0]["validation_accuracy"] is None
    assert 0 < listed[1]["validation_accuracy"] < 1
    assert listed[0]["bigram_accuracy"] is None
    assert 0 < listed[1]["bigram_accuracy"] < 1


def test_the_table_has_a_row_a_run(home: Home) -> None:
    shown = told(home)
    assert "whole" in shown
    assert "5/9" in shown


def test_the_table_sets_what_was_found_against_both_guesses(home: Home) -> None:
    _, whole = json.loads(told(home, "--json"))
    names = ("validation_accuracy", "baseline_accuracy", "bigram_accuracy")
    found, by_key, by_last_value = (f"{whole[name]:.1%}" for name in names)
    assert f"{found} ({by_key}, {by_last_value})" in told(home)


def test_runs_that_are_compared_show_the_settings_in_which_they_differ(home: Home) -> None:
    table = differences(read_runs(home.runs, ["whole", "short"]))
    assert table is not None
    assert [list(column.cells) for column in table.columns] == [["seed"], ["0"], ["7"]]
    assert "seed" in told(home, "whole", "short")


def test_a_run_whose_process_is_gone_was_killed(home: Home, tmp_path: Path) -> None:
    about = json.loads((home.runs / "short" / "run.json").read_text())
    (tmp_path / "gone").mkdir()
    no_process = about | {"state": "running", "pid": 2**22 + 1}
    (tmp_path / "gone" / "run.json").write_text(json.dumps(no_process))
    (record,) = read_runs(tmp_path)
    assert record.state == "killed"


def test_a_name_that_is_no_run_is_refused_with_those_that_are(home: Home) -> None:
    with pytest.raises(PragmaError, match=r"(?s)no run 'other'.*short, whole"):
        read_runs(home.runs, ["other"])


def test_curves_are_drawn(home: Home, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    told(home, "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def looked_at(home: Home, key: str) -> list[int]:
    lines = map(json.loads, (home.runs / "whole" / "metrics.jsonl").open())
    return [line["step"] for line in lines if key in line]


def test_held_out_users_are_looked_at_while_training_and_at_the_end(home: Home) -> None:
    assert looked_at(home, "key_accuracy") == [3, 6, 9]
    assert looked_at(home, "probe_users") == [3, 6, 9]


def test_looking_at_held_out_users_does_not_change_what_is_learnt(
    home: Home, shards: Shards, tmp_path: Path
) -> None:
    train(shards, SETTINGS, Home(tmp_path), "a", STEPS_ONLY)
    weights = [
        (folder / "checkpoints" / "step-00000009" / "model.safetensors").read_bytes()
        for folder in (home.runs / "whole", tmp_path / "runs" / "a")
    ]
    assert weights[0] == weights[1]


def test_the_probe_finds_what_is_plain_from_the_events(home: Home) -> None:
    (record,) = read_runs(home.runs, ["whole"])
    assert record.probe_roc_auc is not None
    assert record.probe_roc_auc > 0.9


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"user_id": ["shopper 1"]}, "has no column label"),
        ({"user_id": ["shopper 1"], "label": [2.0]}, "labels other than 0 and 1, such as 2.0"),
        ({"user_id": ["stranger"], "label": [1.0]}, "split 'train' need labels of both kinds"),
    ],
)
def test_labels_that_cannot_be_probed_for_are_refused(
    shards: Shards, tmp_path: Path, rows: dict[str, list[object]], said: str
) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table(rows), path)
    with pytest.raises(PragmaError, match=said):
        train(shards, SETTINGS, Home(tmp_path), "a", RunOptions(probe=path))


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed_names_the_extra(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setattr("pragma_sql.formats.packages.find_spec", {}.get)
    with pytest.raises(PragmaError, match=rf"(?s)needs {package}.*sql\[{package}\]"):
        train(shards, SETTINGS, Home(tmp_path), "a", RunOptions(**{package: True}))


def test_without_being_asked_for_no_tracker_is_imported(home: Home) -> None:
    assert "mlflow" not in sys.modules
    assert "tensorboard" not in sys.modules


def test_tensorboard_shows_the_losses_of_the_metrics(
    shards: Shards, tmp_path: Path, home: Home
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(RuntimeError, match="the power went"):
        train(shards, SETTINGS, Home(tmp_path), "a", RunOptions(tensorboard=True), CutShort())
    shown = EventAccumulator(str(tmp_path / "runs" / "a" / "tensorboard")).Reload()
    losses, of_tokens = (
        [scalar.value for scalar in shown.Scalars(name)]
        for name in ("train/loss", "train/by_mask/token/loss")
    )
    lines = [json.loads(x) for x in (tmp_path / "runs" / "a" / "metrics.jsonl").open()]
    np.testing.assert_allclose(losses, [line["loss"] for line in lines], rtol=1e-6)
    tokens = [line["by_mask"]["token"]["loss"] for line in lines]
    np.testing.assert_allclose(of_tokens, tokens, rtol=1e-6)


def test_mlflow_keeps_the_losses_of_the_metrics_and_the_settings(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    with pytest.raises(RuntimeError, match="the power went"):
        train(shards, SETTINGS, Home(tmp_path), "a", RunOptions(mlflow=True), CutShort())
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("pragma").experiment_id])
    history = client.get_metric_history(found.info.run_id, "train/loss")
    lines = map(json.loads, (tmp_path / "runs" / "a" / "metrics.jsonl").open())
    assert [metric.value for metric in history] == [line["loss"] for line in lines]
    assert found.data.params["budget"] == "512"


def test_mlflow_takes_the_metrics_of_fields_whatever_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    from pragma_model.runs.trackers import MLflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    tracker = MLflow(tmp_path, "a", SETTINGS)
    tracker.line({"epoch": 0, "step": 1, "by_field": {"Betrag (€) #1": {"loss": 0.5}}})
    tracker.close()
    (found,) = mlflow.search_runs(experiment_names=["pragma"], output_format="list")
    assert found.data.metrics == {"train/epoch": 0, "train/by_field/Betrag ___ _1/loss": 0.5}
