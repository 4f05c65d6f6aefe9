"""The kinds of quantity that a model's file may define; a new one is one file here and one more of the union.

Rules multiply quantities and guards bound them, both by the name under which the file defines them, so that what is
priced and what is bounded cannot differ. `images`, `seconds`, `pixels` (of one image or frame), `characters` and
`tokens` are the names that guards of many models share.
"""

from typing import TypeAlias

from gateway.pricing.quantities.after_run import AfterRun
from gateway.pricing.quantities.frame import Frame
from gateway.pricing.quantities.given import Items, Value
from gateway.pricing.quantities.size import Size
from gateway.pricing.quantities.text import Characters, TextTokens
from gateway.pricing.quantities.video_tokens import VideoTokens

Quantity: TypeAlias = Value | Items | Characters | TextTokens | Size | Frame | VideoTokens | AfterRun
