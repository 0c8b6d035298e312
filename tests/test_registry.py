"""The registry of models: several side by side, one current, and none that is not what it says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from trained import another_bundle, bent_bundle
from typer.testing import CliRunner

from pragma_sql.cli import app
from pragma_sql.formats.bundle import FORMAT_VERSION, open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.registry import find_bundle, register_bundle
from pragma_udfs.functions import register

pytest.importorskip("torch", reason="the `train` extra is not installed")

Models = dict[str, str]


@pytest.fixture(scope="module")
def two(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse with an older model and a newer one."""
    home = Home.of(tmp_path_factory.mktemp("two") / "home")
    shutil.copytree(trained.root, home.root)
    (home.runs / "toy").rename(home.runs / "older")
    bent_bundle(home, home.runs / "newer" / "bundle")
    register_bundle(open_bundle(home.runs / "newer" / "bundle"), home.warehouse)
    return home


@pytest.fixture
def home(two: Home, tmp_path: Path) -> Home:
    """A copy that a test may break."""
    copy = Home.of(tmp_path / "home")
    shutil.copytree(two.root, copy.root)
    return copy


@pytest.fixture
def con(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        yield con


def model_id(home: Home, run: str) -> str:
    return open_bundle(home.runs / run / "bundle").manifest.model_id


def states(home: Home) -> Models:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return dict(con.execute("select model_id, status from vectors.models").fetchall())


def vector(home: Home, sql: str = "embed('user 05')") -> list[float]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        return list(con.execute(f"select {sql}").fetchall()[0][0])


def vector_type(home: Home) -> tuple[str, ...]:
    """Of embed, embed_at, embed_records and embed_with."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        described = con.execute(
            "describe select embed(u), embed_at(u, t), embed_records(u), embed_with(u, u)"
            " from (select 'user 05' as u, now()::timestamp as t)"
        ).fetchall()
    return tuple(kind for _, kind, *_ in described)


def put_into_manifest(folder: Path, **changed: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_registering_shows_both_models_at_once_and_the_last_is_current(home: Home) -> None:
    assert states(home) == {
        model_id(home, "older"): "available",
        model_id(home, "newer"): "current",
    }


def test_the_table_says_hashes_size_figures_and_when_a_bundle_was_written(home: Home) -> None:
    manifest = open_bundle(home.runs / "newer" / "bundle").manifest
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        row = con.execute(
            "select hashes, size, embedding_size, metrics, created > timestamp '2024-01-01'"
            " from vectors.models where is_current"
        ).fetchall()[0]
    hashes, size, width, metrics, lately = row
    assert hashes == manifest.files
    assert (size, width, lately) == ("nano", manifest.embedding_size, True)
    assert metrics == pytest.approx(manifest.metrics)


def test_the_table_says_when_a_model_was_registered_not_when_it_was_trained(home: Home) -> None:
    trained = home.runs / "older" / "bundle" / "manifest.json"
    os.utime(trained, (0, 0))
    before = datetime.now(UTC).replace(tzinfo=None)
    register_bundle(open_bundle(trained.parent), home.warehouse)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        created, registered = con.execute(
            "select created, registered from vectors.models where is_current"
        ).fetchall()[0]
    assert created == datetime(1970, 1, 1)
    assert registered >= before


def test_a_model_of_another_width_gives_embed_its_type_at_once(home: Home) -> None:
    newer = model_id(home, "newer")
    width = open_bundle(home.bundles / newer).manifest.embedding_size
    assert vector_type(home) == (f"FLOAT[{width}]",) * 4
    narrow = another_bundle(home, home.runs / "narrow" / "bundle", embedding_size=64)
    register_bundle(open_bundle(narrow), home.warehouse)
    assert vector_type(home) == ("FLOAT[64]", "FLOAT[64]", "FLOAT[64]", "FLOAT[]")
    assert len(vector(home, f"embed_with('{newer}', 'user 05')")) == width
    register_bundle(open_bundle(home.bundles / newer), home.warehouse)
    assert vector_type(home)[0] == f"FLOAT[{width}]"


def test_an_older_model_is_put_back_by_its_id(home: Home) -> None:
    newer, older = vector(home), model_id(home, "older")
    put_back = CliRunner().invoke(app, ["register", older, "--home", str(home.root)])
    assert put_back.exit_code == 0
    assert states(home)[older] == "current"
    assert not np.allclose(vector(home), newer)
    register_bundle(open_bundle(find_bundle("newer", home.runs)), home.warehouse)
    assert vector(home) == newer


def test_two_models_are_asked_side_by_side(home: Home, con: duckdb.DuckDBPyConnection) -> None:
    older, newer = model_id(home, "older"), model_id(home, "newer")
    rows = con.execute(
        "select model_id, embed_with(model_id, user_id), embed(user_id)"
        " from vectors.models cross join (select 'user 05' as user_id)"
    ).fetchall()
    found = {row[0]: row[1] for row in rows}
    assert found[newer] == rows[0][2]
    assert not np.allclose(found[older], found[newer])


def test_register_without_a_run_lists_the_models(home: Home) -> None:
    shown = CliRunner().invoke(app, ["register", "--json", "--home", str(home.root)])
    models = json.loads(shown.stdout)
    assert {model["model_id"]: model["status"] for model in models} == states(home)


@pytest.mark.parametrize("asked", ["0" * 12, "../../etc", "", "current"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(
    asked: str, home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(duckdb.Error, match=f"there are: .*{model_id(home, 'older')}"):
        con.execute("select embed_with($asked, 'user 05')", {"asked": asked}).fetchall()


def test_without_a_current_model_embed_says_what_to_do_and_the_connection_lives_on(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    (home.bundles / "current").unlink()
    with pytest.raises(duckdb.Error, match=r"no model is registered.*\n?next: pragma train"):
        con.execute("select embed('user 05')").fetchall()
    assert con.execute("select count(*) from vectors.models").fetchall() == [(2,)]
    assert set(states(home).values()) == {"available", "current"}


def test_a_current_model_that_was_deleted_is_named(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    newer = model_id(home, "newer")
    shutil.rmtree(home.bundles / newer)
    with pytest.raises(duckdb.Error, match=f"no model '{newer}' is registered"):
        con.execute("select embed('user 05')").fetchall()


def test_one_changed_byte_breaks_a_model_and_leaves_the_other(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    older, newer = model_id(home, "older"), model_id(home, "newer")
    graph = home.bundles / newer / "user_encoder.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(duckdb.Error, match=r"user_encoder.onnx: the content differs"):
        con.execute("select embed('user 05')").fetchall()
    ((found,),) = con.execute("select embed_with($m, 'user 05')", {"m": older}).fetchall()
    assert np.isfinite(found).all()
    con.close()
    register_bundle(open_bundle(home.bundles / older), home.warehouse)
    assert states(home) == {older: "current", newer: "broken"}


def test_a_bundle_of_a_newer_format_is_refused_and_nothing_is_written(home: Home) -> None:
    future = home.runs / "newer" / "bundle"
    put_into_manifest(future, format_version=FORMAT_VERSION + 1)
    before = everything(home.bundles)
    with pytest.raises(PragmaError, match=r"format version \d+, this program reads up to"):
        register_bundle(open_bundle(future), home.warehouse)
    refused = CliRunner().invoke(app, ["register", "newer", "--home", str(home.root)])
    assert refused.exit_code != 0
    assert everything(home.bundles) == before


def test_a_bundle_of_another_tokenizer_is_refused_and_nothing_is_written(home: Home) -> None:
    put_into_manifest(home.runs / "newer" / "bundle", tokenizer_hash="f" * 64)
    before = everything(home.bundles)
    with pytest.raises(PragmaError, match="ffffffffffff, but this warehouse's tokens are of"):
        register_bundle(open_bundle(home.runs / "newer" / "bundle"), home.warehouse)
    assert everything(home.bundles) == before


def test_after_a_refit_models_of_the_old_tokenizer_are_told_apart(home: Home) -> None:
    put_into_manifest(home.bundles / model_id(home, "older"), tokenizer_hash="f" * 64)
    register_bundle(open_bundle(home.runs / "newer" / "bundle"), home.warehouse)
    assert states(home)[model_id(home, "older")] == "other tokenizer"


def test_a_registration_that_was_killed_leaves_no_model(home: Home) -> None:
    shutil.copytree(home.runs / "newer" / "bundle", home.bundles / ".0123456789ab.draft")
    shown = CliRunner().invoke(app, ["register", "--json", "--home", str(home.root)])
    assert len(json.loads(shown.stdout)) == 2


def test_registering_while_somebody_reads_waits_for_nothing(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    """The table follows with the next build; `embed` has the model at once."""
    older = model_id(home, "older")
    register_bundle(open_bundle(find_bundle(older, home.runs)), home.warehouse)
    assert (home.bundles / "current").read_text().strip() == older
