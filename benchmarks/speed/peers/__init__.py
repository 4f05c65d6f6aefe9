"""The proxies that are measured, each behind one small interface."""
