"""The registered models of this warehouse; their bundles lie beside the warehouse file."""

from pragma_sql.warehouse.connection import warehouse_of
from pragma_sql.warehouse.registry import registered_models


def model(dbt, session):
    """One row per registered model."""
    ((tokenizer_hash,),) = dbt.ref("tokenizer").project("tokenizer_hash").fetchall()
    return registered_models(warehouse_of(session), tokenizer_hash)
