"""A linear probe during training: does the user vector tell more about a label than before?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import ProbeScore
from pragma_model.training.data import SplitReader
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import Float, split_by_budget
from pragma_sql.formats.shards import Shards, Split

MAX_USERS = 2_000
"""Most users of each split: this is a quick look, unlike `pragma probe`."""

MAX_EVENT_TOKENS = 25
"""Most tokens of an event, marker included; bounds how many events of a user fit the budget."""

NEVER = np.iinfo(np.int64).max
STRENGTH = 0.1
"""Inverse strength of the penalty, `C`; fixed, so that scores of one run are comparable."""


@dataclass(frozen=True)
class Asked:
    """Labelled users of a split, with the moment of each label."""

    histories: Histories
    moments: Int  # [B] microseconds UTC
    labels: Int  # [B] 0 or 1


class LinearProbe:
    """A probe for the labels of users of two splits, which are read once."""

    def __init__(self, shards: Shards, labels: Path) -> None:
        """Read the labels.

        Args:
            shards: the shards that hold the users.
            labels: parquet with `user_id`, `label` (0 or 1) and optionally `eval_ts`; a user's
                history is cut there, or at the moment of the shards if that is earlier. Only the
                first moment of a user counts.

        Raises:
            PragmaError: the file is not as above, or its users have only one class.
        """
        answers = _read(labels)
        self._most_events = shards.manifest.max_events
        self._reader = SplitReader(shards, "train", budget=1)
        self._splits: dict[Split, Asked] = {}
        for split in ("train", "validation"):
            asked = _asked(shards, split, answers)
            if asked is None or len(np.unique(asked.labels)) < 2:
                users = 0 if asked is None else len(asked.labels)
                raise PragmaError(
                    f"{labels}: users of split {split!r} need labels of both kinds; of its users "
                    f"{users:,} have labels",
                    "labels of more users, or no --probe",
                )
            self._splits[split] = asked

    def score(self, model: PragmaModel, budget: int, step: int) -> ProbeScore:
        """Fit on training users and score validation users; the model is in evaluation mode."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import average_precision_score, roc_auc_score
        from sklearn.preprocessing import StandardScaler

        train, held_out = self._splits["train"], self._splits["validation"]
        inputs = self._vectors(model, train, budget)
        scaler = StandardScaler().fit(inputs)
        fit = LogisticRegression(C=STRENGTH, max_iter=1000)
        fit.fit(scaler.transform(inputs), train.labels)
        vectors = self._vectors(model, held_out, budget)
        scores = fit.decision_function(scaler.transform(vectors))
        return ProbeScore(
            step=step,
            probe_users=len(held_out.labels),
            roc_auc=float(roc_auc_score(held_out.labels, scores)),
            pr_auc=float(average_precision_score(held_out.labels, scores)),
        )

    def _vectors(self, model: PragmaModel, asked: Asked, budget: int) -> Float:
        """The user vectors, [users, width of an embedding]."""
        device = model.embedding.table.weight.device
        most = max(1, budget // MAX_EVENT_TOKENS)
        reader = replace(self._reader, spec=model.spec)
        cut = reader.cut_at(asked.histories, asked.moments, min(most, self._most_events))
        own = cut.histories
        sizes = own.token_offsets[own.event_offsets[1:]] - own.token_offsets[own.event_offsets[:-1]]
        vectors = np.zeros((len(cut), model.embedding_size), np.float32)
        for users in split_by_budget(sizes + np.diff(own.event_offsets), budget):
            with torch.inference_mode():
                batch = Batch.of(cut.select(users).pack(distinct=True), device)
                events = model.encode_events(batch.events)
                found = model.embed_users(events.vectors, batch.users)
            vectors[users] = found.numpy(force=True)
        return vectors


def _read(labels: Path) -> dict[str, tuple[int, int]]:
    """User -> moment and label, the first moment of each user."""
    again = "a parquet file with the columns user_id, label (0 or 1) and optionally eval_ts"
    try:
        rows = pq.read_table(labels)
    except (OSError, pa.ArrowInvalid) as error:
        raise PragmaError(f"{labels} cannot be read: {error}", again) from None
    if missing := {"user_id", "label"} - set(rows.column_names):
        raise PragmaError(f"{labels} has no column {', '.join(sorted(missing))}", again)
    users = rows["user_id"].cast(pa.string()).to_pylist()
    answers = rows["label"].cast(pa.float64()).to_pylist()
    moments = [NEVER] * len(users)
    if "eval_ts" in rows.column_names:
        moments = rows["eval_ts"].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    if odd := {answer for answer in answers if answer not in (0.0, 1.0)}:
        raise PragmaError(f"{labels} has labels other than 0 and 1, such as {odd.pop()}", again)
    found: dict[str, tuple[int, int]] = {}
    for user, moment, answer in sorted(zip(users, moments, answers, strict=True)):
        found.setdefault(user, (moment, int(answer)))
    return found


def _asked(shards: Shards, split: Split, answers: dict[str, tuple[int, int]]) -> Asked | None:
    """The first labelled users of a split: a sample, as users are in the order of a hash."""
    wanted = pa.array(list(answers), pa.string())
    tables: list[pa.Table] = []
    for file in shards.files(split):
        table = shards.open(file)
        rows = np.flatnonzero(pc.is_in(table["user_id"], wanted).to_numpy())
        tables.append(table.take(rows[: MAX_USERS - sum(map(len, tables))]))
        if sum(map(len, tables)) >= MAX_USERS:
            break
    if not sum(map(len, tables)):
        return None
    histories = Histories.from_arrow(pa.concat_tables(tables))
    given = np.array([answers[user] for user in histories.user_ids])
    moments = np.minimum(given[:, 0], shards.manifest.moments(len(histories)))
    return Asked(histories, moments, given[:, 1])
