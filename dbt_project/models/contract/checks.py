"""The gate: Great Expectations over the contract; a broken error-rule stops what is downstream."""

import sys

from pragma_sql.checks import data_docs_page, raise_if_broken, run_checks, to_arrow
from pragma_sql.warehouse import warehouse_of


def model(dbt, session):
    """One row per rule of the contract."""
    # dbt reads these calls off the source to order the build.
    dbt.ref("events")
    dbt.ref("profiles")
    dbt.ref("labels")
    dbt.ref("transfers")
    docs = warehouse_of(session).parent / "data_docs"
    results = run_checks(session, docs)
    raise_if_broken(results)
    print(f"Data Docs: {data_docs_page(docs)}", file=sys.stderr)
    return to_arrow(results)
