"""A refit beside a model: the old one is served until one of the new tokenizer is registered."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import datasets
import duckdb
import pytest
from older_warehouse import with_candidate_apart, with_state_of_hooks
from rich.console import Console
from trained import another_bundle
from typer.testing import CliRunner
from workplace import forget_dataset

from pragma_sql.cli import app
from pragma_sql.datasets.dataset import Variables, dataset_vars
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.export_shards import export_shards
from pragma_sql.warehouse.promote import put_into_force
from pragma_sql.warehouse.refit import refit
from pragma_sql.warehouse.registry import models_of, register_bundle
from pragma_udfs.functions import register

pytestmark = pytest.mark.long

Rows = Sequence[tuple[object, ...]]


def query(home: Home, sql: str) -> Rows:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        return con.execute(sql).fetchall()


def tokenizer(home: Home, schema: str = "fit") -> str:
    return str(query(home, f"select tokenizer_hash from {schema}.tokenizer")[0][0])


def schemas(home: Home) -> set[str]:
    found = query(home, "select distinct schema_name from duckdb_tables()")
    return {str(name) for (name,) in found}


def traces(home: Home) -> Rows:
    """What there is of a candidate."""
    return query(
        home,
        "select table_name from duckdb_tables() where schema_name = 'fit_next'"
        " union all select table_name from information_schema.tables"
        " where table_schema = 'tokens' and starts_with(table_name, 'next_')",
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("staged") / "dataset")


def write(folder: Path, without: str = "") -> Path:
    """The toy dataset, or what is left of it when a user is gone."""
    return datasets.write_dataset(
        folder,
        [event for event in datasets.toy_events() if event.user_id != without],
        [profile for profile in datasets.toy_profiles() if profile.user_id != without],
        [label for label in datasets.toy_labels() if label.user_id != without],
    )


def variables(dataset: Path) -> Variables:
    return {**dataset_vars(dataset, []), **datasets.TOY_VARS}


@pytest.fixture(scope="module")
def served(embedded: Home, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse with a model and its vectors."""
    home = Home.of(tmp_path_factory.mktemp("served") / "home")
    shutil.copytree(embedded.root, home.root)
    forget_dataset(home)
    build(home, variables(dataset))
    return home


@pytest.fixture(scope="module")
def staged(
    served: Home, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, str]:
    """The same after a refit that moves the cut, and what that said."""
    home = Home.of(tmp_path_factory.mktemp("staged") / "home")
    shutil.copytree(served.root, home.root)
    printed = StringIO()
    console = Console(file=printed, width=400)
    refit(home, variables(dataset), until="latest", progress=console)
    return home, printed.getvalue()


@pytest.fixture
def home(staged: tuple[Home, str], dataset: Path, tmp_path: Path) -> Home:
    """A copy that a test may change."""
    copy = Home.of(tmp_path / "home")
    shutil.copytree(staged[0].root, copy.root)
    write(dataset)
    return copy


def test_the_old_model_its_tokens_and_its_vectors_stay_and_the_next_step_is_said(
    served: Home, staged: tuple[Home, str]
) -> None:
    home, said = staged
    for relation in ("fit.vocabulary", "tokens.event_tokens", "vectors.user_embeddings"):
        assert query(home, f"from {relation} order by all") == query(
            served, f"from {relation} order by all"
        )
    assert [row["status"] for row in models_of(home.warehouse).to_pylist()] == ["current"]
    assert query(home, "select embed('user 05')") == query(served, "select embed('user 05')")
    assert "waits for a model" in said
    assert "pragma shards" in said
    assert tokenizer(home, "fit_next") != tokenizer(home) == tokenizer(served)
    assert query(home, "select count(*) from tokens.next_event_tokens") == query(
        home, "select count(*) from contract.events"
    )
    listed = CliRunner().invoke(app, ["register", "--home", str(home.root)])
    assert tokenizer(home, "fit_next")[:12] in listed.stderr


def test_shards_are_of_the_candidate_unless_the_current_one_is_asked_for(home: Home) -> None:
    assert export_shards(home.warehouse, home.shards).manifest.tokenizer_hash == tokenizer(
        home, "fit_next"
    )
    current = export_shards(home.warehouse, home.shards, current=True)
    assert current.manifest.tokenizer_hash == tokenizer(home)


