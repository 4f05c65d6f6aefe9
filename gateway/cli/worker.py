"""A worker: one process of `gateway serve`, started by it; builds the parts and serves on the shared socket."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from gateway.admission.admission import Admission
from gateway.cli.logs import log_to_stderr
from gateway.ledger.ledger import Ledger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store, connect
from gateway.ledger.views import Views
from gateway.policy import Account, Policy, load_policy, read_secret, with_key
from gateway.server.app import GatewayApp
from gateway.server.owners import Owners
from gateway.server.parts import AccountParts, Parts
from gateway.server.recording import Recorder
from gateway.server.serving import serve_app
from gateway.settlement.inquest import Inquest
from gateway.settlement.reconciler import Reconciler
from gateway.settlement.settlement import Settlement
from gateway.telemetry import Telemetry
from gateway.upstream.client import HttpxUpstream
from gateway.upstream.eachlabs import Eachlabs

#: How long the last records of a stopping worker may take; the reconciler finds what is left.
DRAIN_SECONDS = 10.0


class DemoKey(msgspec.Struct, frozen=True):
    """The key that this machine made for the tenant `demo`."""

    tenant: str
    id: str
    sha256: str


class WorkerConfig(msgspec.Struct, frozen=True):
    """What the parent tells a worker, as JSON in its one argument."""

    policies: str
    store_url: str
    listener_fd: int
    ready_fd: int
    upstream_url: str | None = None
    upstream_secret: str | None = None
    public_url: str | None = None
    demo_key: DemoKey | None = None


def read_policy(folder: Path, demo_key: DemoKey | None) -> Policy:
    """Load the policy, with this machine's demo key where there is one. Raises PolicyInvalid or ValueError."""
    policy = load_policy(folder)
    return with_key(policy, demo_key.tenant, demo_key.id, demo_key.sha256) if demo_key else policy


async def work(config: WorkerConfig, stop: asyncio.Event, environ: Mapping[str, str]) -> None:
    """Serve until `stop` is set."""
    policy = read_policy(Path(config.policies), config.demo_key)
    telemetry = Telemetry(CollectorRegistry(), policy.models)
    telemetry.policy_reloads.labels("loaded").inc()
    telemetry.policy_info.labels(policy.version).set(1)
    async with AsyncExitStack() as stack:
        store, client = connect(config.store_url), HttpxUpstream()
        stack.push_async_callback(store.aclose)
        stack.push_async_callback(client.aclose)
        accounts = {
            account.id: _account_parts(config, account, store, client, telemetry, environ)
            for account in policy.accounts.values()
        }
        recorder = Recorder()
        admission = Admission({id_: parts.ledger for id_, parts in accounts.items()}, telemetry, _new_id)
        parts = Parts(policy, accounts, admission, Owners(), recorder, telemetry, _wall_clock_us, config.public_url)
        reconcilers = [asyncio.ensure_future(_reconciler(each, policy).run()) for each in accounts.values()]
        listener = socket.socket(fileno=config.listener_fd)
        await serve_app(GatewayApp(parts), [listener], stop, lambda: _tell_ready(config.ready_fd))
        await recorder.drain(DRAIN_SECONDS)
        for task in reconcilers:
            task.cancel()
        await asyncio.gather(*reconcilers, return_exceptions=True)


def _account_parts(
    config: WorkerConfig,
    account: Account,
    store: Store,
    client: HttpxUpstream,
    telemetry: Telemetry,
    environ: Mapping[str, str],
) -> AccountParts:
    ledger = Ledger(store, load_scripts(), account.id, telemetry.ledger_seconds.observe)
    secrets = {key.id: config.upstream_secret or read_secret(key, environ) for key in account.keys}
    upstream = Eachlabs(account, secrets, client, telemetry, config.upstream_url)
    return AccountParts(ledger, Views(store, account.id), upstream, Settlement(ledger, telemetry))


def _reconciler(parts: AccountParts, policy: Policy) -> Reconciler:
    inquest = Inquest(parts.ledger, parts.views, parts.upstream, parts.settlement)
    return Reconciler(parts.ledger, parts.upstream, parts.settlement, inquest, policy.models)


def _tell_ready(ready_fd: int) -> None:
    with suppress(OSError):
        os.write(ready_fd, b"1")
        os.close(ready_fd)


def _new_id() -> str:
    return f"res_{uuid.uuid4().hex}"


def _wall_clock_us() -> int:
    return time.time_ns() // 1000


async def _main(config: WorkerConfig) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(config, stop, os.environ)


if __name__ == "__main__":
    log_to_stderr(logging.INFO)
    uvloop.run(_main(msgspec.json.decode(sys.argv[1], type=WorkerConfig)))
