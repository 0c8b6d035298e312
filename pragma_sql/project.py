"""Where the dbt project, its macros and the examples lie: in the checkout or in the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent
"""The folder that holds `dbt_project` and `examples`."""

DBT_PROJECT = DATA / "dbt_project"
MACROS = DBT_PROJECT / "shared_macros"
"""The text macros; in the checkout a link to `macros`, which dbt can follow from other projects."""
