"""`gateway serve`: reads its settings; all the rest is loaded after them."""

import argparse
import gc
import importlib
import logging
import os
import shutil
import sys
from dataclasses import replace

from gateway.cli.logs import log_to_stderr
from gateway.settings import SettingInvalid, Settings, add_arguments, read_settings

__all__ = ["add_arguments", "run"]

UPSTREAM_KEY_VARIABLE = "EACHLABS_API_KEY"
#: Where workers share what they count. prometheus-client reads it once, when it is loaded.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def run(flags: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; exit 0 after draining, 1 with the reason where it cannot start."""
    log_to_stderr(logging.INFO)
    try:
        settings = _with_defaults_of_demo(read_settings(flags, os.environ))
    except SettingInvalid as error:
        print(f"gateway serve: {error}", file=sys.stderr)
        return 1
    gc.disable()  # until the workers are forked: what is loaded stays
    shared_dir = settings.data_dir / f"workers-{os.getpid()}"
    os.environ[METRICS_VARIABLE] = str(shared_dir)
    try:
        # Loaded by name, as commands are, since the variable has to be there before.
        status: int = importlib.import_module("gateway.cli.parent").run(settings, shared_dir)
    finally:
        shutil.rmtree(shared_dir, ignore_errors=True)
    return status


def _with_defaults_of_demo(settings: Settings) -> Settings:
    """A demo without an upstream key runs in front of the sandbox."""
    real = os.environ.get(UPSTREAM_KEY_VARIABLE) or settings.upstream_url
    return replace(settings, sandbox=True) if settings.demo and not real else settings
