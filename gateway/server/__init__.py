"""HTTP in: the path of a create, polls, relays, the gateway's own routes, and refusals as one table."""
