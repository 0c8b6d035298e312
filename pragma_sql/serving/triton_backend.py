"""The code that Triton's Python backend calls; it needs a module that only Triton provides."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as triton

from pragma_sql.formats.bundle import Bundle, open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Float
from pragma_sql.scoring.engines import chosen_precision, usable_cores
from pragma_sql.serving.answers import answers
from pragma_sql.serving.token_requests import Tensors

OUTPUT = "embeddings"

Embedded = Callable[[Sequence[Tensors]], Sequence[Float]]


class Served:
    """One instance of a model in its own process."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        """Open the bundle that the configuration names; if that fails, Triton refuses the model.

        Args:
            arguments: the arguments of Triton's `initialize`.
        """
        config = json.loads(arguments["model_config"])
        folder = (
            Path(arguments["model_repository"]) / config["parameters"]["bundle"]["string_value"]
        )
        instances = sum(group["count"] for group in config["instance_group"])
        self.bundle: Bundle = open_bundle(folder.resolve())
        self.calls = max(1, usable_cores() // instances)
        self.inputs = [entry["name"] for entry in config["input"]]
        self._counters = Counters(config["name"], self.bundle, self.calls)

    def execute(self, requests: Sequence[object], embedded: Embedded) -> list[object]:
        """The responses to requests that Triton passes together, in their order."""
        tensors = [self._tensors(request) for request in requests]
        return [self._response(answer) for answer in answers(tensors, embedded)]

    def _tensors(self, request: object) -> dict[str, npt.NDArray[np.generic]]:
        found = {name: triton.get_input_tensor_by_name(request, name) for name in self.inputs}
        return {name: tensor.as_numpy() for name, tensor in found.items() if tensor is not None}

    def _response(self, answer: Float | Exception) -> object:
        if not isinstance(answer, Exception):
            self._counters.users.increment(len(answer))
            vectors = np.ascontiguousarray(answer, np.float32)
            return triton.InferenceResponse([triton.Tensor(OUTPUT, vectors)])
        self._counters.refused.increment(1)
        if isinstance(answer, PragmaError):
            error = triton.TritonError(str(answer), triton.TritonError.INVALID_ARG)
        else:
            triton.Logger.log_error("".join(traceback.format_exception(answer)))
            error = triton.TritonError(
                f"{type(answer).__name__}, a fault of the server's; its log says more",
                triton.TritonError.INTERNAL,
            )
        return triton.InferenceResponse(error=error)


class Counters:
    """Counts that Triton lacks: users, and refusals, which Triton counts as successes."""

    def __init__(self, model: str, bundle: Bundle, calls: int) -> None:
        counter, gauge = triton.MetricFamily.COUNTER, triton.MetricFamily.GAUGE
        self._families = [  # kept, because a metric lives only as long as its family
            triton.MetricFamily(name=name, description=description, kind=kind)
            for name, description, kind in (
                ("pragma_users_total", "Users that were given a vector", counter),
                ("pragma_refused_total", "Requests that were answered by an error", counter),
                ("pragma_model_info", "The bundle that is served", gauge),
            )
        ]
        users, refused, served = self._families
        manifest = bundle.manifest
        self.users = users.Metric(labels={"model": model})
        self.refused = refused.Metric(labels={"model": model})
        self._served = served.Metric(
            labels={
                "model": model,
                "model_id": manifest.model_id,
                "tokenizer_hash": manifest.tokenizer_hash[:12],
                "precision": chosen_precision(),
                "calls": str(calls),
            }
        )
        self._served.set(1)
