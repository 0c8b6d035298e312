"""As many calls run at once as the process may use cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pragma_sql.scoring.engines import usable_cores

NOWHERE = Path("/nowhere")


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system pins no process")
def test_one_core_that_a_process_is_pinned_to_is_one() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores(NOWHERE) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("200000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("max 100000", 8)],
)
def test_the_quota_of_a_container_bounds_them(
    eight_cores: None, tmp_path: Path, quota: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("granted", "cores"), [("300000", 3), ("-1", 8)])
def test_so_does_one_of_the_first_version(
    eight_cores: None, tmp_path: Path, granted: str, cores: int
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(granted)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == cores


def test_without_a_quota_all_count(eight_cores: None) -> None:
    assert usable_cores(NOWHERE) == 8
