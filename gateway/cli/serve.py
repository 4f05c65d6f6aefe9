"""`gateway serve`: the parent of the workers, the embedded store and the sandbox, and the metrics listener."""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
from prometheus_client.multiprocess import mark_process_dead

from gateway.cli.demo import demo_key, demo_secret, demo_text
from gateway.cli.hangup import on_hangup
from gateway.cli.logs import log_to_stderr
from gateway.cli.processes import ChildFailed, Workers, start_sandbox
from gateway.cli.secret import find_secret
from gateway.cli.watch import PolicyWatch, check_addresses, check_secrets
from gateway.cli.worker import DemoKey, WorkerConfig, read_policy
from gateway.ledger.durability import durability_problems
from gateway.ledger.embedded import EmbeddedStore, StoreFailed, find_server
from gateway.ledger.enactment import Enactment
from gateway.ledger.lanes import Lanes
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable, Store, connect
from gateway.ledger.views import Views
from gateway.policy import Policy, PolicyInvalid, SecretMissing
from gateway.server.monitoring import Monitoring
from gateway.server.owners import HostOwners
from gateway.server.serving import address, bind, serve_app
from gateway.settings import SettingInvalid, Settings, add_arguments, read_settings

__all__ = ["add_arguments", "run"]

log = logging.getLogger("gateway.serve")

UPSTREAM_KEY_VARIABLE = "EACHLABS_API_KEY"
SANDBOX_SECRET = "sandbox"  # noqa: S105 (any key opens the sandbox)


class CannotServe(Exception):
    """Says why the gateway does not start, and what to do."""


def run(flags: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; exit 0 after draining, 1 with the reason where it cannot start."""
    log_to_stderr(logging.INFO)
    try:
        settings = read_settings(flags, os.environ)
        asyncio.run(_serve(_with_defaults_of_demo(settings)))
    except PolicyInvalid as invalid:
        print(*invalid.problems, sep="\n", file=sys.stderr)
    except (SettingInvalid, CannotServe, ChildFailed, StoreFailed, SecretMissing, LedgerUnavailable) as error:
        print(f"gateway serve: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _with_defaults_of_demo(settings: Settings) -> Settings:
    """A demo without an upstream key runs in front of the sandbox."""
    real = os.environ.get(UPSTREAM_KEY_VARIABLE) or settings.upstream_url
    return replace(settings, sandbox=True) if settings.demo and not real else settings


async def _serve(settings: Settings) -> None:
    """Bring everything up from the bottom, wait for the signal, take it down from the top."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    secret = demo_secret(settings.data_dir) if settings.demo else None
    key = demo_key(secret) if secret else None
    load = _policy_loader(settings, key)
    policy = load()
    if not settings.sandbox:
        check_secrets(policy)
    check_addresses(policy)
    async with AsyncExitStack() as stack:
        listener, metrics_listener = _bind(settings.listen), _bind(settings.metrics_listen)
        stack.callback(listener.close)
        store_url = await _open_store(settings, stack)
        store = connect(store_url)
        stack.push_async_callback(store.aclose)
        upstream_url = await _open_upstream(settings, stack)
        shared_dir = _shared_dir(settings.data_dir)
        stack.callback(shutil.rmtree, shared_dir, ignore_errors=True)
        owners = shared_dir / "owners.sqlite"
        HostOwners(owners).close()  # made once, before workers open it at the same time
        config = WorkerConfig(
            policies=str(settings.policies),
            store_url=store_url,
            listener_fd=listener.fileno(),
            ready_fd=-1,
            owners=str(owners),
            upstream_url=upstream_url,
            upstream_secret=SANDBOX_SECRET if settings.sandbox else None,
            public_url=settings.public_url,
            secret=(await find_secret(settings, os.environ, store)).texts,
            private_destinations=settings.private_destinations or (),
            journal_retention=settings.journal_retention,
            alone=settings.workers == 1 and not settings.redis_url,
            demo_key=key,
        )
        watch = _watch(policy, load, store, settings)
        stack.push_async_callback(watch.leave)
        await watch.enact()
        workers = _workers(config, str(shared_dir))
        stack.push_async_callback(workers.stop)
        await workers.start(settings.workers)
        on_hangup(stop, watch.read_again, workers.read_again)

        def ready() -> None:
            if secret:
                print(demo_text(address(listener), secret, sandbox=settings.sandbox))
            print(f"ready {address(listener)} metrics {address(metrics_listener)}", flush=True)

        watching = asyncio.ensure_future(watch.run())
        stack.callback(watching.cancel)
        monitoring = _monitoring(watch, store, workers, str(shared_dir))
        await serve_app(monitoring.app(), [metrics_listener], stop, ready)


def _policy_loader(settings: Settings, key: DemoKey | None) -> Callable[[], Policy]:
    return lambda: read_policy(settings.policies, key)


def _watch(policy: Policy, load: Callable[[], Policy], store: Store, settings: Settings) -> PolicyWatch:
    """Follow the folder, and ask the store in the name of this host whether what it holds is in force."""
    host, scripts = uuid.uuid4().hex, load_scripts()
    return PolicyWatch(
        policy,
        settings.policies,
        load,
        lambda account: Enactment(store, scripts, account, host),
        secrets_needed=not settings.sandbox,
    )


def _bind(where: tuple[str, int]) -> socket.socket:
    try:
        return bind(*where)
    except OSError as error:
        raise CannotServe(f"cannot listen on {where[0]}:{where[1]}: {error.strerror}; choose another port") from error


def _shared_dir(data_dir: Path) -> Path:
    """Make the directory through which workers share metrics and owners; clear those of gateways that were killed."""
    for left in data_dir.glob("workers-*"):
        if not Path(f"/proc/{left.name.removeprefix('workers-')}").exists():
            shutil.rmtree(left, ignore_errors=True)
    made = data_dir / f"workers-{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700, parents=True)
    return made


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


def _workers(config: WorkerConfig, metrics_dir: str) -> Workers:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics_dir}
    command = (sys.executable, "-m", "gateway.cli.worker")
    return Workers(
        command,
        lambda ready_fd: msgspec.json.encode(msgspec.structs.replace(config, ready_fd=ready_fd)),
        environ,
        [config.listener_fd],
        lambda pid: mark_process_dead(pid, metrics_dir),  # type: ignore[no-untyped-call]  # gauges go, counters stay
    )


def _monitoring(watch: PolicyWatch, store: Store, workers: Workers, metrics_dir: str) -> Monitoring:
    scripts = load_scripts()
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
