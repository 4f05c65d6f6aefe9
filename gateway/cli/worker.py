"""A worker: one process of `gateway serve`, started by it; serves on the shared socket by the policy in force."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
from prometheus_client import CollectorRegistry
from setproctitle import setproctitle

from gateway.cli.assembly import Assembly, Clients
from gateway.cli.following import PolicyFollower
from gateway.cli.logs import log_to_stderr
from gateway.cli.terms import Terms
from gateway.domain.secret import Secret
from gateway.ledger.enactment import read_in_force
from gateway.ledger.scripts import Script, load_scripts
from gateway.ledger.store import Store, connect
from gateway.policy import FolderWatch, Policy, PolicyInvalid, Problem, Stamp, load_policy, settled_stamp, with_key
from gateway.server.owners import HostOwners, Owners
from gateway.server.serving import serve_app
from gateway.server.tally import RequestLog
from gateway.telemetry import Telemetry
from gateway.upstream.direct.exchange import DirectUpstream
from gateway.upstream.on_demand import for_operators, for_tenants
from gateway.upstream.probe import ImageProbe

log = logging.getLogger("gateway.worker")

#: New objects after which the collector looks for cycles. A request makes hundreds and leaves none, so that each look
#: is in vain; at the collector's own 700 they take a tenth of the processor time.
GC_THRESHOLD = (20_000, 20, 20)
#: How long the last records of a stopping worker may take; the reconciler finds what is left.
DRAIN_SECONDS = 10.0


class DemoKey(msgspec.Struct, frozen=True):
    """The key that this machine made for the tenant `demo`."""

    tenant: str
    id: str
    sha256: str


class WorkerConfig(msgspec.Struct, frozen=True):
    """What the parent tells a worker, as JSON."""

    policies: str
    store_url: str
    listener_fd: int
    ready_fd: int
    owners: str
    secret: tuple[str, ...]
    terms: Terms
    demo_key: DemoKey | None = None


class Loaded(NamedTuple):
    """What all processes of a gateway read from files: a policy, the stamp of its files before they were read (None
    where that tells no later change of them), and the ledger's scripts.
    """

    policy: Policy
    stamp: Stamp | None
    scripts: Mapping[str, Script]


def load(folder: Path, demo_key: DemoKey | None) -> Loaded:
    """Load all of it for a process that follows the policy's folder. Raises PolicyInvalid."""
    stamp = settled_stamp(folder)
    return Loaded(read_policy(folder, demo_key), stamp, load_scripts())


def read_policy(folder: Path, demo_key: DemoKey | None) -> Policy:
    """Load the policy, with this machine's demo key where there is one. Raises PolicyInvalid."""
    policy = load_policy(folder)
    if demo_key is None:
        return policy
    try:
        return with_key(policy, demo_key.tenant, demo_key.id, demo_key.sha256)
    except ValueError as error:
        raise PolicyInvalid([Problem(str(folder), "", f"cannot hold the demo key: {error}")]) from error


async def serve(
    config: WorkerConfig, loaded: Loaded, stop: asyncio.Event, environ: Mapping[str, str], request_log: RequestLog
) -> None:
    """Serve until `stop` is set."""
    telemetry = Telemetry(CollectorRegistry())
    async with AsyncExitStack() as stack:
        store, private = connect(config.store_url), config.terms.private_destinations
        stack.push_async_callback(store.aclose)
        clients = Clients(DirectUpstream(), for_tenants(private), for_operators())
        # Of its own: names of images that are slow to look up keep threads, which no webhook is to wait for.
        images_client = for_tenants(private)
        for each in (*clients, images_client):
            stack.push_async_callback(each.aclose)
        host = HostOwners(Path(config.owners))
        stack.callback(host.close)
        probe = ImageProbe(images_client, telemetry)
        stack.callback(probe.close)
        assembly = Assembly(
            store,
            loaded.scripts,
            clients,
            telemetry,
            environ,
            Secret(config.secret),
            Owners(host),
            config.terms,
            probe=probe,
            request_log=request_log,
        )
        follower = _follow(config, loaded, assembly, store)
        stack.push_async_callback(assembly.aclose, DRAIN_SECONDS)
        await follower.catch_up()
        following = asyncio.ensure_future(follower.run())
        stack.callback(following.cancel)
        draining = asyncio.ensure_future(_drain(stop, assembly))
        stack.callback(draining.cancel)
        listener = socket.socket(fileno=config.listener_fd)
        app = assembly.app
        await serve_app(app, [listener], stop, lambda: _tell_ready(config.ready_fd), app.at_once)


async def _drain(stop: asyncio.Event, assembly: Assembly) -> None:
    await stop.wait()
    assembly.let_nobody_wait()


def _follow(config: WorkerConfig, loaded: Loaded, assembly: Assembly, store: Store) -> PolicyFollower:
    """Adopt the policy of the folder, and see to it that its changes are adopted as they come into force."""
    folder, policy, stamp = Path(config.policies), loaded.policy, loaded.stamp
    watch = FolderWatch(lambda: read_policy(folder, config.demo_key), folder, policy.version, stamp)
    follower = PolicyFollower(watch, policy, assembly.adopt, lambda account: read_in_force(store, account))
    assembly.app.catch_up = follower.catch_up
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, follower.read_again)
    return follower


def _tell_ready(ready_fd: int) -> None:
    with suppress(OSError):  # and it stays open: its end is how the parent learns of this process's
        os.write(ready_fd, b"1")


def work(config_fd: int, loaded: Loaded | None = None) -> None:
    """Read the configuration and serve until SIGTERM; a forked worker has what its parent has `loaded`."""
    with os.fdopen(config_fd, "rb") as pipe:
        told = pipe.read()
    if not told:  # the parent has given up
        return
    setproctitle("gateway worker")
    gc.enable()  # its parent had it off while it loaded
    request_log = log_to_stderr(logging.INFO)
    config = msgspec.json.decode(told, type=WorkerConfig)
    gc.set_threshold(*GC_THRESHOLD)
    uvloop.run(_main(config, loaded or load(Path(config.policies), config.demo_key), request_log))


async def _main(config: WorkerConfig, loaded: Loaded, request_log: RequestLog) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(config, loaded, stop, os.environ, request_log)


if __name__ == "__main__":
    work(sys.stdin.fileno())
