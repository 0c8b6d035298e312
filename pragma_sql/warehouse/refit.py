"""`pragma build --refit`: a new tokenizer, made beside the one in force.

See docs/decisions/refit.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
from rich.console import Console

from pragma_sql.datasets.dataset import Variables
from pragma_sql.warehouse.build import Built, FailedTestError, build
from pragma_sql.formats.bundle import read_manifest
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import CANDIDATE, CANDIDATE_TOKENS, Tokenizer, candidate_of, is_fitted, open_warehouse, read_tokenizer
from pragma_sql.warehouse.promote import put_into_force

VIEWS = ("user_tokens", "new_tokens")
TABLES = ("event_tokens", "profile_tokens", "text_tokens")
"""The models of a candidate's tokens."""
LATEST = "latest"


def refit(
    home: Home,
    variables: Variables,
    *,
    until: str | None = None,
    project: Path | None = None,
    progress: Console | None = None,
) -> list[Built]:
    """Make a new tokenizer.

    It and its tokens are made as a candidate, beside the ones in force, so a refit that fails or is
    killed changes nothing. If the current model uses the present tokenizer, the candidate waits for
    a model of its own; otherwise it is put into force at once. All else is built as usual.

    Args:
        home: the home of the warehouse.
        variables: dbt vars.
        until: a new cut-off of the fit as an ISO moment, or `latest` for after all data.
        project: a dbt project that has ours as a package.
        progress: prints what was made and what to do next.
    """
    if until is not None:
        variables = {**variables, "refit_until": _moment(until)}
    build_with = partial(
        build, home, variables, comparing=False, project=project, progress=progress
    )
    before = _in_force(home)
    if before is None:
        return build_with()
    served, built = _is_served(home, before), []
    try:
        # If nobody is served, the rest is built once the new tokenizer is in force.
        built = build_with(select=() if served else ["+checks.checks"])
    except FailedTestError as failed:  # perhaps of drift, which the refit fixes
        _say(progress, f"warning: {failed}")
    _begin(home)
    built += build_with(candidate=True, select=["fit"])
    with open_warehouse(home.warehouse) as con:
        made = read_tokenizer(con, CANDIDATE)
    if made.tokenizer_hash == before.tokenizer_hash:
        _say_same(before, progress)
        drop_candidate(home)
        return built if served else [*built, *build_with()]
    built += build_with(candidate=True, select=[*VIEWS, *TABLES])
    _finish(home)
    if served:
        _say(progress, candidate_text(made, home))
        return built
    put_into_force(home.warehouse, CANDIDATE)
    return [*built, *build_with()]


def candidate_text(made: Tokenizer, home: Home) -> str:
    """A description of a candidate, and the commands that activate it."""
    place, shards = home.option, shlex.quote(str(home.shards))
    return (
        f"tokenizer {made.tokenizer_hash[:12]}, fitted before {made.fit_until}, waits for a model;"
        " until one is registered, the current model is served as before\n"
        f"next: pragma shards {place}, pragma train {shards} {place}, pragma register RUN {place}"
    )


def waiting_text(home: Home) -> str:
    """`candidate_text` for the waiting candidate; empty if there is none."""
    with open_warehouse(home.warehouse) as con:
        candidate = candidate_of(con)
    return candidate_text(candidate, home) if candidate else ""


def check_until(until: str | None, refit: bool) -> None:
    """Raise if a moment is given without a refit, or is not a valid moment."""
    if until is not None and not refit:
        raise PragmaError(
            "--until moves the cut of a refit", f"pragma build --refit --until {until}"
        )
    if until is not None:
        _moment(until)


def check_whole(select: Sequence[str], full_refresh: bool, strict: bool) -> None:
    """Raise if a refit is asked for together with options of an ordinary build."""
    if select or full_refresh or strict:
        raise PragmaError(
            "--refit makes a whole tokenizer; it takes no --select, --full-refresh or --strict",
            "pragma build --refit, or leave --refit out",
        )


def drop_candidate(home: Home) -> None:
    """Drop a candidate, complete or not."""
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"drop schema if exists {CANDIDATE} cascade")
        for kind, names in (("view", VIEWS), ("table", TABLES)):
            for name in names:
                con.execute(f"drop {kind} if exists tokens.{CANDIDATE_TOKENS}{name}")


def _begin(home: Home) -> None:
    drop_candidate(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"create schema {CANDIDATE}")
        con.execute(f"create table {CANDIDATE}.unfinished as select now() as since")


def _finish(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"drop view tokens.{CANDIDATE_TOKENS}new_tokens")
        con.execute(f"drop table tokens.{CANDIDATE_TOKENS}text_tokens")
        con.execute(f"drop table {CANDIDATE}.unfinished")


def _moment(until: str) -> str:
    if until == LATEST:
        return until
    try:
        return datetime.fromisoformat(until).isoformat(sep=" ")
    except ValueError:
        raise PragmaError(
            f"--until {until}: this is no moment", "write latest, or a moment like 2024-01-31"
        ) from None


def _in_force(home: Home) -> Tokenizer | None:
    """The tokenizer in force; None before the first fit is finished."""
    if not home.warehouse.is_file():
        return None
    with open_warehouse(home.warehouse) as con:
        return read_tokenizer(con) if is_fitted(con) else None


def _is_served(home: Home, tokenizer: Tokenizer) -> bool:
    current = home.current_model
    if current is None:
        return False
    try:
        manifest = read_manifest(home.bundles / current)
    except PragmaError:
        return False
    return manifest.tokenizer_hash == tokenizer.tokenizer_hash


def _say_same(before: Tokenizer, progress: Console | None) -> None:
    _say(
        progress,
        f"the refit gives the same tokenizer as before, {before.tokenizer_hash[:12]}: it is cut at"
        f" {before.fit_until}, and what came later is not looked at\n"
        f"next: move the cut: pragma build --refit --until {LATEST}, or a moment",
    )


def _say(progress: Console | None, text: str) -> None:
    if progress is not None:
        progress.print(text, soft_wrap=True, highlight=False, markup=False)
