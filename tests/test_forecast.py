"""`forecast` in SQL says what the model's heads say, of any moment, and the table keeps up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import datasets
import duckdb
import numpy as np
import pytest
from workplace import Workplace

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.registry import current_bundle
from pragma_udfs.functions import register

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")

from pragma_model.export.bundle import load_model  # noqa: E402

MOMENT = "2024-07-01"
TOLERANCE = 1e-4


@pytest.fixture
def con(embedded: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(embedded.warehouse), read_only=True) as con:
        register(con)
        yield con


def test_a_forecast_is_what_the_heads_say_of_the_state_of_the_user(
    con: duckdb.DuckDBPyConnection, embedded: Home
) -> None:
    model = load_model(open_bundle(current_bundle(embedded.warehouse)))
    assert model.look_ahead is not None
    assert model.spec is not None
    at = f"timestamp '{MOMENT}'"
    rows = con.execute(
        f"select embed_at(user_id, {at}), forecast_at(user_id, {at}) from contract.profiles"
    ).fetchall()
    vectors = torch.tensor(np.array([vector for vector, _ in rows], np.float32))
    with torch.no_grad():
        expected = model.look_ahead.forecast(vectors[:, : model.size.width]).numpy()
    windows = len(model.spec.ahead)
    for (_, found), numbers in zip(rows, expected, strict=True):
        np.testing.assert_allclose(list(found["events"].values()), numbers[:windows], TOLERANCE)
        silence = numbers[windows : 2 * windows]
        np.testing.assert_allclose(list(found["silence"].values()), silence, TOLERANCE)
        assert all(0 <= chance <= 1 for chance in silence)
        by_window = numbers[2 * windows :].reshape(windows, -1)
        np.testing.assert_allclose(list(found["active"].values()), by_window[:, 0], TOLERANCE)
        sums = [list(of_key.values()) for of_key in found["amounts"].values()]
        np.testing.assert_allclose(np.array(sums).T, by_window[:, 1:], TOLERANCE)


def test_without_a_moment_it_is_just_after_the_newest_event_of_all_users(
    con: duckdb.DuckDBPyConnection,
) -> None:
    newest = "(select max(ts) + interval 1 microsecond from contract.events)"
    query = f"select forecast(user_id) = forecast_at(user_id, {newest}) from contract.profiles"
    assert set(con.execute(query).fetchall()) == {(True,)}


def test_longer_windows_hold_no_fewer_events_and_are_no_likelier_silent(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for (found,) in con.execute("select forecast(user_id) from contract.profiles").fetchall():
        events, silence = list(found["events"].values()), list(found["silence"].values())
        assert events == sorted(events)
        assert silence == sorted(silence, reverse=True)


def test_nobody_and_nothing_give_null(con: duckdb.DuckDBPyConnection) -> None:
    asked = "forecast(null), forecast('nobody'), forecast_at('nobody', null)"
    assert con.execute(f"select {asked}").fetchall() == [(None, None, None)]


def test_the_table_holds_the_forecasts_of_the_latest_vectors_by_window(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = con.execute(
        "select forecast_at(user_id, as_of), ahead, events, silence, active, amounts"
        " from vectors.user_forecasts"
    ).fetchall()
    users = con.execute("select count(*) from vectors.latest_embeddings").fetchone()
    windows = con.execute("select count(distinct ahead) from vectors.user_forecasts").fetchone()
    assert users
    assert windows
    assert len(rows) == users[0] * windows[0] > 0
    for whole, ahead, events, silence, active, amounts in rows:
        of_window = [whole[name][ahead] for name in ("events", "silence", "active")]
        np.testing.assert_allclose([events, silence, active], of_window, TOLERANCE)
        for key, total in amounts.items():
            np.testing.assert_allclose(total, whole["amounts"][key][ahead], TOLERANCE)


def test_a_common_moment_gives_all_users_a_vector_and_a_forecast_there(
    trained: Home, tmp_path: Path, toy_dataset: Path
) -> None:
    place = Workplace(Home.of(tmp_path / "home"), toy_dataset)
    place.home.root.mkdir()
    shutil.copytree(trained.root, place.home.root, dirs_exist_ok=True)
    moments = {}
    for when in ("newest", "newest", ""):
        place.build("models+", embed_as_of=when)
        with duckdb.connect(str(place.home.warehouse), read_only=True) as con:
            register(con)
            moments[when] = con.execute(
                "select count(*), count(distinct as_of) from vectors.latest_embeddings"
            ).fetchone()
            query = "select count(*) from vectors.latest_embeddings where "
            other = "embedding <> embed_at(user_id, as_of) or as_of <> "
            other += "(select max(ts) + interval 1 microsecond from contract.events)"
            if when == "newest":
                assert con.execute(query + other).fetchone() == (0,)
            repeated = "from vectors.user_embeddings group by all having count(*) > 1"
            assert not con.execute(f"select model_id, user_id, as_of {repeated}").fetchall()
    users = len(datasets.toy_profiles())
    assert moments["newest"] == (users, 1)
    assert moments[""][0] == users
    assert moments[""][1] > 1
