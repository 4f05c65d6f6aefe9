"""Run by LiteLLM, not by the benchmark: the keys of its tenants, each with a budget."""

import json
import os

from litellm.proxy._types import UserAPIKeyAuth


async def user_api_key_auth(_request: object, api_key: str) -> UserAPIKeyAuth:
    """Give a key its budget. Raises KeyError for an unknown one."""
    cap = json.loads(os.environ["BENCH_CAPS"])[api_key]
    if os.environ["BENCH_KIND"] == "key":
        return UserAPIKeyAuth(api_key=api_key, max_budget=cap)
    return UserAPIKeyAuth(api_key=api_key, model_max_budget={"bench": {"budget_limit": cap, "time_period": "30d"}})
