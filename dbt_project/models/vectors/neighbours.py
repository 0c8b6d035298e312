"""The nearest users of each user of a sample; `views.similar_users` is what people read."""

from pragma_udfs.neighbours import neighbours


def model(dbt, session):
    """One row per user and neighbour."""
    dbt.ref("latest_embeddings")
    return neighbours(
        session,
        "vectors.latest_embeddings",
        most=int(dbt.config.get("neighbours")),
        exact_users=int(dbt.config.get("exact_users")),
        index_users=int(dbt.config.get("index_users")),
    )
