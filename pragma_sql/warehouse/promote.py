"""Activating a tokenizer: a candidate whose model is registered, or one of an archive."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.connection import CANDIDATE, candidate_of, is_fitted, open_warehouse, read_tokenizer, tokenizer_of_tokens


def schema_of(warehouse: Path, tokenizer_hash: str) -> str | None:
    """The schema that holds the tokenizer of this hash: the candidate's or an archive, else None."""
    with open_warehouse(warehouse) as con:
        candidate = candidate_of(con)
        if candidate is not None and candidate.tokenizer_hash == tokenizer_hash:
            return CANDIDATE
        archive = f"archive_{tokenizer_hash[:12]}"
        if is_fitted(con, archive):
            found = read_tokenizer(con, archive).tokenizer_hash
            return archive if found == tokenizer_hash else None
    return None


def put_into_force(warehouse: Path, schema: str) -> None:
    """Make the tokenizer of this schema the fit, and archive the present one.

    All of it is one transaction. A candidate brings its tokens, so its model serves at once and the
    next build updates them. The next build makes the tokens of an archived tokenizer.

    Raises:
        PragmaError: another process has the warehouse open, or an older version built it.
    """
    try:
        con = duckdb.connect(str(warehouse))
    except (duckdb.IOException, duckdb.ConnectionException):
        raise PragmaError(
            f"{warehouse} is open in another process, and its tokenizer is to be exchanged",
            "close it, then register again",
        ) from None
    try:
        if schema == CANDIDATE and "_ingested" not in _tables(con, "tokens"):
            raise PragmaError(
                f"{warehouse} was built by an older version", "pragma build, then register again"
            )
        archive = f"archive_{read_tokenizer(con).tokenizer_hash[:12]}"
        con.execute("begin")
        _copy(con, "fit", archive)
        _copy(con, schema, "fit")
        con.execute(f'drop schema "{schema}" cascade')
        if schema == CANDIDATE:
            _bring_tokens(con)
        con.execute("commit")
    finally:
        con.close()


def next_build(warehouse: Path) -> str:
    """What to build after a model was registered: everything, if its tokens do not exist yet."""
    with open_warehouse(warehouse) as con:
        same = tokenizer_of_tokens(con) == read_tokenizer(con).tokenizer_hash[:12]
    if same:
        return "next: pragma build --select models+   # its embeddings"
    return "next: pragma build   # the tokens of its tokenizer, then its embeddings"


def _bring_tokens(con: duckdb.DuckDBPyConnection) -> None:
    """Replace the tokens by the candidate's, and let the next build compare all partitions."""
    ((view,),) = con.execute(
        "select sql from duckdb_views() where schema_name = 'tokens_next'"
        " and view_name = 'user_tokens'"
    ).fetchall()
    # The candidates of older versions lack the column.
    named = "tokenizer" in con.table("tokens_next.event_tokens").columns
    tokenizer = "" if named else ", (select left(tokenizer_hash, 12) from fit.tokenizer) as tokenizer"
    con.execute(
        f"create or replace table tokens.event_tokens as select *{tokenizer}"  # noqa: S608
        " from tokens_next.event_tokens"
    )
    con.execute("create or replace table tokens.profile_tokens as from tokens_next.profile_tokens")
    con.execute("drop view if exists tokens.user_tokens")
    con.execute(str(view).replace("tokens_next.", "tokens."))
    con.execute("drop schema tokens_next cascade")
    con.execute("update tokens._ingested set checksum = null")
    con.execute(
        "create or replace table tokens._histories as"
        " with contents as (select sum(hash(user_id, ts, tokenizer, key_ids, value_ids, positions))"
        " % 18446744073709551616 as checksum from tokens.event_tokens)"
        " select distinct user_id, contents.checksum::ubigint as version, null::ubigint as previous,"
        " null::timestamp as changed_since, null::ubigint as change"
        " from tokens.event_tokens cross join contents"
    )


def _copy(con: duckdb.DuckDBPyConnection, source: str, target: str) -> None:
    con.execute(f'create schema if not exists "{target}"')
    for name in sorted(_tables(con, source)):
        con.execute(f'create or replace table "{target}"."{name}" as from "{source}"."{name}"')


def _tables(con: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    query = "select table_name from duckdb_tables() where schema_name = $schema"
    return {name for (name,) in con.execute(query, {"schema": schema}).fetchall()}
