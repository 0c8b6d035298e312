"""Putting a tokenizer into force: a candidate, or an earlier one whose model is registered."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.connection import CANDIDATE, CANDIDATE_TOKENS, is_fitted, open_warehouse, read_tokenizer, tokenizer_of_tokens


def schema_of(warehouse: Path, tokenizer_hash: str) -> str | None:
    """The schema that holds the tokenizer of this hash beside the one in force, else None."""
    digits = tokenizer_hash[:12]
    with open_warehouse(warehouse) as con:
        for schema in (CANDIDATE, f"fit_{digits}", f"archive_{digits}"):  # the last in older warehouses
            if is_fitted(con, schema) and read_tokenizer(con, schema).tokenizer_hash == tokenizer_hash:
                return schema
    return None


def put_into_force(warehouse: Path, schema: str) -> None:
    """Make the tokenizer of this schema the fit, and keep the present one in a schema of its own.

    All of it is one transaction. A candidate brings its tokens, so its model serves at once and the
    next build updates them. The next build makes the tokens of an earlier tokenizer.

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
        tokens = _tables(con, "tokens")
        older = "built_partitions" in tokens or f"{CANDIDATE_TOKENS}event_tokens" not in tokens
        if schema == CANDIDATE and older:
            raise PragmaError(
                f"{warehouse} was built by an older version", "pragma build, then register again"
            )
        con.execute("begin")
        _copy(con, "fit", f"fit_{read_tokenizer(con).tokenizer_hash[:12]}")
        _copy(con, schema, "fit")
        con.execute(f'drop schema "{schema}" cascade')
        if schema == CANDIDATE:
            _rename_tokens(con)
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


def _rename_tokens(con: duckdb.DuckDBPyConnection) -> None:
    """Replace the tokens by the candidate's, and let the next build compare all partitions."""
    made = f"{CANDIDATE_TOKENS}user_tokens"
    ((view,),) = con.execute(
        "select sql from duckdb_views() where schema_name = 'tokens' and view_name = $made",
        {"made": made},
    ).fetchall()
    con.execute(f"drop view tokens.{made}; drop view if exists tokens.user_tokens")
    for name in ("event_tokens", "profile_tokens"):
        con.execute(f"drop table if exists tokens.{name}")
        con.execute(f"alter table tokens.{CANDIDATE_TOKENS}{name} rename to {name}")
    con.execute(str(view).replace(f"tokens.{CANDIDATE_TOKENS}", "tokens."))
    if "_ingested" in _tables(con, "tokens"):
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
