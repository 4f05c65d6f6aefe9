"""Every proxy that can be measured, by its name on the command line."""

from collections.abc import Callable, Mapping

from benchmarks.speed.peers.eachlabs import EachlabsGateway
from benchmarks.speed.peers.envoy import Envoy
from benchmarks.speed.peers.litellm import LiteLLMProxy
from benchmarks.speed.peers.nginx import Nginx
from benchmarks.speed.peers.peer import Peer
from benchmarks.speed.peers.portkey import Portkey

PEERS: Mapping[str, Callable[[], Peer]] = {
    "eachlabs-gateway": EachlabsGateway,
    "nginx": Nginx,
    "envoy": Envoy,
    "portkey": Portkey,
    "litellm": LiteLLMProxy,
}
