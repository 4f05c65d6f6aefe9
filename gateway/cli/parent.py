"""The parent of `gateway serve`: it has the workers, the embedded store, the sandbox and the metrics listener.

It loads everything, reads the policy, binds the sockets and forks its workers; only then does it begin an event loop,
start a process or connect to anything (see `gateway.cli.child`).
"""

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
from prometheus_client.multiprocess import mark_process_dead

from gateway.cli.child import Child, fork
from gateway.cli.demo import demo_key, demo_secret, demo_text
from gateway.cli.hangup import on_hangup
from gateway.cli.processes import ChildFailed, Workers, start_sandbox
from gateway.cli.secret import find_secret
from gateway.cli.terms import Terms
from gateway.cli.watch import PolicyWatch, check_addresses, check_secrets
from gateway.cli.worker import DemoKey, Loaded, WorkerConfig, load, read_policy, work
from gateway.ledger.durability import durability_problems
from gateway.ledger.embedded import EmbeddedStore, StoreFailed, find_server
from gateway.ledger.enactment import Enactment
from gateway.ledger.lanes import Lanes
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store, connect
from gateway.ledger.views import Views
from gateway.policy import FolderWatch, PolicyInvalid, SecretMissing
from gateway.server.monitoring import Monitoring
from gateway.server.owners import HostOwners
from gateway.server.serving import address, bind, serve_app
from gateway.settings import SettingInvalid, Settings

log = logging.getLogger("gateway.serve")

SANDBOX_SECRET = "sandbox"  # noqa: S105 (any key opens the sandbox)


class CannotServe(Exception):
    """Says why the gateway does not start, and what to do."""


class Prepared(NamedTuple):
    """What is there before anything runs: the demo key and its secret, the policy, the sockets and the workers."""

    secret: str | None
    key: DemoKey | None
    loaded: Loaded
    listener: socket.socket
    metrics_listener: socket.socket
    forked: list[Child]


