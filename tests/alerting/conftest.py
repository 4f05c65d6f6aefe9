"""Alerting over a real ledger, whose clock is in the test's hand."""

from ledger.conftest import bench, place, redis

__all__ = ["bench", "place", "redis"]
