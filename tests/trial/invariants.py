"""What has to be true of a warehouse after every build, told from the delivery alone."""

from __future__ import annotations

import duckdb
from delivery import Delivery
from place import Place
from slow_tokenizer import SlowTokenizer, Tokens
from test_tokens import slow_tokenizer

SAMPLE = 300

TRUTH = """
create or replace temp view truth as
select customer::varchar as user_id, booked::timestamp as ts, * exclude (customer, booked, file)
from (select {unique} * from bank.delivered)
"""


def check(place: Place, delivery: Delivery, model: str | None, fields: list[str]) -> None:
    """Hold the warehouse against the delivery.

    Args:
        place: the home.
        delivery: what was last written.
        model: the id of the registered model, if any.
        fields: the fields that mapping.yml names.
    """
    delivery.con.close()  # one process, one writer: the warehouse attaches it read-only
    con = duckdb.connect(str(place.warehouse), read_only=True)
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{delivery.folder.parent / 'bank.duckdb'}' as bank (read_only)")
        unique = "distinct on (customer, booked, id)" if delivery.has_ids else ""
        con.execute(TRUTH.format(unique=unique))
        _events_are_those_delivered(con, delivery, fields)
        _tokens_are_of_the_present_content(con)
        _profiles_are_those_delivered(con)
        _features_count_what_was_before(con)
        if model:
            _vectors_are_of_those_who_are_there(con, model)
    finally:
        con.close()
        delivery.con = duckdb.connect(str(delivery.folder.parent / "bank.duckdb"))
        delivery.con.execute("set TimeZone = 'UTC'")
    if model:
        _vectors_are_what_embed_gives(place)


def none(con: duckdb.DuckDBPyConnection, claim: str, query: str) -> None:
    """The query gives no row."""
    rows = con.execute(f"select * from ({query}) limit 3").fetchall()
    assert not rows, f"{claim}: {rows}"


def _events_are_those_delivered(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, fields: list[str]
) -> None:
    by_moment = "select user_id, ts, count(*) as n from {} group by all"
    for relation in ("contract.events", "tokens.event_tokens"):
        one, other = by_moment.format("truth"), by_moment.format(relation)
        none(con, f"{relation} lacks events", f"({one}) except ({other})")
        none(con, f"{relation} has events too many", f"({other}) except ({one})")
    none(
        con, "an event has tokens twice",
        "select user_id, ts, event_id, content_hash from tokens.event_tokens group by all"
        " having count(*) > 1",
    )  # fmt: skip
    number = delivery.dataset.number
    if number in fields:
        # All figures are sums of the csv's own, so a correction that was not taken over shows.
        sums = """
            select user_id, round(sum({})::double, 3) as total from {} group by user_id
        """
        one = sums.format(f'try_cast("{number}" as double)', "truth")
        other = sums.format(f"try_cast(fields['{number}'] as double)", "contract.events")
        none(con, "contract.events has other figures", f"({one}) except ({other})")


def _tokens_are_of_the_present_content(con: duckdb.DuckDBPyConnection) -> None:
    slow: SlowTokenizer = slow_tokenizer(con)
    query = f"""
        with sample as (
            select user_id, ts, min(source) as source, min(fields) as fields
            from contract.events group by user_id, ts having count(*) = 1
            order by hash(user_id, ts) limit {SAMPLE}
        )
        select sample.source, sample.fields, key_ids, value_ids, positions
        from sample inner join tokens.event_tokens as tokens using (user_id, ts)
    """
    rows = con.execute(query).fetchall()
    assert rows
    for source, fields, *arrays in rows:
        assert Tokens(*map(list, arrays)) == slow.event(source, fields), fields


def _profiles_are_those_delivered(con: duckdb.DuckDBPyConnection) -> None:
    one = "select customer::varchar as user_id, as_of::timestamp as as_of from bank.profiles"
    for relation in ("contract.profiles", "tokens.profile_tokens"):
        other = f"select distinct user_id, as_of from {relation}"
        none(con, f"{relation} lacks profiles", f"({one}) except ({other})")
        none(con, f"{relation} has profiles too many", f"({other}) except ({one})")


def _features_count_what_was_before(con: duckdb.DuckDBPyConnection) -> None:
    one = """
        select labels.customer::varchar as user_id, labels.asked::timestamp as eval_ts,
            count(truth.ts) as events
        from (select distinct customer, asked from bank.labels) as labels
        left join truth on truth.user_id = labels.customer::varchar and truth.ts < labels.asked
        group by all
    """
    other = "select user_id, eval_ts, events from views.user_features"
    none(con, "features count otherwise", f"({one}) except ({other})")
    none(con, "features of users who are not asked about", f"({other}) except ({one})")


def _vectors_are_of_those_who_are_there(con: duckdb.DuckDBPyConnection, model: str) -> None:
    known = "select user_id from truth union select customer::varchar from bank.profiles"
    latest = f"select user_id from vectors.latest_embeddings where model_id = '{model}'"
    none(con, "users without a vector", f"({known}) except ({latest})")
    none(con, "vectors of users who are gone", f"({latest}) except ({known})")
    asked = f"""
        select customer::varchar, asked::timestamp from bank.labels
        where customer::varchar in ({known})
    """
    scored = f"select user_id, as_of from vectors.user_embeddings where model_id = '{model}'"
    none(con, "labels without a vector", f"({asked}) except ({scored})")
    for relation, column in (
        ("views.similar_users", "user_id"),
        ("views.similar_users", "similar_user_id"),
        ("views.embedding_map", "user_id"),
    ):
        none(
            con, f"{relation} shows users who are gone",
            f"(select {column} from {relation}) except ({known})",
        )  # fmt: skip
        none(
            con, f"{relation} shows another model",
            f"select model_id from {relation} where model_id <> '{model}'",
        )  # fmt: skip


def _vectors_are_what_embed_gives(place: Place) -> None:
    (row,) = place.sql(
        "select max(array_distance(embedding, embed(user_id))) as distance, count(*) as n from"
        " (select user_id, embedding from vectors.latest_embeddings order by md5(user_id) limit 8)"
    )
    assert row["n"] == 8
    assert float(str(row["distance"])) < 1e-4, "a stored vector is not what embed gives"


def nowhere(place: Place, user: str) -> None:
    """No table of the warehouse, and no file that is published, names the user."""
    con = duckdb.connect(str(place.warehouse), read_only=True)
    try:
        columns = con.execute(
            "select schema_name, table_name, column_name from duckdb_columns() join duckdb_tables()"
            " using (schema_name, table_name) where data_type = 'VARCHAR'"
            " and column_name like '%user%'"
        ).fetchall()
        assert columns
        for schema, table, column in columns:
            relation = f'"{schema}"."{table}"'
            none(
                con, f"{relation} still names the user",
                f"select \"{column}\" from {relation} where \"{column}\" = '{user}'",
            )  # fmt: skip
        current = place.home / "published" / "bi.duckdb"
        if current.exists():
            con.execute(f"attach '{current}' as bi (read_only)")
            for table in ("user_embeddings", "latest_embeddings", "user_features", "embedding_map"):
                none(con, f"bi.{table}", f"select 1 from bi.{table} where user_id = '{user}'")
    finally:
        con.close()