def run(settings: Settings, shared_dir: Path) -> int:
    """Serve until SIGTERM or SIGINT; exit 0 after draining, 1 with the reason where it cannot start."""
    try:
        with ExitStack() as stack:
            prepared = _prepare(settings, stack)
            asyncio.run(_serve(settings, prepared, shared_dir))
    except PolicyInvalid as invalid:
        print(*invalid.problems, sep="\n", file=sys.stderr)
    except (SettingInvalid, CannotServe, ChildFailed, StoreFailed, SecretMissing, LedgerUnavailable) as error:
        print(f"gateway serve: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _prepare(settings: Settings, stack: ExitStack) -> Prepared:
    """Do what needs nobody else, and fork the workers, which then wait for their configuration."""
    secret = demo_secret(settings.data_dir) if settings.demo else None
    key = demo_key(secret) if secret else None
    loaded = load(settings.policies, key)
    if not settings.sandbox:
        check_secrets(loaded.policy)
    check_addresses(loaded.policy)
    listener, metrics_listener = (
        stack.enter_context(_bind(where)) for where in (settings.listen, settings.metrics_listen)
    )
    forked = fork(settings.workers, lambda fd: work(fd, loaded), metrics_listener.close)
    gc.enable()
    return Prepared(secret, key, loaded, listener, metrics_listener, forked)


async def _serve(settings: Settings, prepared: Prepared, shared_dir: Path) -> None:
    """Bring everything up from the bottom, wait for the signal, take it down from the top."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    secret, key, loaded, listener, metrics_listener, forked = prepared
    async with AsyncExitStack() as stack:
        workers = _workers(forked, listener, str(shared_dir))
        stack.push_async_callback(workers.dismiss)
        store_url = await _open_store(settings, stack)
        store = connect(store_url)
        stack.push_async_callback(store.aclose)
        upstream_url = await _open_upstream(settings, stack)
        _clear(shared_dir)
        owners = shared_dir / "owners.sqlite"
        HostOwners(owners).close()  # made once, before workers open it at the same time
        config = WorkerConfig(
            policies=str(settings.policies),
            store_url=store_url,
            listener_fd=listener.fileno(),
            ready_fd=-1,
            owners=str(owners),
            secret=(await find_secret(settings, os.environ, store)).texts,
            terms=_terms(settings, upstream_url),
            demo_key=key,
        )
        watch = _watch(loaded, key, store, settings)
        stack.push_async_callback(watch.leave)
        await watch.enact()
        stack.push_async_callback(workers.stop)
        await workers.start(
            settings.workers, lambda ready_fd: msgspec.json.encode(msgspec.structs.replace(config, ready_fd=ready_fd))
        )
        on_hangup(stop, watch.read_again, workers.read_again)

        def ready() -> None:
            if secret:
                print(demo_text(address(listener), secret, sandbox=settings.sandbox))
            print(f"ready {address(listener)} metrics {address(metrics_listener)}", flush=True)

        watching = asyncio.ensure_future(watch.run())
        stack.callback(watching.cancel)
        monitoring = _monitoring(watch, store, loaded.scripts, workers, str(shared_dir))
        await serve_app(monitoring.app(), [metrics_listener], stop, ready)


def _terms(settings: Settings, upstream_url: str | None) -> Terms:
    return Terms(
        upstream_url=upstream_url,
        upstream_secret=SANDBOX_SECRET if settings.sandbox else None,
        public_url=settings.public_url,
        private_destinations=tuple(settings.private_destinations or ()),
        journal_days=settings.journal_retention,
        alone=settings.workers == 1 and not settings.redis_url,
    )


def _watch(loaded: Loaded, key: DemoKey | None, store: Store, settings: Settings) -> PolicyWatch:
    """Follow the folder, and ask the store in the name of this host whether what it holds is in force."""
    host, folder = uuid.uuid4().hex, settings.policies
    return PolicyWatch(
        loaded.policy,
        FolderWatch(lambda: read_policy(folder, key), folder, loaded.policy.version, loaded.stamp),
        lambda account: Enactment(store, loaded.scripts, account, host),
        secrets_needed=not settings.sandbox,
    )


def _bind(where: tuple[str, int]) -> socket.socket:
    try:
        return bind(*where)
    except OSError as error:
        raise CannotServe(f"cannot listen on {where[0]}:{where[1]}: {error.strerror}; choose another port") from error


def _clear(shared_dir: Path) -> None:
    """Make the directory through which workers share metrics and owners; clear those of gateways that were killed."""
    for left in shared_dir.parent.glob("workers-*"):
        if not Path(f"/proc/{left.name.removeprefix('workers-')}").exists():
            shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(shared_dir, ignore_errors=True)
    shared_dir.mkdir(mode=0o700, parents=True)


async def _open_store(settings: Settings, stack: AsyncExitStack) -> str:
    """Give the URL of the store: the operator's, once it is seen to be durable, or our own child."""
    if settings.redis_url:
        await _check_store(settings.redis_url, accept_lossy=settings.accept_lossy_store)
        return settings.redis_url
    store = EmbeddedStore(settings.data_dir, find_server(settings.store_binary))
    await stack.enter_async_context(store)
    watcher = asyncio.ensure_future(store.watch())
    stack.callback(watcher.cancel)
    return store.url


async def _check_store(url: str, *, accept_lossy: bool) -> None:
    try:
        store = connect(url)
    except ValueError as error:
        raise CannotServe(f"--redis-url: {error}") from error
    try:
        await store.read("PING")
        problems = await durability_problems(store)
    except LedgerUnavailable as error:
        raise CannotServe(f"the store does not answer: {error}") from error
    finally:
        await store.aclose()
    if problems and not accept_lossy:
        raise CannotServe(
            "the store may lose what it acknowledged, and money with it: "
            + "; ".join(problems)
            + ". Set it right, or accept the loss with --accept-lossy-store"
        )


async def _open_upstream(settings: Settings, stack: AsyncExitStack) -> str | None:
    """Start the sandbox where it is the upstream; give the address that overrides the policy's."""
    if not settings.sandbox:
        return settings.upstream_url
    process, url = await start_sandbox(os.environ, settings.data_dir)

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    return url


def _workers(forked: list[Child], listener: socket.socket, metrics_dir: str) -> Workers:
    return Workers(
        forked,
        (sys.executable, "-m", "gateway.cli.worker"),
        os.environ,
        [listener.fileno()],
        lambda pid: mark_process_dead(pid, metrics_dir),  # type: ignore[no-untyped-call]  # gauges go, counters stay
    )


def _monitoring(
    watch: PolicyWatch, store: Store, scripts: Mapping[str, Script], workers: Workers, metrics_dir: str
) -> Monitoring:
    return Monitoring(
        watch,
        lambda account: Views(store, account),
        lambda account: Lanes(store, scripts, account),
        metrics_dir,
        lambda: workers.alive,
        _now_us,
    )


def _now_us() -> int:
    return time.time_ns() // 1000
