"""Probes on frozen embeddings beside pragmatiq: the same users, moments, tokens and classifier.

Both programs learn from the same users and nothing later than the fit, and score the same other
users from what was known strictly before each label's moment: pragmatiq gets datasets that are cut
there, for its `embed` has no moment.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from learning_datasets import Dataset
from learning_results import Found, Results
from learning_users import CHOSEN, questions, write_datasets
from programs import PRAGMATIQ, called

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.histories import Histories
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.warehouse.connection import open_warehouse

PRAGMATIQ_BUDGET = 16_384
FOLDS = 5
USERS_AT_A_TIME = 100
STRENGTHS = (0.001, 0.01, 0.1, 1.0)

STEPS_FOR = """
import sys
from pragmatiq.data.dataset import DynamicBatchSampler, ShardDataset
shards, budget, seed, tokens = sys.argv[1], *map(int, sys.argv[2:])
data = ShardDataset(shards)
steps, seen, epoch = 0, 0, 0
while seen < tokens:
    sampler = DynamicBatchSampler(data.index, token_budget=budget, seed=seed)
    sampler.set_epoch(epoch)
    for batch in sampler:
        seen += sum(int(data.index.n_tokens[user]) for user in batch)
        steps += 1
        if seen >= tokens:
            break
    epoch += 1