def test_a_user_who_is_gone_is_gone_from_the_candidate_too(home: Home, dataset: Path) -> None:
    write(dataset, without="user 05")
    build(home, variables(dataset))
    for relation in ("event_tokens", "profile_tokens"):
        assert query(
            home, f"select count(*) from tokens.next_{relation} where user_id = 'user 05'"
        ) == [(0,)]
    assert query(home, "select count(*) > 0 from tokens.next_event_tokens") == [(True,)]


def test_registering_a_model_of_the_candidate_puts_it_into_force_and_the_old_one_can_come_back(
    home: Home, dataset: Path, tmp_path: Path
) -> None:
    old, new = tokenizer(home), tokenizer(home, "fit_next")
    current = (home.bundles / "current").read_text().strip()
    before = query(home, "from tokens.event_tokens order by all")

    register_bundle(
        open_bundle(another_bundle(home, tmp_path / "new", tokenizer_hash=new)), home.warehouse
    )
    assert tokenizer(home) == new
    assert not traces(home)
    assert query(home, "select embed('user 05') is not null") == [(True,)]
    build(home, variables(dataset), select=["models+"])
    build(home, variables(dataset))
    assert f"fit_{old[:12]}" in schemas(home)
    assert query(home, "select distinct tokenizer_hash from tokens.user_tokens") == [(new,)]
    assert query(home, "select count(*) from tokens.event_tokens") == [(len(before),)]
    assert tokenizer(home) == new

    put_back = CliRunner().invoke(app, ["register", current, "--home", str(home.root)])
    assert put_back.exit_code == 0, put_back.exception
    assert "next: pragma build " in put_back.stderr
    assert tokenizer(home) == old
    build(home, variables(dataset))
    assert query(home, "from tokens.event_tokens order by all") == before
    assert f"fit_{new[:12]}" in schemas(home)


@pytest.mark.slow
def test_a_candidate_of_an_older_version_is_put_into_force_after_a_build(
    home: Home, dataset: Path
) -> None:
    new = tokenizer(home, "fit_next")
    shards = export_shards(home.warehouse, home.shards).manifest
    with_state_of_hooks(home)
    with_candidate_apart(home)
    with pytest.raises(PragmaError, match="built by an older version") as refused:
        put_into_force(home.warehouse, "fit_next")
    assert refused.value.next_step == "pragma build, then register again"
    build(home, variables(dataset))
    assert export_shards(home.warehouse, home.shards).manifest == shards
    put_into_force(home.warehouse, "fit_next")
    assert tokenizer(home) == new
    assert query(home, "select distinct tokenizer from tokens.event_tokens") == [(new[:12],)]


@pytest.mark.slow
def test_a_refit_that_changes_nothing_says_so_and_names_the_cut(
    served: Home, dataset: Path, tmp_path: Path
) -> None:
    home = Home.of(tmp_path / "home")
    shutil.copytree(served.root, home.root)
    write(dataset)
    console = StringIO()
    refit(home, variables(dataset), progress=Console(file=console, width=400))
    for words in ("the same tokenizer as before", "2024-07-01", "--refit --until latest"):
        assert words in console.getvalue()
    assert not traces(home)


@pytest.mark.slow
def test_a_candidate_that_fails_leaves_what_is_served(
    served: Home, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.of(tmp_path / "home")
    shutil.copytree(served.root, home.root)
    write(dataset)

    def refuse(texts: object, tokenizer: object) -> object:
        raise PragmaError("no text can be encoded", "try again")

    with monkeypatch.context() as broken:
        broken.setattr("pragma_sql.warehouse.functions.encode", refuse)
        with pytest.raises(PragmaError, match="no text can be encoded"):
            refit(home, variables(dataset), until="2024-09-01")
    assert tokenizer(home) == tokenizer(served)
    assert query(home, "select embed('user 05')") == query(served, "select embed('user 05')")
    shards = export_shards(home.warehouse, home.shards)
    assert shards.manifest.tokenizer_hash == tokenizer(home), "half a candidate is none"
    build(home, variables(dataset))
    assert not traces(home)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--until", "latest"], "--until moves the cut of a refit"),
        (["--refit", "--until", "soon"], "--until soon: this is no moment"),
        (["--refit", "--select", "fit"], "--refit makes a whole tokenizer"),
        (["--refit", "--full-refresh"], "--refit makes a whole tokenizer"),
        (["--refit", "--strict"], "--refit makes a whole tokenizer"),
    ],
)
def test_options_that_do_not_fit_a_refit_are_refused(
    words: list[str], answer: str, dataset: Path
) -> None:
    refused = CliRunner().invoke(app, ["build", "--contract", str(dataset), *words])
    assert answer in str(refused.exception)
