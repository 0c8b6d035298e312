"""`--var` takes what dbt_project.yml could hold, by the type of what it does hold."""

from __future__ import annotations

import pytest

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.typed_vars import Value
from pragma_sql.formats.errors import PragmaError


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("bins=32", 32),
        ("numeric_share=1", 1),
        ("quarantine=true", True),
        ("map_attribute=5", "5"),
        ("fit_until=2024-01-01", "2024-01-01"),
        ('evaluation_moments=["2016-07-01"]', ["2016-07-01"]),
        ("evaluation_moments=[2016-07-01, 2017-01-01]", ["2016-07-01", "2017-01-01"]),
        ("missing_words=[]", []),
    ],
)
def test_a_value_is_read_by_the_type_of_its_var(pair: str, value: Value) -> None:
    assert dataset_vars(None, [pair]) == {pair.partition("=")[0]: value}


def test_what_a_mapping_leaves_out_stays_as_it_is() -> None:
    from pragma_sql.datasets.dataset import default_vars

    (default,) = [default_vars()["drift_warn"]]
    assert isinstance(default, dict)
    key = next(key for key, value in default.items() if isinstance(value, float))
    found = dataset_vars(None, [f'drift_warn={{"{key}": 0.5}}'])["drift_warn"]
    assert found == {**default, key: 0.5}
    assert dataset_vars(None, ["drift_error={unknown: 0.5}"])["drift_error"]["unknown"] == 0.5  # type: ignore


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("bins=many", "bins: 'many' is not a whole number"),
        ("bins=1.5", "bins: 1.5 is not a whole number"),
        ("bins=true", "bins: True is not a whole number"),
        ("numeric_share=[1]", r"numeric_share: \[1\] is not a number"),
        ("quarantine=1", "quarantine: 1 is not true or false"),
        ("evaluation_moments=2016-07-01", "evaluation_moments: .* is not a list"),
        ("evaluation_moments=[1]", "evaluation_moments: entry 1: 1 is not text"),
        ("evaluation_moments=[", "evaluation_moments: None is not a list"),
        ("drift_warn=0.3", "drift_warn: 0.3 is not a mapping"),
        ("drift_warn={pssi: 0.3}", "drift_warn: there is no key pssi in it"),
    ],
)
def test_a_value_of_another_type_is_refused_in_a_sentence(pair: str, said: str) -> None:
    with pytest.raises(PragmaError, match=said):
        dataset_vars(None, [pair])


def test_a_misspelt_name_is_met_with_the_present_one() -> None:
    with pytest.raises(PragmaError, match="--var bok: there is no such var") as refused:
        dataset_vars(None, ["bok=cards"])
    assert "book" not in str(refused.value)
