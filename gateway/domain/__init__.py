"""The words of the gateway: money, limits, windows, reservations, refusals; no I/O, no clock, no third party."""
