"""The page on training says what works."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from histories_fixture import shoppers, write_shards
from training import ROOT, ended, started

SHORT = ["--steps", "3", "--batch-tokens", "512"]


@pytest.mark.slow
def test_the_commands_of_the_page_on_training_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "train.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```", page, re.S | re.M)
    commands = [line for block in blocks for line in block.splitlines() if "pragma" in line]
    commands = [line for line in commands if line.startswith(("pragma ", "torchrun "))]
    # A probe asks a warehouse with labels; tests/test_probe.py does.
    commands = [line for line in commands if not line.startswith("pragma probe")]
    assert [line.split()[0] for line in commands] == [
        "pragma", "pragma", "pragma", "torchrun", "pragma", "pragma", "pragma",
    ]  # fmt: skip
    users = shoppers(30)
    write_shards(tmp_path / "warehouse" / "shards", {"train": users[:20], "validation": users[20:]})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRAGMA_HOME", raising=False)
    for line in commands:
        words = shlex.split(line)
        if "train" in words and "--resume" not in words:
            words += SHORT
        if "--resume" in words:  # as if it had been stopped before its bundle was written
            shutil.rmtree(tmp_path / "warehouse" / "runs" / "small" / "bundle")
        if words[0] == "torchrun":
            words[words.index("--no-python")] = "-m"
            words[words.index("pragma")] = "pragma_sql"
            called = ["-m", "torch.distributed.run", *words[1:]]
        else:
            called = ["-m", "pragma_sql", *words[1:]]
        code, said = ended(started([sys.executable, *called]))
        assert code == 0, (line, said)
    assert (tmp_path / "curves.png").is_file()
