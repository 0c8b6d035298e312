"""Real datasets through all that happens to a warehouse in its life; run by `make trial`."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from delivery import Delivery
from invariants import check, none, nowhere
from place import Place
from real_datasets import DATASETS, Dataset

pytestmark = pytest.mark.trial


class Trial:
    """One dataset, one home, and the model that is registered."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.delivery = Delivery(dataset, folder / "delivery")
        self.dataset = dataset
        self.place = Place(folder)
        self.model: str | None = None
        self.whole = False

    def holds(self) -> None:
        """Check the invariants."""
        fields = [f for f in self.delivery.fields if self.whole or f != self.dataset.added]
        check(self.place, self.delivery, self.model, fields)

    def map(self, *, whole: bool) -> None:
        """Write mapping.yml and make the staging models from it."""
        self.whole = whole
        (self.place.project / "mapping.yml").write_text(self.delivery.mapping(whole=whole))
        self.place.pragma("init", str(self.place.project))

    def rebuilt(self) -> str:
        """Deliver, build, check; returns what the build said."""
        self.delivery.write()
        self.place.build()
        said = self.place.said
        self.holds()
        return said

    def tokens(self) -> list[tuple[object, ...]]:
        """A print of all event tokens."""
        with duckdb.connect(str(self.place.warehouse), read_only=True) as con:
            return con.execute(
                "select count(*), sum(hash(user_id, ts, key_ids, value_ids))"
                " from tokens.event_tokens"
            ).fetchall()


def begin(trial: Trial) -> None:
    """The project is made from a first look at the events, then mapped by hand."""
    trial.delivery.write()
    place = trial.place
    events = trial.delivery.folder / "events" / "first.csv"
    place.pragma("init", str(place.project), "--table", f"event={events}")
    trial.map(whole=False)
    settings = place.project / "dbt_project.yml"
    text, found = re.subn(
        r"fit_until: .*", f'fit_until: "{trial.dataset.fit_until}"', settings.read_text()
    )
    assert found == 1
    settings.write_text(text)
    place.pragma("validate", "--project", str(place.project))


def first_build(trial: Trial) -> None:
    """All is built; a second build changes nothing."""
    trial.rebuilt()
    before = trial.tokens()
    trial.rebuilt()
    assert trial.tokens() == before


def first_model(trial: Trial) -> None:
    """A model is trained, registered, scored, probed and published."""
    trial.model = trial.place.train("first", seed=0)
    trial.holds()
    trial.place.of_home("probe", "--seeds", "2")
    trial.place.of_home("publish")


def the_warehouse_remembers_its_dataset(trial: Trial) -> None:
    """Without --project it builds its own; another dataset is refused by name."""
    trial.place.of_home("build")
    trial.holds()
    other = trial.place.folder / "other"
    trial.place.pragma("init", str(other))
    (other / "mapping.yml").write_text(trial.delivery.mapping(whole=False))
    trial.place.pragma("init", str(other))
    trial.place.of_home("build", "--project", str(other), code=1)
    assert "bank" in trial.place.said, trial.place.said
    trial.holds()


def an_edit(trial: Trial) -> None:
    """A field more in the mapping is said to have no tokens yet; undone, all is as it was."""
    before = trial.tokens()
    trial.map(whole=True)
    assert f"the fit never saw {trial.dataset.added}" in trial.rebuilt()
    trial.map(whole=False)
    trial.rebuilt()
    assert trial.tokens() == before


def a_correction(trial: Trial) -> None:
    """Corrected figures reach the tokens and vectors of their users."""
    before = trial.tokens()
    trial.delivery.correct()
    trial.rebuilt()
    assert trial.tokens() != before


def delivered_again(trial: Trial) -> None:
    """What has an id counts once, however often it is delivered."""
    trial.delivery.deliver_again()
    trial.rebuilt()


def a_deletion(trial: Trial) -> None:
    """A user and a day that are gone from the files are gone everywhere."""
    user, day = trial.delivery.erase_user(), trial.delivery.erase_day()
    trial.rebuilt()
    nowhere(trial.place, user)
    with duckdb.connect(str(trial.place.warehouse), read_only=True) as con:
        none(con, day, f"select 1 from tokens.event_tokens where ts::date = date '{day}'")


def a_late_delivery(trial: Trial) -> None:
    """Old events in a new file."""
    assert trial.delivery.deliver_late() > 0
    trial.rebuilt()


def a_refit(trial: Trial) -> None:
    """A refit leaves the old model in force until one of the new tokenizer is registered."""
    place, old = trial.place, trial.model
    trial.map(whole=True)
    trial.delivery.write()
    place.build("--refit", "--until", "latest")
    trial.holds()
    assert trial.model == old
    trial.model = place.train("second", seed=0)
    assert trial.model != old
    trial.holds()
    with duckdb.connect(str(place.warehouse), read_only=True) as con:
        added = con.execute(
            "select 1 from fit.fields where key = $key", {"key": trial.dataset.added}
        ).fetchall()
    assert added, "the refit did not see the field that was added"


def another_seed(trial: Trial) -> None:
    """Two seeds of a model are told apart, and both are probed."""
    first = trial.model
    trial.model = trial.place.train("third", seed=1)
    assert first is not None
    assert trial.model not in (None, first)
    trial.holds()
    trial.place.of_home("probe", "--seeds", "2", "--models", first, "--models", str(trial.model))


def as_from_nothing(trial: Trial) -> None:
    """A new warehouse, built from the same files in one go, holds the same tokens and vectors."""
    place = trial.place
    with duckdb.connect(str(place.warehouse), read_only=True) as con:
        ((until,),) = con.execute("select fit_until::varchar from fit.population").fetchall()
    fresh = place.folder / "fresh"
    again = ("--home", str(fresh), "--project", str(place.project), "--var", f"fit_until={until}")
    place.pragma("build", *again)
    place.pragma("register", str(place.home / "runs" / "third"), "--home", str(fresh))
    place.pragma("build", *again)
    with duckdb.connect(str(place.warehouse), read_only=True) as con:
        con.execute(f"attach '{fresh / 'pragma.duckdb'}' as fresh (read_only)")
        for relation in ("tokens.event_tokens", "tokens.profile_tokens"):
            for one, other in (("", "fresh."), ("fresh.", "")):
                none(
                    con, f"{relation} is not as from nothing",
                    f"(from {one}{relation}) except all (from {other}{relation})",
                )  # fmt: skip
        ((furthest, users),) = con.execute(
            "select max(array_distance(a.embedding, b.embedding)), count(*) from"
            " vectors.latest_embeddings as a join fresh.vectors.user_embeddings as b"
            " using (user_id, model_id, as_of)"
        ).fetchall()
        ((latest,),) = con.execute("select count(*) from vectors.latest_embeddings").fetchall()
        assert users == latest > 0
        assert furthest < 1e-4


STEPS = (
    begin,
    first_build,
    first_model,
    the_warehouse_remembers_its_dataset,
    an_edit,
    a_correction,
    delivered_again,
    a_deletion,
    a_late_delivery,
    a_refit,
    another_seed,
    as_from_nothing,
)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_dataset_lives_through_all_that_happens_to_it(dataset: Dataset, tmp_path: Path) -> None:
    if not dataset.folder.is_dir():
        pytest.skip(f"{dataset.folder} is absent: its data are not shipped")
    trial = Trial(dataset, tmp_path)
    for step in STEPS:
        print(f"\n{dataset.name}: {step.__name__.replace('_', ' ')}", flush=True)
        step(trial)
