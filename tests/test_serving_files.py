"""What `serving/` puts on a machine: pinned, read-only, behind a password, for itself alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pragma_sql.serving.triton_export import SERVER_OPTIONS

SERVING = Path(__file__).resolve().parent.parent / "serving"
COMPOSE = yaml.safe_load((SERVING / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DASHBOARDS = sorted((SERVING / "grafana" / "dashboards").glob("*.json"))


def test_triton_prometheus_and_grafana_are_there() -> None:
    assert set(SERVICES) == {"triton", "prometheus", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"])


def test_the_image_that_is_built_comes_from_a_pinned_one_with_pinned_packages() -> None:
    built = (SERVING / "Dockerfile").read_text()
    assert re.search(r"^FROM nvcr\.io/nvidia/tritonserver:\d\d\.\d\d-py3$", built, re.M)
    wanted = (SERVING / "requirements.txt").read_text().splitlines()
    lines = [line for line in wanted if line and not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in lines)


def test_the_image_has_the_versions_that_are_tested_together_but_for_what_triton_needs() -> None:
    tested = set((SERVING.parent / "constraints.txt").read_text().splitlines())
    lines = (SERVING / "requirements.txt").read_text().splitlines()
    others = [line for line in lines if not line.startswith("#") and line not in tested]
    assert [line.split("==")[0] for line in others] == ["ml_dtypes", "numpy", "onnx", "pyarrow"]


def test_the_image_is_built_of_folders_that_exist() -> None:
    copied = re.findall(r"^COPY (\S+) ", (SERVING / "Dockerfile").read_text(), re.M)
    assert copied
    assert all((SERVING.parent / folder).exists() for folder in copied)


MODELS = """
import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from types import ModuleType

installed = set()
wanted = sys.argv[1:]
while wanted:
    package = re.match(r"[\\w.-]+", wanted.pop())[0].lower().replace("_", "-")
    if package not in installed:
        installed.add(package)
        try:
            wanted += [line for line in requires(package) or () if "extra ==" not in line]
        except PackageNotFoundError:
            pass
packages = packages_distributions()

class Refuse:
    def find_spec(self, name, path=None, target=None):
        names = {each.lower().replace("_", "-") for each in packages.get(name, ())}
        if names and not names & {*installed, "pragma-sql"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
sys.modules["triton_python_backend_utils"] = ModuleType("triton_python_backend_utils")
import pragma_sql.serving.token_requests, pragma_sql.serving.triton_backend
from pragma_sql.serving.records import read_record
read_record("{}")
"""
"""What the models of Triton import, where only the packages of the arguments are installed."""


def test_the_models_import_only_what_the_image_has() -> None:
    lines = (SERVING / "requirements.txt").read_text().splitlines()
    packages = [line.split("==")[0] for line in lines if not line.startswith("#")]
    ran = subprocess.run(
        [sys.executable, "-c", MODELS, *packages], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert "network_mode" not in SERVICES[name]


def test_the_bundle_is_mounted_read_only_and_has_to_be_named() -> None:
    (mount,) = SERVICES["triton"]["volumes"]
    assert mount["read_only"] is True
    assert mount["source"].startswith("${PRAGMA_TRITON:?")
    assert mount["bind"]["create_host_path"] is False
    assert f"--model-repository={mount['target']}/models" in SERVICES["triton"]["command"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_may_write_or_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_folders_of_this_project_are_mounted_read_only_and_exist(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        if isinstance(mount, str) and mount.startswith("./"):
            source, _, mode = mount.split(":")
            assert mode == "ro"
            assert (SERVING / source).exists()


def test_grafana_lets_nobody_in_without_a_password_that_was_set() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment
    secret = Path(environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]).name
    assert secret in SERVICES["grafana"]["secrets"]
    assert COMPOSE["secrets"][secret]["file"].startswith("${GRAFANA_PASSWORD_FILE:?")


def test_the_container_starts_the_server_as_the_printed_command_does() -> None:
    assert set(SERVER_OPTIONS) <= set(SERVICES["triton"]["command"])


def test_prometheus_asks_where_triton_answers() -> None:
    jobs = yaml.safe_load((SERVING / "prometheus.yml").read_text())["scrape_configs"]
    targets = [t for job in jobs for config in job["static_configs"] for t in config["targets"]]
    assert targets == ["triton:8002"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_ask_the_prometheus_that_is_provisioned(path: Path) -> None:
    sources = SERVING / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(sources.read_text())["datasources"]
    panels = json.loads(path.read_text())["panels"]
    assert panels
    for panel in panels:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert all(target["expr"] for target in panel["targets"])


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    provisioned = SERVING / "grafana" / "provisioning" / "dashboards" / "pragma.yaml"
    (provider,) = yaml.safe_load(provisioned.read_text())["providers"]
    mounts = [mount.split(":") for mount in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in [mount[1] for mount in mounts]
