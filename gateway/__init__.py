"""A cost-aware gateway proxy with quotas for the Eachlabs API."""
