"""The files of a user's dbt project, with a guide to mapping.yml; all but the staging models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from pragma_sql.datasets.staging import RELATIONS
from pragma_sql.formats.paths import DBT_PROJECT

GUIDE = """\
# Which tables hold what. `pragma init .` turns this file into models/staging/*.sql.
#
# Wherever a column is named, SQL over the columns of its table may stand instead.
#
# zone: Europe/Prague           of local times that name none [UTC]
# databases: {bank: bank.duckdb}           DuckDB files whose tables are read, as bank.main.cards
#
# Every table: files (parquet or csv; a path, a pattern or a list of them), or table (in a
# database), or sql (one SELECT); where: the rows to read; distinct: true takes rows that are equal
# in all columns as one. Paths start at this folder. Columns of csv files are text.
#
# events:
#     transactions:             the source, which is the first token of its events
#         files: data/*.parquet
#         user: account_id
#         time: booked_at       a moment: a column, or
#                               {column: t, unit: ms} (s, ms, us, ns since 1970),
#                               {column: day, format: '%y%m%d'} (as strptime reads it),
#                               {column: booked_at, zone: Europe/Prague}
#         id: trans_id          tells equal events apart, and finds those delivered twice [a number]
#         fields: [amount, {shop: upper(merchant)}]     [all other columns]
#         except: [balance]     all other columns but these
#         rename: {k_symbol: purpose}
#
# profiles:                     one table, one row a user and snapshot
#     files: clients.csv
#     user: client_id
#     as_of: since              since when the attributes hold: a moment; first_event, for what
#                               never changes; dataset_end, which no label sees [dataset_end].
#                               Without events, first_event is dataset_end
#     latest: updated_at        of rows of one user and moment, those with the greatest of this
#                               [all; if there are several, a build stops]
#     attributes: [region, sex] [all other columns]; except and rename, as above
#     lifelong:                 milestones: a moment of the row, or the first event where ...
#         joined: joined_on
#         first_refund: {first: transactions, where: amount < 0}
#
# labels:                       what happened strictly after a moment
#     default:                  the task
#         files: loans.parquet
#         user: account_id
#         moment: granted_on    events count strictly before it; may be one date for all
#         label: status in ('B', 'D')
#
# transfers:                    optional: from_user, to_user, time, amount

"""

EXAMPLE = """\
events:
    transactions:
        files: transactions.parquet
        user: user_id
        time: ts
"""


OVERRIDES = Path("seeds") / "field_overrides.csv"
STAGING = Path("models") / "staging"

PROJECT = """\
# A dataset of your own. pragma is a package of this project; its settings are listed under `vars`
# in its dbt_project.yml, and each can be set here.
name: {dataset}
version: "1.0.0"
config-version: 2
profile: pragma

flags:
    send_anonymous_usage_stats: false
    # A model of yours that is called `events` is then no part of pragma's.
    require_ref_searches_node_package_before_root: true

vars:
    # The models {dataset}_events, _profiles, _labels and _transfers fill the contract.
    dataset: {dataset}
    # What the tokenizer and pre-training may see: training users strictly before this, UTC.
    # Empty: before the earliest moment of a label, or without labels all there is.
    {fit_until}
    # The time zone of hours, weekdays and days of the month.
    calendar_tz: {zone}

models:
    {dataset}:
        staging:
            +schema: staging
            # `view` saves the space, and reads the sources at each step instead of once.
            +materialized: table

seeds:
    {dataset}:
        field_overrides:
            +schema: fit
            +column_types: {{key: varchar, kind: varchar, static: boolean, dataset: varchar}}
    pragma:
        field_overrides:
            # seeds/field_overrides.csv takes its place.
            +enabled: false
"""

PACKAGES = """\
packages:
    - local: {package}
"""

SCHEMA_MACRO = """\
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{- pragma.generate_schema_name(custom_schema_name, node) -}}
{%- endmacro %}
"""

IGNORED = """\
dbt_packages/
logs/
package-lock.yml
target/
warehouse/
.user.yml
"""

README = """\
# {dataset}

`mapping.yml` says which tables hold events, profiles, labels and transfers.

```
pragma init .                   # mapping.yml -> models/staging/*.sql; edited ones are left alone
pragma validate --project .     # the contract and its checks
pragma build --project .        # contract, fit, tokens: into ./warehouse
```

Plain dbt does the same: `dbt deps`, then `dbt build`.

`seeds/field_overrides.csv` overrules the kind of a field (numeric, category, text, drop); vars are
in `dbt_project.yml`.
"""


def dataset_name(folder: Path) -> str:
    """A folder's name as the name of a dbt project and the prefix of its models.

    >>> dataset_name(Path("/data/My bank 2"))
    'my_bank_2'
    """
    name = re.sub(r"\W+", "_", folder.name.lower(), flags=re.ASCII).strip("_")
    if not name or name[0].isdigit():
        name = f"dataset_{name}".rstrip("_")
    return f"{name}_dataset" if name in ("pragma", "folder", "purchase_cards", "dbt") else name


def project_files(
    dataset: str, fit_until: str | None, zone: str, package: str | None = None
) -> Mapping[Path, str]:
    """Path within the project -> text, for all files that are not made from mapping.yml.

    Args:
        dataset: the project's name.
        fit_until: cut-off as an ISO date; None means the earliest moment of a label.
        zone: time zone of the calendar.
        package: path of pragma's dbt project; None means the one that is installed.
    """
    chosen = f'fit_until: "{fit_until or ""}"'
    until = f"{chosen}  # four fifths of the events' time; choose" if fit_until else chosen
    project = PROJECT.format(dataset=dataset, fit_until=until, zone=yaml_scalar(zone))
    return {
        Path("dbt_project.yml"): project,
        Path("packages.yml"): PACKAGES.format(package=yaml_scalar(package or str(DBT_PROJECT))),
        Path("profiles.yml"): (DBT_PROJECT / "profiles.yml").read_text(encoding="utf-8"),
        Path("macros") / "generate_schema_name.sql": SCHEMA_MACRO,
        OVERRIDES: "key,kind,static,dataset\n",
        Path("README.md"): README.format(dataset=dataset),
        Path(".gitignore"): IGNORED,
    }


def staging_yml(dataset: str) -> str:
    """Descriptions of the staging models for dbt's documentation."""
    models = [
        {"name": f"{dataset}_{relation}", "description": description}
        for relation, description in RELATIONS.items()
    ]
    return yaml.safe_dump({"models": models}, sort_keys=False, width=120)


def yaml_scalar(text: str) -> str:
    """A text as YAML, quoted if necessary."""
    return yaml.safe_dump(text, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
