"""Similar users: the nearest by cosine, exact or by an index of the extension `vss`."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from pragma_sql.warehouse.connection import load_extension

NEIGHBOURS = pa.schema(
    {
        "model_id": pa.string(),
        "user_id": pa.string(),
        "rank": pa.int32(),
        "similar_user_id": pa.string(),
        "similarity": pa.float64(),
    }
)

SCORES_AT_A_TIME = 20_000_000
"""Most cosines that are held at once, 80 MB."""

INDEXED = """
select user_id, array_cosine_distance(embedding, getvariable('asked')::float[{width}]) as distance
from pragma_neighbours.users
order by array_cosine_distance(embedding, getvariable('asked')::float[{width}])
limit {most}
"""


def neighbours(
    con: duckdb.DuckDBPyConnection, relation: str, *, most: int, exact_users: int, index_users: int
) -> pa.Table:
    """The nearest users of each user, all within one sample.

    All pairs are compared if there are few users; the index is searched if there are more and `vss`
    is installed. The sample holds the first users by the hash of their ids, so it stays the same
    from day to day.

    Args:
        con: a connection that sees the relation.
        relation: name of a relation, or a query in brackets, of `user_id, model_id, embedding
            FLOAT[d]`, one row per user.
        most: number of neighbours of each user.
        exact_users: most users among whom all pairs are compared.
        index_users: most users of an index in memory.

    Returns:
        Columns of `NEIGHBOURS`, by user and rank.
    """
    (users,) = con.execute(f"select count(*) from {relation}").fetchall()[0]  # noqa: S608 - ours
    indexed = users > exact_users and load_extension(con, "vss")
    con.execute(
        f"create or replace temp table vectors_of_the_sample as from {relation}"
        " order by md5(user_id), user_id limit $limit",
        {"limit": index_users if indexed else exact_users},
    )
    if not users:
        return NEIGHBOURS.empty_table()
    if indexed:
        _ask_index(con, most)
    else:
        _compare_all(con, most)
    found = con.execute(
        "select model_id, user_id, rank::integer as rank, near.user_id as similar_user_id,"
        " round(1 - near.distance::double, 6) as similarity"
        " from (select user_id, unnest(nearest) as near, generate_subscripts(nearest, 1) as rank"
        " from nearest_of) as listed"
        " inner join vectors_of_the_sample using (user_id) order by user_id, rank"
    ).to_arrow_table()
    con.execute("drop table nearest_of; drop table vectors_of_the_sample")
    return found.cast(NEIGHBOURS)


def _compare_all(con: duckdb.DuckDBPyConnection, most: int) -> None:
    """Fill `nearest_of` from all pairs by matrix products, 100 times as fast as a join."""
    rows = con.execute(
        "select user_id, embedding from vectors_of_the_sample order by user_id"
    ).to_arrow_table()
    names = rows["user_id"].to_pylist()
    vectors = np.stack(rows["embedding"].to_numpy(zero_copy_only=False)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    kept = min(most, len(names) - 1)
    nearest = []
    for part in np.array_split(np.arange(len(names)), len(names) ** 2 // SCORES_AT_A_TIME + 1):
        # Rounded, so that the order of sums does not decide between equally near users.
        distances = np.round(1 - vectors[part] @ vectors.T, 6)
        distances[np.arange(len(part)), part] = np.inf
        edge = np.partition(distances, kept - 1, axis=1)[:, kept - 1] if kept else distances[:, 0]
        for of_user, farthest in zip(distances, edge, strict=True):
            near = np.flatnonzero(of_user <= farthest)  # in the order of the rows, by user id
            near = near[np.argsort(of_user[near], kind="stable")][:kept]
            nearest.append(
                [{"user_id": names[other], "distance": float(of_user[other])} for other in near]
            )
    _answer(con, names, nearest)


def _answer(
    con: duckdb.DuckDBPyConnection,
    names: list[str],
    nearest: list[list[dict[str, str | float]]],
) -> None:
    kind = pa.list_(pa.struct({"user_id": pa.string(), "distance": pa.float64()}))
    columns = {"user_id": pa.array(names, pa.string()), "nearest": pa.array(nearest, kind)}
    con.register("nearest_found", pa.table(columns))
    con.execute("create or replace temp table nearest_of as from nearest_found")
    con.unregister("nearest_found")


def _ask_index(con: duckdb.DuckDBPyConnection, most: int) -> None:
    """Fill `nearest_of` from an index in a database beside the warehouse file."""
    con.execute("attach ':memory:' as pragma_neighbours")
    try:
        con.execute(
            "create table pragma_neighbours.users as"
            " select user_id, embedding from vectors_of_the_sample"
        )
        con.execute(
            "create index nearest on pragma_neighbours.users using hnsw (embedding)"
            " with (metric = 'cosine')"
        )
        rows = con.execute("select user_id, embedding from vectors_of_the_sample").fetchall()
        query = INDEXED.format(width=len(rows[0][1]), most=most + 1)
        nearest: list[list[dict[str, str | float]]] = []
        for user, vector in rows:
            con.execute("set variable asked = $asked", {"asked": vector})
            near = [row for row in con.execute(query).fetchall() if row[0] != user]
            nearest.append([{"user_id": other, "distance": far} for other, far in near[:most]])
        _answer(con, [user for user, _ in rows], nearest)
    finally:
        con.execute("detach pragma_neighbours")
