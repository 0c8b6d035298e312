"""The models that this warehouse knows; their bundles lie beside the warehouse file."""

from pragma_sql.registry import registered_models
from pragma_sql.warehouse import warehouse_of


def model(dbt, session):
    """One row per registered model."""
    return registered_models(warehouse_of(session))
