"""Policies: files become one frozen, whole Policy, or an error that says where and what would be right.

`folder` reads TOML, `documents` is the grammar, `decoding` joins the two; `accounts`, `tenants` and `limits` compile
what stands alone, `linking` what refers to others; `policy` is the result.
"""

from gateway.policy.alerts import read_address
from gateway.policy.following import FolderWatch, Stamp, settled_stamp
from gateway.policy.loading import load_policy, review_policy
from gateway.policy.policy import Account, AlertAddress, Policy, Principal, Tenant, UpstreamKey, with_key
from gateway.policy.problems import PolicyInvalid, Problem
from gateway.policy.upstream_secret import SecretMissing, read_secret

__all__ = [
    "Account",
    "AlertAddress",
    "FolderWatch",
    "Policy",
    "PolicyInvalid",
    "Principal",
    "Problem",
    "SecretMissing",
    "Stamp",
    "Tenant",
    "UpstreamKey",
    "load_policy",
    "read_address",
    "read_secret",
    "review_policy",
    "settled_stamp",
    "with_key",
]
