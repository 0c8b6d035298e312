"""`pragma build --refit`: a new tokenizer, made beside the one that serves the current model.

See docs/decisions/refit.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
from rich.console import Console

from pragma_sql.datasets.dataset import Variables
from pragma_sql.warehouse.build import Built, FailedTestError, build
from pragma_sql.formats.bundle import read_manifest
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import CANDIDATE, Tokenizer, candidate_of, open_warehouse, read_tokenizer

CANDIDATE_TOKENS = ("new_tokens", "event_tokens", "profile_tokens", "user_tokens", "texts")
LATEST = "latest"


def refit(
    home: Home,
    variables: Variables,
    *,
    until: str | None = None,
    select: Sequence[str] = (),
    project: Path | None = None,
    progress: Console | None = None,
) -> list[Built]:
    """Make a new tokenizer.

    If the current model uses the present tokenizer, the new one is a candidate: it and its tokens
    are made in schemas of their own, and all else is built as usual. Otherwise it replaces the old
    one.

    Args:
        home: the home of the warehouse.
        variables: dbt vars.
        until: a new cut-off of the fit as an ISO moment, or `latest` for after all data.
        select: dbt node selectors; the selected models are then made again in place.
        project: a dbt project that has ours as a package.
        progress: prints what was made and what to do next.
    """
    if until is not None:
        variables = {**variables, "refit_until": _moment(until)}
    before = _in_force(home)
    if select or before is None or not _is_served(home, before):
        built = build(
            home, variables, select=select, refit=True, project=project, progress=progress
        )
        if before is not None and not select:
            _say_if_same(before, _in_force(home), progress)
        return built
    try:
        built = build(home, variables, project=project, comparing=False, progress=progress)
    except FailedTestError as failed:  # perhaps of drift, which the refit fixes
        built = []
        _say(progress, f"warning: {failed}")
    _begin(home)
    candidate = {**variables, "candidate": True}
    built += build(home, candidate, select=["fit"], refit=True, project=project, progress=progress)
    with open_warehouse(home.warehouse) as con:
        made = read_tokenizer(con, CANDIDATE)
    if _say_if_same(before, made, progress):
        drop_candidate(home)
        return built
    built += build(
        home, candidate, select=CANDIDATE_TOKENS, refit=True, project=project, progress=progress
    )
    _finish(home)
    _say(progress, candidate_text(made, home))
    return built


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


def drop_candidate(home: Home) -> None:
    """Drop a candidate, complete or not."""
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"drop schema if exists {CANDIDATE} cascade")
        con.execute("drop schema if exists tokens_next cascade")


def _begin(home: Home) -> None:
    drop_candidate(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"create schema {CANDIDATE}; create schema tokens_next")
        con.execute(f"create table {CANDIDATE}.unfinished as select now() as since")


def _finish(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(f"drop view tokens_next.new_tokens; drop table tokens_next.texts; drop table {CANDIDATE}.unfinished")


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
    if not home.warehouse.is_file():
        return None
    try:
        with open_warehouse(home.warehouse) as con:
            return read_tokenizer(con)
    except PragmaError:
        return None


def _is_served(home: Home, tokenizer: Tokenizer) -> bool:
    pointer = home.bundles / "current"
    if not pointer.is_file():
        return False
    try:
        manifest = read_manifest(home.bundles / pointer.read_text().strip())
    except PragmaError:
        return False
    return manifest.tokenizer_hash == tokenizer.tokenizer_hash


def _say_if_same(before: Tokenizer, made: Tokenizer | None, progress: Console | None) -> bool:
    same = made is not None and made.tokenizer_hash == before.tokenizer_hash
    if same:
        _say(
            progress,
            f"the refit gives the tokenizer that there was, {before.tokenizer_hash[:12]}: it is cut"
            f" at {before.fit_until}, and what came later is not looked at\n"
            f"next: move the cut: pragma build --refit --until {LATEST}, or a moment",
        )
    return same


def _say(progress: Console | None, text: str) -> None:
    if progress is not None:
        progress.print(text, soft_wrap=True, highlight=False, markup=False)
