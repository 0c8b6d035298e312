"""The page for whoever runs the server says what works."""

from __future__ import annotations

import os
import re
import shutil
import signal
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
    script = "\n".join(["set -e", *commands, f"{sys.executable} example.py"])
    path = f"{tmp_path}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, said = process.communicate(timeout=180)
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the server outlives the shell that started it
    assert process.returncode == 0, said + printed
    assert '"datatype":"FP32"' in printed
    assert "pragma_model_info" in printed
    assert re.search(r"^\(2, \d+\)$", printed, re.M)
