"""Alerting over a real ledger, whose clock is in the test's hand."""

from ledger.conftest import bench, redis, store_url

__all__ = ["bench", "redis", "store_url"]
