"""The models that this warehouse knows; their bundles lie beside the warehouse file."""

from pragma_sql.registry import registered_models
from pragma_sql.warehouse import warehouse_of


def model(dbt, session):
    """One row per registered model."""
    ((tokenizer_hash,),) = dbt.ref("tokenizer").project("tokenizer_hash").fetchall()
    return registered_models(warehouse_of(session), tokenizer_hash)
