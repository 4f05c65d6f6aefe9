"""Delivery: tenants are told of the ends of their predictions, signed, and again until they have heard it."""
