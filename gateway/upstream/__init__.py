"""HTTP out: the client that calls Eachlabs, the headers that travel, and the reading of its answers."""
