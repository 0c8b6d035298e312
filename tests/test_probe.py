"""The probe: eight kinds of models on the same split by user, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pragma_model.evaluation.probe import BLENDS, Metric, ProbeResult, Scores, blended, probe
from pragma_model.evaluation.probe_fits import Sample
from pragma_model.evaluation.probe_scores import Difference, Ranking, differences
from pragma_model.evaluation.probe_table import meaning, to_json, to_table
from pragma_sql.formats.errors import PragmaError

USERS = {"train": 400, "validation": 150, "test": 250}
FEATURES, EMBEDDINGS, BOTH, LINEAR, LOGISTIC, LINEAR_BOTH = (
    "LightGBM on features",
    "LightGBM on embeddings",
    "LightGBM on both",
    "logistic regression on features",
    "logistic regression on embeddings",
    "logistic regression on both",
)

Change = Callable[[pa.Table], pa.Table]


def examples(*, told_by: str = "features", task: str = "churn") -> pa.Table:
    """One row a user; a hidden habit makes the label, and either side, or none, can see it."""
    users = sum(USERS.values())
    random = np.random.default_rng(7)
    habit = random.normal(size=users)
    spend, visits, *embedding = random.normal(size=(6, users))
    if told_by == "features":
        spend = habit + 0.5 * spend
    if told_by == "embedding":
        embedding = [habit + 0.5 * noise for noise in embedding]
    return pa.table(
        {
            "task": [task] * users,
            "user_id": [f"u{number:04d}" for number in range(users)],
            "eval_ts": pa.array([0] * users, pa.timestamp("us")),
            "label": (habit + 0.5 * random.normal(size=users) > 0.5).astype(float),
            "split": [split for split, count in USERS.items() for _ in range(count)],
            "model_id": ["3f9c02ab7d51"] * users,
            "embedding": pa.array(np.stack(embedding, axis=1).tolist(), pa.list_(pa.float32())),
            "spend_30d": spend,
            "visits_30d": pa.array([None if v > 1 else v for v in visits]),
        }
    )


def changed(rows: pa.Table, column: str, values: object) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), column, pa.array(values))


def in_test(rows: pa.Table) -> np.ndarray:
    return np.array(rows["split"].to_pylist()) == "test"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[ProbeResult]]:
    def run(rows: pa.Table, seeds: tuple[int, ...] = (0, 1), **more) -> list[ProbeResult]:
        path = tmp_path / "examples.parquet"
        pq.write_table(rows, path)
        return probe(path, seeds, **more)

    return run


def roc_auc(results: list[ProbeResult]) -> dict[str, float]:
    return {result.model: result.roc_auc.mean for result in results if result.roc_auc}


def test_features_win_where_the_embedding_is_noise(run):
    found = roc_auc(run(examples(told_by="features")))
    assert list(found) == [FEATURES, EMBEDDINGS, BOTH, LINEAR, LOGISTIC, LINEAR_BOTH, *BLENDS]
    assert min(found[FEATURES], found[BOTH], found[LINEAR]) > 0.8
    assert found[EMBEDDINGS] == pytest.approx(0.5, abs=0.15)
    assert found[LOGISTIC] == pytest.approx(0.5, abs=0.15)


def test_the_embedding_wins_where_features_are_noise(run):
    found = roc_auc(run(examples(told_by="embedding")))
    assert min(found[EMBEDDINGS], found[BOTH], found[LOGISTIC]) > 0.8
    assert found[FEATURES] == pytest.approx(0.5, abs=0.15)


def test_a_word_is_a_feature_too(run):
    rows = examples(told_by="nothing")
    words = np.where(rows["label"].to_numpy() == 1, "yes", "no")
    found = roc_auc(run(rows.append_column("last value shop", pa.array(words))))
    assert min(found[FEATURES], found[LINEAR]) > 0.999


def test_that_a_feature_is_missing_tells_something_too(run):
    rows = examples(told_by="nothing")
    silent = np.where(rows["label"].to_numpy() == 1, np.nan, 3.0)
    hidden = pa.array(silent, from_pandas=True)
    found = roc_auc(run(rows.append_column("last amount", hidden)))
    assert min(found[FEATURES], found[LINEAR]) > 0.999


def test_labels_of_test_users_have_no_say_in_any_fit(run):
    rows = examples()
    labels = rows["label"].to_numpy()
    flipped = changed(rows, "label", np.where(in_test(rows), 1 - labels, labels))
    mirrored = {model: 1 - value for model, value in roc_auc(run(rows)).items()}
    assert roc_auc(run(flipped)) == pytest.approx(mirrored, abs=1e-12)


def test_a_feature_that_betrays_test_labels_alone_is_not_learnt(run):
    rows = examples(told_by="nothing")
    betrayal = np.where(in_test(rows), rows["label"].to_numpy(), np.nan)
    found = roc_auc(run(changed(rows, "spend_30d", betrayal)))
    assert found[FEATURES] == pytest.approx(0.5, abs=0.15)


def test_embeddings_of_test_users_have_no_say_in_the_scaling(run):
    rows = examples(told_by="embedding")
    far = np.where(in_test(rows)[:, None], [1000.0, 1, 1, 1], 1) * rows["embedding"].to_pylist()
    first_only = np.where(in_test(rows)[:, None], [1.0, 0, 0, 0], 1) * rows["embedding"].to_pylist()
    # One number that dwarfs the others ranks the test users alone, unless scaling has tamed it.
    stretched = roc_auc(run(changed(rows, "embedding", far.tolist())))
    alone = roc_auc(run(changed(rows, "embedding", first_only.tolist())))
    assert stretched[LOGISTIC] == pytest.approx(alone[LOGISTIC], abs=0.01)


def test_two_runs_agree_whatever_the_order_of_rows(run):
    rows = examples()
    shuffled = rows.take(np.random.default_rng(0).permutation(len(rows)))
    assert run(rows) == run(shuffled)


def test_the_spread_is_that_of_the_seeds(run):
    for result in run(examples(), seeds=(0,)):
        assert result.roc_auc is not None
        assert result.roc_auc.spread == 0
    for result in run(examples(), seeds=(0, 1)):
        assert result.roc_auc is not None
        assert result.roc_auc.spread > 0


def test_a_seed_draws_whole_users_and_loses_no_class():
    users = np.repeat(np.arange(30), 2)
    labels = (users == 3).astype(float)
    sample = Sample(inputs=np.arange(60.0)[:, None], labels=labels, users=users)
    for seed in range(20):
        drawn = sample.resampled(seed)
        assert len(drawn.users) == 60
        assert set(drawn.labels) == {0, 1}
        times = np.bincount(drawn.inputs[:, 0].astype(int), minlength=60)
        assert (times[0::2] == times[1::2]).all()
        assert times.max() > 1


def test_a_task_of_one_class_is_reported_without_metrics(run):
    normal, lone = examples(task="churn"), examples(task="fraud")
    lone = changed(lone, "label", np.where(in_test(lone), 0.0, lone["label"].to_numpy()))
    results = run(pa.concat_tables([lone, normal]), seeds=(0,))
    churn, fraud = results[:8], results[8:]
    assert all(result.roc_auc and not result.unscored for result in churn)
    assert {(r.roc_auc, r.pr_auc, r.unscored) for r in fraud} == {
        (None, None, "one class only in test")
    }
    assert json.loads(to_json(results))[8]["roc_auc"] is None
    assert "one class only in test" in printed(results)


def test_a_task_of_too_few_users_is_reported_and_the_others_are_not_stopped(run):
    few = examples(task="rare").slice(0, 559)
    results = run(pa.concat_tables([few, examples(task="usual")]), seeds=(0,))
    assert {r.unscored for r in results if r.task == "rare"} == {
        "9 test users, of 10 that are needed"
    }
    assert all(result.roc_auc for result in results if result.task == "usual")
    assert "9 test users" in printed(results)


def other_models(folder: Path, rows: pa.Table, **models: object) -> None:
    """The file with the vectors of models that are not in use."""
    told = [rows.select(["user_id", "eval_ts"]) for _ in models]
    pq.write_table(
        pa.concat_tables(
            each.append_column("model_id", pa.array([model] * len(each))).append_column(
                "embedding", pa.array(vectors, pa.list_(pa.float32()))
            )
            for each, (model, vectors) in zip(told, models.items(), strict=True)
        ),
        folder / "probe_vectors.parquet",
    )


def test_several_models_show_both_spreads_and_differ_in_their_embeddings_alone(run, tmp_path):
    rows = examples(told_by="embedding")
    noise = np.random.default_rng(1).normal(size=(len(rows), 4)).tolist()
    other_models(tmp_path, rows.take(np.arange(len(rows))[::-1]), noise=noise)
    good = rows["model_id"][0].as_py()
    found = {r.model: r for r in run(rows, models=(good, "noise"))}
    for name in (FEATURES, LINEAR):
        assert found[name].roc_auc.model_spread is None
        assert found[name].model_ids == ()
    for name in (EMBEDDINGS, LOGISTIC):
        assert found[name].model_ids == (good, "noise")
        assert found[name].roc_auc.model_spread > 0.3 > found[name].roc_auc.spread
    assert [(o.model_id, o.seed) for o in found[BOTH].runs] == [
        (good, 0), (good, 1), ("noise", 0), ("noise", 1),
    ]  # fmt: skip
    alone = {r.model: r for r in run(rows)}
    assert found[EMBEDDINGS].runs[:2] == alone[EMBEDDINGS].runs
    assert " / " in printed(list(found.values()))


def test_a_model_without_vectors_says_how_to_get_them(run, tmp_path):
    rows = examples()
    for there in (None, rows.slice(0, 790)):
        if there:
            other_models(tmp_path, there, second=there["embedding"].to_pylist())
        with pytest.raises(PragmaError, match="model second has no vectors") as refusal:
            run(rows, models=("second",))
        assert "pragma register second && pragma build --select models+" in refusal.value.next_step
    assert "at 10 of 800 labels" in refusal.value.what


def test_a_split_by_time_tests_on_what_comes_later_whoever_it_is(run):
    early, late = examples(), examples()
    late = changed(late, "eval_ts", pa.array([86_400_000_000] * len(late), pa.timestamp("us")))
    reversed_late = changed(late, "label", 1 - late["label"].to_numpy())
    rows = pa.concat_tables([early, reversed_late])
    found = run(rows, split_at=datetime(1970, 1, 2))
    assert {result.test_rows for result in found} == {800}
    assert roc_auc(found)[FEATURES] < 0.2, "what is learnt before that moment is turned round"


def test_where_no_user_is_for_validation_some_of_the_training_users_are(run):
    rows = examples()
    given = ["train" if split == "validation" else split for split in rows["split"].to_pylist()]
    assert roc_auc(run(changed(rows, "split", given)))[FEATURES] > 0.8


def test_the_gain_of_both_is_shown_with_its_interval(run):
    gains = {}
    for told_by in ("features", "embedding"):
        (both,) = [r for r in run(examples(told_by=told_by)) if r.model == BOTH]
        gains[told_by] = both.roc_auc_gain
    assert gains["embedding"].low > 0.1
    assert gains["features"].low <= gains["features"].mean < 0.02
    assert "both less features" in printed(run(examples()))


def test_a_blend_is_shown_beside_one_without_embeddings(run):
    rows = run(examples(told_by="embedding"))
    found = {r.model: r for r in rows}
    assert found["rank blend on both"].roc_auc.mean > 0.7
    assert found["rank blend on features"].roc_auc.mean == pytest.approx(0.5, abs=0.15)
    assert found["rank blend on features"].model_ids == ()
    assert found["rank blend on both"].roc_auc_gain.low > 0.1
    assert "rank blend on both less features" in printed(rows)


def test_a_sentence_says_what_a_task_shows(run):
    gains = {
        "better than features alone, beyond chance": (0.004, 0.001, 0.007),
        "worse than features alone, beyond chance": (-0.004, -0.007, -0.001),
        "neither better nor worse": (0.001, -0.002, 0.004),
    }
    results = run(examples(task="churn"), seeds=(0,))
    for said, numbers in gains.items():
        turned = [
            replace(r, roc_auc_gain=Difference(*numbers)) if r.model == "rank blend on both" else r
            for r in results
        ]
        (sentence,) = meaning(turned)
        assert sentence.startswith("churn: embeddings alone reach 0.")
        assert said in sentence
    assert meaning([replace(r, roc_auc=None, roc_auc_gain=None) for r in results]) == []


def test_a_blend_counts_places_not_scores_and_each_model_with_the_features_of_its_seed():
    said = {
        FEATURES: [
            Scores("", 0, np.array([0.0, 1e9, 1.0])),
            Scores("", 1, np.array([2.0, 1.0, 0.0])),
        ],
        BOTH: [Scores(m, seed, np.array([0.0, 1.0, 1.0])) for m in "ab" for seed in (0, 1)],
    }
    found = list(blended(said, {FEATURES: 0.75, BOTH: 0.25}))
    assert [(each.model_id, each.seed) for each in found] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
    ]
    sixths = np.array([each.test for each in found]) * 6
    of_both = [0.25, 1.0, 1.0]  # ties share a place
    np.testing.assert_allclose(sixths[0], np.add([0.75, 3.75, 2.25], of_both))
    np.testing.assert_allclose(sixths[3], np.add([3.75, 2.25, 0.75], of_both))


@pytest.mark.parametrize("seed", range(5))
def test_weighted_metrics_are_those_of_scikit_learn(seed: int):
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(seed)
    scores, labels = random.integers(0, 9, 60).astype(float), random.integers(0, 2, 60)
    weights = random.integers(0, 4, 60).astype(float)
    assert Ranking.of(scores, labels.astype(float)).metrics(weights) == pytest.approx(
        (
            roc_auc_score(labels, scores, sample_weight=weights),
            average_precision_score(labels, scores, sample_weight=weights),
        )
    )


def test_a_paired_interval_takes_users_whole():
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 300).astype(float)
    worse, better = labels + random.normal(size=(2, 300)) * [[2], [1]]
    pair = Ranking.of(worse, labels), Ranking.of(better, labels)
    alone, _ = differences([pair], np.arange(300))
    thrice = (
        Ranking.of(np.tile(worse, 3), np.tile(labels, 3)),
        Ranking.of(np.tile(better, 3), np.tile(labels, 3)),
    )
    together, _ = differences([thrice], np.tile(np.arange(300), 3))
    assert astuple(together) == pytest.approx(astuple(alone))
    assert alone.low < alone.mean < alone.high


def printed(results: list[ProbeResult]) -> str:
    text = StringIO()
    Console(file=text, width=100, force_terminal=True, color_system="standard").print(
        to_table(results)
    )
    return text.getvalue()


def test_the_table_heads_a_task_with_its_size_and_sets_the_best_in_bold():
    def result(model: str, roc: float, pr: float) -> ProbeResult:
        return ProbeResult(
            task="[loan]",
            model=model,
            model_ids=("m",),
            test_rows=1200,
            positives=85,
            prevalence=0.071,
            roc_auc=Metric(roc, 0.01),
            pr_auc=Metric(pr, 0.02, 0.04),
            unscored="",
        )

    text = printed([result(FEATURES, 0.81, 0.32), result(EMBEDDINGS, 0.79, 0.35)])
    bold, plain = "\x1b[1m", "\x1b[0m"
    assert f"{bold}[loan]{plain}" in text
    assert "1,200 test rows, 85 positive, prevalence 7.1%" in text
    assert f"{bold}0.810 (0.010){plain}" in text
    assert f"{bold}0.350 (0.020 / 0.040){plain}" in text
    assert f"{bold}0.790" not in text
    assert f"{bold}0.320" not in text


def move_a_user(rows: pa.Table) -> pa.Table:
    again = rows.slice(0, 1)
    again = changed(changed(again, "split", ["test"]), "eval_ts", pa.array([1], pa.timestamp("us")))
    return pa.concat_tables([rows, again])


def first_value(column: str, value: object) -> Change:
    return lambda rows: changed(rows, column, [value, *rows[column].to_pylist()[1:]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_a_user, "1 user in more than one split, such as u0000"),
        (lambda rows: rows.drop_columns(["split"]), "no column split; there are task, user_id"),
        (lambda rows: rows.slice(0, 0), "it holds no examples"),
        (lambda rows: rows.drop_columns(["spend_30d", "visits_30d"]), "no features"),
        (lambda rows: pa.concat_tables([rows, rows.slice(5, 2)]), "2 rows with the task, user"),
        (first_value("label", None), "1 of 800 rows have no label"),
        (first_value("split", "dev"), "splits other than train, validation, test, such as dev"),
        (first_value("label", 3.2), "labels other than 0 and 1, such as 3.2"),
        (
            first_value("model_id", "other"),
            "embeddings of 2 models, such as other and 3f9c02ab7d51",
        ),
        (first_value("embedding", [1.0]), "found 799 of length 4, 1 of length 1"),
        (first_value("embedding", [1.0, 2.0, None, 4.0]), "1 embeddings hold a null, a NaN"),
        (
            lambda rows: changed(rows, "visits_30d", [["often"]] * len(rows)),
            "feature visits_30d is list",
        ),
    ],
)
def test_bad_examples_are_refused_by_name_and_count(run, change: Change, message: str):
    with pytest.raises(PragmaError) as refusal:
        run(change(examples()))
    assert message in refusal.value.what
    assert "pragma build" in refusal.value.next_step


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PragmaError, match=r"nothing\.parquet cannot be read"):
        probe(tmp_path / "nothing.parquet")


def test_a_missing_package_names_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(PragmaError, match="pragma probe needs lightgbm") as refusal:
        run(examples())
    assert refusal.value.next_step == "pip install 'pragma-sql[train]'"