print(steps)
"""
TOKENS_SEEN = "import sys, torch; print(torch.load(sys.argv[1], weights_only=True)['tokens_seen'])"


@dataclass(frozen=True)
class Vectors:
    """Embeddings by `user@day`."""

    rows: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def read(cls, path: Path) -> Vectors:
        """From a file of `user_id` and `embedding`."""
        rows = pq.read_table(path).to_pylist()
        return cls({row["user_id"]: np.array(row["embedding"]) for row in rows})


class Paired:
    """Both programs on one dataset."""

    def __init__(self, dataset: Dataset, contract: Path, work: Path, users: int) -> None:
        """`users` is how many are asked about a task at most, half of them of either label."""
        self.dataset, self.contract, self.users = dataset, contract, users
        self.work = work / f"paired {users}"
        self.asked = self.work / CHOSEN

    def prepare(self) -> None:
        """Choose the users, and write and tokenise pragmatiq's datasets, unless they are there."""
        self.dataset.prepare()
        if not self.asked.is_file():
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
            write_datasets(self.dataset.home, self.contract, self.work, self.users // 2)
        for name, tokenizer in (("learn", None), ("asked", "learn")):
            shards = self.work / f"{name} shards"
            if not (shards / "shard_manifest.json").is_file():
                command = [str(PRAGMATIQ), "tokenize", str(self.work / name)]
                command += ["--out", str(shards)]
                if tokenizer:
                    command += ["--tokenizer-dir", str(self.work / "learn shards" / "tokenizer")]
                called(*command)

    def ours(self, results: Results, seed: int) -> Vectors:
        """Embeddings by this project, as of each label's moment."""
        self.dataset.train(results, seed)
        kept = self.work / f"ours {seed}.parquet"
        if not kept.is_file():
            self._score(self.dataset.home / "runs" / self.dataset.run(seed) / "bundle", kept)
        return Vectors.read(kept)

    def _score(self, bundle: Path, target: Path) -> None:
        """What `embed_at` does, a few users at a time."""
        scorer = Scorer(open_bundle(bundle))
        keys = sorted({key for asked in questions(self.asked) for key in asked.keys})
        with open_warehouse(self.dataset.home / "pragma.duckdb") as con:
            users = sorted({key.split("@")[0] for key in keys})
            rows = con.execute(HISTORIES, {"users": users}).to_arrow_table()
        histories = Histories.from_arrow(rows)
        place = {user: number for number, user in enumerate(histories.user_ids)}
        vectors = []
        for part in np.array_split(np.array(keys), len(keys) // USERS_AT_A_TIME + 1):
            names, days = zip(*(key.split("@") for key in part), strict=True)
            chosen = histories.select(np.array([place[name] for name in names]))
            vectors.append(scorer.score(chosen, np.array(days, "datetime64[us]").astype(np.int64)))
        table = {"user_id": keys, "embedding": list(np.concatenate(vectors))}
        pq.write_table(pa.table(table), target)

    def pragmatiq(self, results: Results, seed: int) -> Vectors:
        """Embeddings by pragmatiq, which has seen as many tokens."""
        tokens = int(self.dataset.train(results, seed)["tokens"])
        kept = self.work / f"pragmatiq {seed}.parquet"
        run = f"seed-{seed}"
        results.once(f"pragmatiq, seed {seed}", lambda: self._pragmatiq_trained(run, seed, tokens))
        if not kept.is_file():
            draft = self.work / f"draft {seed}.parquet"
            called(
                str(PRAGMATIQ), "embed", str(self.work / "asked shards"),
                "--run", str(self.work / "runs" / run), "--out", str(draft), "--device", "cpu",
            )  # fmt: skip
            draft.rename(kept)
        return Vectors.read(kept)

    def _pragmatiq_trained(self, run: str, seed: int, tokens: int) -> Found:
        shards = str(self.work / "learn shards")
        python = str(PRAGMATIQ.parent / "python")
        told = called(
            python, "-c", STEPS_FOR, shards, str(PRAGMATIQ_BUDGET), str(seed), str(tokens)
        )
        steps = int(told)
        config = self.work / f"{run}.yaml"
        settings = {"max_steps": steps, "token_budget": PRAGMATIQ_BUDGET, "grad_accum_steps": 1}
        config.write_text(json.dumps({**settings, "warmup_steps": steps // 10, "seed": seed}))
        runs = self.work / "runs"
        shutil.rmtree(runs / run, ignore_errors=True)
        command = [str(PRAGMATIQ), "pretrain", shards, "--name", run]
        called(*command, "--model-size", "nano", "--config", str(config), "--runs-root", str(runs))
        seen = called(python, "-c", TOKENS_SEEN, str(runs / run / "checkpoints" / "last.pt"))
        return {"steps": steps, "tokens": int(seen)}

    def scores(self, vectors: Vectors) -> Found:
        """ROC-AUC and average precision of each task, out of fold."""
        scored: Found = {}
        for asked in questions(self.asked):
            inputs = np.stack([vectors.rows[key] for key in asked.keys])
            roc_auc, precision = cross_validated(inputs, asked.labels, asked.weights)
            scored |= {f"{asked.task} roc": roc_auc, f"{asked.task} ap": precision}
        return scored

    def counts(self) -> Found:
        """The same from four numbers that anybody would count."""
        with duckdb.connect() as con:
            con.read_parquet(str(self.work / "asked" / "events.parquet")).create_view("cut")
            rows = con.execute(COUNTS).fetchall()
        found = {name: np.array(numbers, np.float64) for name, *numbers in rows}
        return self.scores(Vectors(found))

    def sizes(self) -> dict[str, tuple[int, int, float]]:
        """By task: users asked, those with label 1, and the label's share in the whole dataset."""
        return {
            asked.task: (
                len(asked.labels),
                int(asked.labels.sum()),
                float(np.average(asked.labels, weights=asked.weights)),
            )
            for asked in questions(self.asked)
        }


def cross_validated(
    inputs: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
) -> tuple[float, float]:
    """Means over the folds; average precision is at the prevalence that the weights restore."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = []
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(inputs, labels):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        grid = {"logisticregression__C": STRENGTHS}
        search = GridSearchCV(model, grid, scoring="roc_auc", cv=FOLDS)
        scores = search.fit(inputs[train], labels[train]).decision_function(inputs[test])
        values.append(
            (
                roc_auc_score(labels[test], scores),
                average_precision_score(labels[test], scores, sample_weight=weights[test]),
            )
        )
    roc_auc, precision = np.mean(values, 0).tolist()
    return roc_auc, precision


HISTORIES = """
select * from tokens.user_tokens where list_contains($users, user_id)
"""

COUNTS = """
with events as (
    select user_id, ts, split_part(user_id, '@', 2)::timestamp as moment from cut
)
select
    user_id,
    ln(1 + count(*)),
    ln(1 + count(*) filter (where ts >= moment - interval 30 day)),
    ln(1 + date_diff('day', min(ts), any_value(moment))),
    ln(1 + date_diff('hour', max(ts), any_value(moment)))
from events
group by user_id
"""
