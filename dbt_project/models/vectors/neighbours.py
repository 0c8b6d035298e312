"""The nearest users of each user of a sample, which `views.similar_users` shows.

Users without events are left out, because those with equal profiles would all be neighbours.
"""

from pragma_sql.scoring.neighbours import neighbours

WITH_EVENTS = """(
    from vectors.latest_embeddings
    where user_id in (select known.user_id from tokens._histories as known)
)"""


def model(dbt, session):
    """One row per user and neighbour."""
    dbt.ref("latest_embeddings")
    dbt.ref("_histories")
    return neighbours(
        session,
        WITH_EVENTS,
        most=int(dbt.config.get("neighbours")),
        exact_users=int(dbt.config.get("exact_users")),
        index_users=int(dbt.config.get("index_users")),
    )
