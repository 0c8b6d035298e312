"""A build that is killed at any moment and run again ends with the tables of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import duckdb
import pytest
from datasets import Event
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build as run_build

Tables = dict[str, list[tuple[object, ...]]]

LATE = Event("user 03", "2024-02-02", {"amount": "7.5", "mcc": "5411"}, event_id="late")
NEXT_DAY = [*EVENTS, LATE]


def command(home: Home, dataset: Path, refit: bool = False) -> list[str]:
    """A build of the tokens; or a refit that gives another tokenizer."""
    asked = {**datasets.TOY_VARS, **({"bins": "4"} if refit else {})}
    variables = [f"--var={name}={value}" for name, value in asked.items()]
    build = [sys.executable, "-m", "pragma_sql", "build", "--home", str(home.root)]
    what = ["--refit"] if refit else ["--select", "+tokens"]
    return [*build, "--contract", str(dataset), *what, *variables]


def build(home: Home, dataset: Path) -> None:
    run_build(home, {**dataset_vars(dataset, []), **datasets.TOY_VARS}, select=["+tokens"])


def killed_after(model: str, home: Home, dataset: Path, refit: bool = False) -> None:
    """Kill a build as soon as it says that a model is done."""
    process = subprocess.Popen(command(home, dataset, refit), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[1:2] == [model]:
            break
    else:
        pytest.fail(f"the build never said that {model} was done")
    process.kill()
    assert process.wait() == -signal.SIGKILL


def tables(home: Home) -> Tables:
    """All that the fit and the tokens hold; two tables of tokens are of the last build alone."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        names = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where schema_name in ('fit', 'tokens')"
            " and table_name not in ('text_tokens', 'recounted_days', 'changed_partitions',"
            " 'new_events', 'new_tokens', 'changed_histories') order by all"
        ).fetchall()
        return {name: con.execute(f"from {name} order by all").fetchall() for (name,) in names}


@pytest.fixture(scope="module")
def first(toy: Home) -> Path:
    """A first build that nobody disturbs."""
    return toy.root


@pytest.fixture(scope="module")
def undisturbed(first: Path, place: Workplace) -> tuple[Tables, Tables]:
    """Its tables, and those of the next day's build."""
    before = tables(place.restore(first))
    place.write(NEXT_DAY)
    return before, tables(place.build("+tokens"))


@pytest.mark.slow
def test_a_first_build_that_was_killed_is_finished_by_the_next(
    workplace: Workplace, undisturbed: tuple[Tables, Tables]
) -> None:
    killed_after("vocabulary", workplace.home, workplace.write())
    assert tables(workplace.build("+tokens")) == undisturbed[0]


def test_a_later_build_that_was_killed_loses_and_doubles_nothing(
    workplace: Workplace, first: Path, undisturbed: tuple[Tables, Tables]
) -> None:
    home = workplace.restore(first)
    killed_after("event_tokens", home, workplace.write(NEXT_DAY))
    assert tables(workplace.build("+tokens")) == undisturbed[1]


@pytest.mark.slow
def test_a_build_whose_reader_goes_away_ends_quietly_and_is_finished_by_the_next(
    workplace: Workplace, first: Path, undisturbed: tuple[Tables, Tables]
) -> None:
    home = workplace.restore(first)
    process = subprocess.Popen(
        command(home, workplace.write(NEXT_DAY)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    try:
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    finally:
        process.kill()
    assert tables(workplace.build("+tokens")) == undisturbed[1]


@pytest.mark.parametrize(("words", "gone"), [(["--help"], "stdout"), (["init", "made"], "stderr")])
def test_any_command_whose_reader_is_gone_says_nothing(
    words: list[str], gone: str, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, gone: writing}
    ended = subprocess.run([sys.executable, "-m", "pragma_sql", *words], cwd=tmp_path, **streams)
    os.close(writing)
    assert ended.returncode == 128 + signal.SIGPIPE
    assert not ended.stdout
    assert not ended.stderr


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return datasets.write_dataset(tmp_path / "dataset", EVENTS, PROFILES, LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_a_build_killed_at_any_moment_is_finished_by_the_next(
    seed: int,
    dataset: Path,
    undisturbed: tuple[Tables, Tables],
    tmp_path: Path,
) -> None:
    home, chance = Home.of(tmp_path), random.Random(seed)
    start = time.monotonic()
    build(Home.of(tmp_path / "timed"), dataset)
    whole = time.monotonic() - start
    for events in (EVENTS, NEXT_DAY):
        datasets.write_dataset(dataset, events, PROFILES, LABELS)
        process = subprocess.Popen(command(home, dataset), stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, whole))
        process.kill()
        process.wait()
    build(home, dataset)
    found, expected = tables(home), undisturbed[1]
    if found["fit.tokenizer"] == expected["fit.tokenizer"]:
        assert found == expected
    else:  # killed before there was a fit: the late event is in it
        fresh = Home.of(tmp_path / "fresh")
        build(fresh, dataset)
        assert found == tables(fresh)


@pytest.mark.parametrize(
    "model", [pytest.param("vocabulary", marks=pytest.mark.slow), "event_tokens"]
)
def test_a_refit_that_was_killed_leaves_no_trace_after_the_next_build(
    workplace: Workplace, first: Path, undisturbed: tuple[Tables, Tables], model: str
) -> None:
    home = workplace.restore(first)
    dataset = workplace.write()
    killed_after(model, home, dataset, refit=True)
    held = tables(home)
    assert {name: held[name] for name in undisturbed[0]} == undisturbed[0]
    build(home, dataset)
    assert tables(home) == undisturbed[0]


@pytest.mark.slow
def test_a_refit_that_was_killed_after_the_exchange_is_finished_by_the_next_build(
    workplace: Workplace, first: Path
) -> None:
    home = workplace.restore(first)
    killed_after("token_counts", home, workplace.write(), refit=True)
    found = tables(workplace.build("+tokens", bins=4))
    workplace.restore(first)
    workplace.write()
    assert found == tables(workplace.refit(bins=4))


@pytest.mark.slow
def test_a_second_build_beside_the_first_is_refused(workplace: Workplace, first: Path) -> None:
    home = workplace.restore(first)
    dataset = workplace.write(NEXT_DAY)
    building = subprocess.Popen(command(home, dataset), stderr=subprocess.PIPE, text=True)
    assert building.stderr is not None
    building.stderr.readline()
    building.send_signal(signal.SIGSTOP)  # so that it cannot be done before the second begins
    second = subprocess.run(command(home, dataset), capture_output=True, text=True)
    building.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert second.stderr.splitlines()[-2:] == [
        f"error: {home.warehouse} is being written by another process",
        "next: wait for it to end, then try again",
    ]
    building.communicate()
    assert building.returncode == 0, "the first is not disturbed"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a small disk")
def test_a_disk_that_fills_up_leaves_the_last_good_tables(dataset: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "pragma", str(disk)])
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        home = Home.of(disk / "home")
        build(home, dataset)
        before = tables(home)
        (disk / "ballast").write_bytes(bytes(disk_free(disk) - 200_000))
        filled = subprocess.run(command(home, dataset, refit=True), capture_output=True, text=True)
        assert filled.returncode == 1
        assert "next: free some space" in filled.stderr
        assert "Traceback" not in filled.stderr
        (disk / "ballast").unlink()
        build(home, dataset)
        assert tables(home) == before
    finally:
        # A build in this process keeps its log open there.
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def disk_free(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
