"""The page for whoever runs the server says what works."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from server import ENVIRONMENT, ROOT
from toy import Toy

pytest.importorskip("tritonclient.grpc", reason="its own environment: make test-triton")

PAGE = (ROOT / "docs" / "triton.md").read_text("utf-8")


def blocks(language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.S | re.M)
    return [text for name, text in found if name == language]


def is_taken(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(any(map(is_taken, (8000, 8001, 8002))), reason="Triton's ports are taken")
def test_the_commands_of_the_page_run_in_their_order(toy: Toy, tmp_path: Path) -> None:
    shutil.copytree(toy.bundle("first"), tmp_path / "warehouse" / "runs" / "demo" / "bundle")
    (tmp_path / "serving").symlink_to(ROOT / "serving")
    commands = [block for block in blocks() if "docker" not in block]
    assert len(commands) == len(blocks()) - 1
    (example,) = blocks("python")
    (tmp_path / "example.py").write_text(example)
    (tmp_path / "pragma").write_text(
        f'#!/bin/sh\nexec {ROOT / ".venv" / "bin" / "python"} -m pragma_sql "$@"\n'
    )
    (tmp_path / "pragma").chmod(0o755)
    script = "set -e\ntrap 'kill $server; wait' EXIT\n" + "\n".join(commands)
    script = script.replace("2>&1 &\n", "2>&1 &\nserver=$!\n")
    script += f"\n{sys.executable} example.py\n"
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert '"datatype":"FP32"' in ended.stdout
    assert "pragma_model_info" in ended.stdout
    assert re.search(r"^\(2, \d+\)$", ended.stdout, re.M)
