"""Every gateway that can be measured, by its name on the command line."""

from collections.abc import Callable, Mapping

from benchmarks.accuracy.gateways.eachlabs import EachlabsGateway
from benchmarks.accuracy.gateways.gateway import Gateway
from benchmarks.accuracy.gateways.litellm import LiteLLM

GATEWAYS: Mapping[str, Callable[[], Gateway]] = {
    "eachlabs-gateway": EachlabsGateway,
    "litellm-key": lambda: LiteLLM("key"),
    "litellm-model": lambda: LiteLLM("model"),
}
