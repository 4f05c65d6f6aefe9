"""What the tests of policies share: one good account, and the type of the fixture `load`."""

from typing import Protocol

from gateway.policy import Policy

ACCOUNT = """
[[account]]
id = "up"
[[account.key]]
id = "main"
secret_env = "UPSTREAM_KEY"
"""


class Load(Protocol):
    def __call__(self, *texts: str) -> Policy: ...
