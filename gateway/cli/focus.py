"""FOCUS rows: spending in the form of the FinOps Open Cost and Usage Specification, version 1.0.

Source: the column definitions of the specification at focus.finops.org (FOCUS 1.0, June 2024).
"""

import json
from datetime import UTC, date, datetime, time, timedelta

from gateway.domain.money import format_usd
from gateway.ledger.spending import Group, Sum

FOCUS_COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SubAccountId",
    "Tags",
)


def focus_row(group: Group, found: Sum) -> dict[str, str | int]:
    """Write one day's spending of a key on a model as one usage charge."""
    cost = format_usd(found.charged)
    month = group.day.replace(day=1)
    return {
        "BilledCost": cost,
        "BillingAccountId": group.account,
        "BillingAccountName": group.account,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _instant((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _instant(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",  # null: not a correction of a billed period
        "ChargeDescription": f"{found.predictions} predictions of {group.model}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _instant(group.day + timedelta(days=1)),
        "ChargePeriodStart": _instant(group.day),
        "ConsumedQuantity": found.predictions,
        "ConsumedUnit": "Predictions",
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": "Eachlabs",
        "ListCost": cost,
        "PricingQuantity": found.predictions,
        "PricingUnit": "Predictions",
        "ProviderName": "Eachlabs",
        "PublisherName": "Eachlabs",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Eachlabs API",
        "SkuId": group.model,
        "SubAccountId": group.tenant,
        "Tags": json.dumps({"key": group.key}),
    }


def _instant(day: date) -> str:
    return datetime.combine(day, time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
