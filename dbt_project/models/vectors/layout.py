"""Vectors of a sample of users in two dimensions; `views.embedding_map` is what people read."""

from pragma_udfs.projection import layout


def model(dbt, session):
    """One row per user."""
    latest = dbt.ref("latest_embeddings")
    sample = latest.order("md5(user_id), user_id").limit(int(dbt.config.get("users")))
    return layout(sample.to_arrow_table(), int(dbt.config.get("clusters")))
