"""Two bundles of one tokenizer, and what the warehouse's SQL says of each user by either.

Run in the project's own environment, which has torch: python toy_models.py FOLDER
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import datasets  # noqa: E402
import duckdb  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from pragma_model.training.settings import TrainSettings  # noqa: E402
from pragma_model.training.trainer import train  # noqa: E402
from pragma_sql.datasets.dataset import dataset_vars  # noqa: E402
from pragma_sql.formats.bundle import open_bundle  # noqa: E402
from pragma_sql.formats.paths import Home  # noqa: E402
from pragma_sql.warehouse.build import build  # noqa: E402
from pragma_sql.warehouse.export_shards import export_shards  # noqa: E402
from pragma_sql.warehouse.registry import register_bundle  # noqa: E402
from pragma_udfs.functions import register  # noqa: E402

RUNS = ("first", "second")
MOMENT = "2024-07-01"


def main(folder: Path) -> None:
    """Build, train twice, and write down vectors, records and tokens."""
    dataset = datasets.write_dataset(
        folder / "dataset", datasets.toy_events(), datasets.toy_profiles(), datasets.toy_labels()
    )
    home = Home.of(folder / "home")
    variables = {**dataset_vars(dataset, []), **datasets.TOY_VARS}
    build(home, variables)
    shards = export_shards(home.warehouse, home.shards)
    settings = TrainSettings(steps=4, budget=1024)
    vectors = {}
    for seed, run in enumerate(RUNS):
        train(shards, replace(settings, seed=seed), home, run)
        register_bundle(open_bundle(home.runs / run / "bundle"), home.warehouse)
        build(home, variables, select=["models+"])
        vectors[run] = vectors_of(home)
    (folder / "vectors.json").write_text(json.dumps(vectors))
    (folder / "records.json").write_text(json.dumps(records()))
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        tokens = con.execute("from tokens.user_tokens order by user_id").to_arrow_table()
    pq.write_table(tokens, folder / "user_tokens.parquet")


def vectors_of(home: Home) -> dict[str, dict[str, list[float]]]:
    """Of every user by the model in force: the table's row, `embed` and `embed_at`."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        rows = con.execute(
            f"select user_id, embed(user_id), embed_at(user_id, timestamp '{MOMENT}')"
            " from contract.profiles"
        ).fetchall()
        kept = con.execute("select user_id, embedding from vectors.latest_embeddings").fetchall()
    return {
        "table": dict(kept),
        "embed": {user: vector for user, vector, _ in rows},
        "embed_at": {user: vector for user, _, vector in rows},
    }


def records() -> dict[str, dict[str, object]]:
    """The dataset as records, by user."""
    found: dict[str, dict[str, object]] = {}
    for profile in datasets.toy_profiles():
        row = profile.row()
        found[str(row["user_id"])] = {
            "events": [],
            "profile": [
                {
                    "as_of": profile.day,
                    "attributes": profile.attributes,
                    "lifelong": [{"key": k, "ts": day} for k, day in profile.lifelong.items()],
                }
            ],
        }
    for event in datasets.toy_events():
        events = found[str(event.user_id)]["events"]
        assert isinstance(events, list)
        events.append(
            {
                "ts": str(event.ts),
                "source": event.source,
                "event_id": event.event_id,
                "fields": event.fields,
            }
        )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
