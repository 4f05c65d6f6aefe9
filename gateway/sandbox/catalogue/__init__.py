"""The models that this sandbox knows: their schemas as published, and what their runs cost."""

from gateway.sandbox.catalogue.images import image_models
from gateway.sandbox.catalogue.metered import metered_models
from gateway.sandbox.catalogue.model import Facts, Model, Schema
from gateway.sandbox.catalogue.videos import video_models

__all__ = ["Facts", "Model", "Schema", "models"]


def models() -> dict[str, Model]:
    """Every model by its slug."""
    return {model.slug: model for model in (*image_models(), *video_models(), *metered_models())}
