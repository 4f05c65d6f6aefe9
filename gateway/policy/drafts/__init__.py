"""Drafts: what upstream publishes of a model, made into a model file for somebody to confirm."""
