"""Vectors of a sample of users in two dimensions, which `views.embedding_map` shows."""

import pyarrow as pa

from pragma_sql.scoring.projection import SAMPLE, layout, without_coordinates


def model(dbt, session):
    """One row per user."""
    dbt.ref("latest_embeddings")
    users = {"users": int(dbt.config.get("users"))}
    placed = session.execute(SAMPLE.format(whose="in"), users).to_arrow_table()
    apart = session.execute(SAMPLE.format(whose="not in"), users).to_arrow_table()
    return pa.concat_tables(
        [layout(placed, int(dbt.config.get("clusters"))), without_coordinates(apart)]
    )
