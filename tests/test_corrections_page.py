"""The page on corrections says what works: a person is erased by its commands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import datasets
import pytest
from workplace import forget_dataset

from pragma_sql import cli
from pragma_sql.formats.paths import Home

pytestmark = pytest.mark.long

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "corrections.md").read_text()
ERASED = "user 07"


def test_a_person_is_erased_by_the_commands_of_the_page(
    toy: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRAGMA_HOME", raising=False)
    shutil.copytree(toy.root, tmp_path / "warehouse", ignore=shutil.ignore_patterns("dbt"))
    forget_dataset(Home.of(tmp_path / "warehouse"))
    for name, rows in (
        ("events", datasets.toy_events()),
        ("profiles", datasets.toy_profiles()),
        ("labels", datasets.toy_labels()),
    ):
        assert any(row.user_id == ERASED for row in rows), name
    datasets.write_dataset(
        tmp_path / "dataset",
        [event for event in datasets.toy_events() if event.user_id != ERASED],
        [profile for profile in datasets.toy_profiles() if profile.user_id != ERASED],
        [label for label in datasets.toy_labels() if label.user_id != ERASED],
    )
    commands = re.findall(r"^pragma .*$", PAGE, re.M)
    assert len(commands) == 5
    for command in commands:
        words = shlex.split(command)
        words += ["--json"] if words[1] == "sql" else []
        monkeypatch.setattr("sys.argv", words)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert stop.value.code in (0, None), said.err
        if words[1] == "sql":
            ((count,),) = [row.values() for row in json.loads(said.out)]
            assert count == 0, command
