"""`dbt build` on the bundled project, in this process, with readable results and errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from pragma_sql.datasets.dataset import Variables
from pragma_sql.formats.bundle import read_manifest
from pragma_sql.checks.gate import data_docs_page
from pragma_sql.warehouse.gc_paused import without_collecting
from pragma_sql.warehouse.dbt_project import readable
from pragma_sql.formats.errors import PragmaError, count_of
from pragma_sql.warehouse.fit_settings import differences, ignored_settings_error, made_with, remember_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.kinds import show_kinds
from pragma_sql.warehouse.dbt_project import ParsedProject
from pragma_sql.formats.paths import DBT_PROJECT
from pragma_sql.warehouse.selection import check_matched, lacking, unmatched, with_seeds
from pragma_sql.datasets.user_project import package_of
from pragma_sql.warehouse.connection import open_warehouse

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunResult
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg


class FailedTestError(PragmaError):
    """A dbt test failed; the tables are built."""


@dataclass(frozen=True)
class Built:
    """One model that was built."""

    relation: str
    seconds: float
    rows: int | None
    """Number of rows; None for a view."""


def build(
    home: Home,
    variables: Variables,
    *,
    select: Sequence[str] = (),
    full_refresh: bool = False,
    candidate: bool = False,
    strict: bool = False,
    comparing: bool = True,
    project: Path | None = None,
    progress: Console | None = None,
) -> list[Built]:
    """Run `dbt build` and return the models built, in order.

    Args:
        home: the folder of the warehouse and dbt's artefacts.
        variables: dbt vars that differ from dbt_project.yml.
        select: dbt node selectors; all when empty.
        full_refresh: make incremental tables again as a whole; a finished fit stays as it is.
        candidate: make a candidate's fit or tokens, beside those in force.
        strict: fail instead of warning; if the fit ignores settings, before the build starts.
        comparing: report the settings that a frozen fit ignores.
        project: a dbt project that has ours as a package; None for ours alone.
        progress: prints each finished model and the messages of our macros.

    Raises:
        PragmaError: for the first failure, in words; models downstream of it were not built.
    """
    # This import takes a second, which other commands save.
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.artifacts.resources.types import NodeType
    from dbt.artifacts.schemas.run import RunExecutionResult

    home.root.mkdir(parents=True, exist_ok=True)
    os.environ["PRAGMA_HOME"] = str(home.root)
    made = made_with(home.warehouse)
    kept = {} if project else remember_vars(made)
    all_variables = {**_embedding_size(home), **kept, **variables}
    if candidate:
        all_variables["candidate"] = True
    if comparing and not candidate and (lines := differences(made, all_variables, project)):
        _warn(ignored_settings_error(lines), strict, progress)
    folder = (project or DBT_PROJECT).resolve()
    if project and package_of(folder):
        installed = _dbt(home, folder, ["deps"], progress)
        if installed.exception is not None:
            raise readable(str(installed.exception), home)
    arguments = [
        *("build", "--exclude-resource-type", "unit_test"),
        # The tests are not about a candidate's tables.
        *(["--exclude-resource-type", "test"] if candidate else []),
        *("--target-path", str(home.dbt / "target"), "--vars", json.dumps(all_variables)),
        *(["--select", *with_seeds(select, alone=candidate)] if select else []),
        *(["--full-refresh"] if full_refresh else []),
    ]
    parsed = ParsedProject(folder, all_variables) if project is None else None
    manifest = parsed.load() if parsed else None
    try:
        outcome = _dbt(home, folder, arguments, progress, manifest)
    finally:
        # dbt leaves the file open, which would keep other processes from reading it.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if outcome.exception is not None:
        raise readable(str(outcome.exception), home)
    if parsed and not manifest:
        parsed.keep(home.dbt / "target")
    results = outcome.result.results if isinstance(outcome.result, RunExecutionResult) else []
    check_matched(select, results)
    for result in results:
        if result.status == "error":
            raise lacking(str(result.message), select) or readable(str(result.message), home)
    dataset = "" if project else str(all_variables.get("dataset", ""))
    show_kinds(results, home, folder, dataset, progress)
    _raise_or_warn(results, strict, progress)
    return _with_rows(
        home.warehouse,
        [
            (f"{r.node.schema}.{r.node.name}", r.execution_time)
            for r in results
            if r.node.resource_type == NodeType.Model
        ],
    )


def _raise_or_warn(results: Sequence[RunResult], strict: bool, progress: Console | None) -> None:
    """Raise for the first failed test; print the tests that warn."""
    for result in results:
        if result.status in ("fail", "warn"):
            node = result.node
            what = f"{node.description or node.name}: {count_of(result.failures or 0, 'row')}"
            broken = FailedTestError(what, str(node.config.meta.get("next", "look at them in SQL")))
            _warn(broken, strict or result.status == "fail", progress)


def _warn(what: PragmaError, strict: bool, progress: Console | None) -> None:
    if strict:
        raise what
    if progress is not None:
        progress.print(f"warning: {what}", soft_wrap=True, highlight=False, markup=False)


def _dbt(
    home: Home,
    folder: Path,
    arguments: Sequence[str],
    progress: Console | None,
    manifest: Manifest | None = None,
) -> dbtRunnerResult:
    command, *rest = arguments
    with without_collecting():
        from dbt.cli.main import dbtRunner

        return dbtRunner(manifest, [_reporter(progress)] if progress else []).invoke(
            [
                *("--log-level", "none", "--log-level-file", "info", "--no-write-json"),
                *("--log-path", str(home.dbt / "logs")),
                command,
                *("--project-dir", str(folder), "--profiles-dir", str(folder), *rest),
            ]
        )


def validate(
    home: Home,
    variables: Variables,
    *,
    strict: bool = False,
    project: Path | None = None,
    progress: Console | None = None,
) -> pa.Table:
    """Build only the contract and its checks, over all rows, new or not.

    Returns contract.checks, broken rules first.
    """
    variables = {**variables, "check_all_events": True}
    build(home, variables, select=["+checks.checks"], strict=strict, project=project, progress=progress)
    if progress is not None:
        page = f"Data Docs: {data_docs_page(home.data_docs)}"
        progress.print(page, highlight=False, soft_wrap=True)
    with open_warehouse(home.warehouse) as con:
        query = (
            "select rule, severity, rows, total, example, passed, fix from contract.checks"
            " order by passed, severity, relation, rule"
        )
        return con.execute(query).to_arrow_table()


def built_table(built: Sequence[Built]) -> Table:
    """The models that a build made, as a table for people."""
    table = Table(title="built", title_justify="left")
    table.add_column("model")
    for name in ("rows", "seconds"):
        table.add_column(name, justify="right")
    for model in built:
        rows = "view" if model.rows is None else f"{model.rows:,}"
        table.add_row(model.relation, rows, f"{model.seconds:.2f}")
    return table


def _with_rows(warehouse: Path, models: Sequence[tuple[str, float]]) -> list[Built]:
    with open_warehouse(warehouse) as con:
        tables = dict(
            con.execute(
                "select schema_name || '.' || table_name, estimated_size from duckdb_tables()"
            ).fetchall()
        )
    return [Built(name, seconds, tables.get(name)) for name, seconds in models]


def _embedding_size(home: Home) -> Variables:
    """The width of the current model, which types vectors.user_embeddings."""
    current = home.current_model
    if current is None:
        return {}
    return {"embedding_size": read_manifest(home.bundles / current).embedding_size}


def _reporter(progress: Console) -> Callable[[EventMsg], None]:
    def report(event: EventMsg) -> None:
        if event.info.name in ("JinjaLogInfo", "JinjaLogWarning"):
            progress.print(event.data.msg, soft_wrap=True, highlight=False, markup=False)
            return
        if event.info.name == "NoNodesForSelectionCriteria":
            if said := unmatched(event.data.spec_raw):
                progress.print(said, soft_wrap=True, highlight=False, markup=False)
            return
        if event.info.name != "NodeFinished":
            return
        node = event.data.node_info
        made = node.resource_type == "model" and node.materialized != "ephemeral"
        if made and node.node_status != "skipped":
            seconds = event.data.run_result.execution_time
            progress.print(f"  {node.node_status:8} {node.node_name} {seconds:.1f} s", style="dim")

    return report
