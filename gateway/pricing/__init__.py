"""Prices: a model's rule and a request's input give a quote, in integers, without I/O.

The path: `validate` refuses an input that the schema forbids, `quote` prices what is left. Quantities (`quantities/`,
one file each) measure what the request asks for, as it should be and at the most; a rule (`kinds/`, likewise)
multiplies them and answers with a `Bill`; the quote is that bill with the model's name on it.
"""

from gateway.pricing.bill import Line
from gateway.pricing.kinds import PriceRule
from gateway.pricing.model import WORKFLOW_PREFIX, Model, Route, validate
from gateway.pricing.parameter import Parameter
from gateway.pricing.quoting import DERIVED, Quote, images_wanted, metered_cost, price_rule, quote, unpriced_quote

__all__ = [
    "DERIVED",
    "WORKFLOW_PREFIX",
    "Line",
    "Model",
    "Parameter",
    "PriceRule",
    "Quote",
    "Route",
    "images_wanted",
    "metered_cost",
    "price_rule",
    "quote",
    "unpriced_quote",
    "validate",
]
