"""A simulated Eachlabs API: same routes, limits, prices and faults, and books of its own.

It imports nothing else of the gateway and prices by its own code, so that the sandbox and the
gateway cannot be wrong together.
"""

from gateway.sandbox.app import create_app
from gateway.sandbox.clock import Clock, ManualClock, SystemClock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.memory import MemoryInvalid
from gateway.sandbox.server import bind, serve

__all__ = ["Clock", "ManualClock", "MemoryInvalid", "SandboxConfig", "SystemClock", "bind", "create_app", "serve"]
