"""Alerting: what becomes of a threshold that a limit's use has reached."""
