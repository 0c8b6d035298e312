"""Warehouses as older versions left them."""

from __future__ import annotations

import duckdb

from pragma_sql.formats.paths import Home

TOKENS = (
    "create table tokens.built as select 'event_tokens' as relation, tokenizer_hash,"
    " (select any_value(probe) from tokens._ingested) as content_probe from fit.tokenizer",
    "create table tokens.built_partitions as select * exclude (probe) from tokens._ingested",
    "create table tokens.built_users as select user_id from tokens._histories",
    "drop table tokens._ingested",
    "drop table tokens._histories",
    "drop table tokens.changed_histories",
    "alter table tokens.event_tokens drop column tokenizer",
)
VECTORS = (
    "create table vectors.scored_users as select model_id, user_id, as_of, profile_checksum,"
    " due_since from vectors._embedding_state",
    "drop table vectors._embedding_state",
    "drop table vectors.stale_embeddings",
)
OLDER_STILL = (
    "create or replace table tokens.built_partitions as"
    " select day, bucket, events, checksum from tokens.built_partitions",
    "drop table fit.settings",
    "drop table fit.field_evidence",
)
CANDIDATE = (
    "create schema tokens_next",
    "create table tokens_next.event_tokens as select * exclude (tokenizer)"
    " from tokens.next_event_tokens",
    "create table tokens_next.profile_tokens as from tokens.next_profile_tokens",
)
"""Where older versions kept a candidate's tokens, apart from the view `user_tokens`."""


def with_older_names(home: Home) -> None:
    """Give tables the names that they had before; a refit that was killed left strings."""
    with duckdb.connect(str(home.warehouse)) as con:
        query = "select schema_name from duckdb_tables() where table_name = 'source_keys'"
        for (schema,) in con.execute(query).fetchall():
            con.execute(f"alter table {schema}.source_keys rename to schemas")
        con.execute("alter table tokens.text_tokens rename to texts")
        con.execute("create table tokens.next_texts as from tokens.texts")


def with_candidate_apart(home: Home) -> None:
    """Keep a candidate's tokens in a schema of their own."""
    with duckdb.connect(str(home.warehouse)) as con:
        query = "select sql from duckdb_views() where view_name = 'next_user_tokens'"
        ((view,),) = con.execute(query).fetchall()
        for statement in CANDIDATE:
            con.execute(statement)
        con.execute(str(view).replace("tokens.next_", "tokens_next."))
        con.execute("drop view tokens.next_user_tokens")
        con.execute("drop table tokens.next_event_tokens")
        con.execute("drop table tokens.next_profile_tokens")


def with_state_of_hooks(home: Home, *, older_still: bool = False) -> None:
    """Let hooks remember what a build made, as before the models `_ingested` and `_histories`."""
    with duckdb.connect(str(home.warehouse)) as con:
        there = "select count(*) from duckdb_tables() where table_name = '_embedding_state'"
        vectors = VECTORS if con.execute(there).fetchall() == [(1,)] else ()
        for statement in (*TOKENS, *vectors, *(OLDER_STILL if older_still else ())):
            con.execute(statement)
