import pytest
from policy_texts import ACCOUNT, Load

from gateway.policy import AlertAddress, SecretMissing, read_address
from gateway.policy.differences import differences

TREE = """
[[account.alert]]
url = "https://ops.example.com/alerts?token=t"
[[tenant]]
id = "group"
[[tenant.alert]]
url_env = "GROUP_ALERTS"
[[tenant]]
id = "acme"
parent = "group"
[[tenant.alert]]
url = "http://10.0.0.1:9093/alerts"
[[tenant]]
id = "other"
"""
OPS = AlertAddress("account/up", "https://ops.example.com/alerts?token=t", None)
GROUP = AlertAddress("tenant/group", None, "GROUP_ALERTS")
OWN = AlertAddress("tenant/acme", "http://10.0.0.1:9093/alerts", None)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("account/up", (OPS,)),
        ("tenant/other", (OPS,)),
        ("tenant/group", (GROUP, OPS)),
        ("tenant/acme", (OWN, GROUP, OPS)),
        ("tenant/acme/key/web", (OWN, GROUP, OPS)),
        ("tenant/gone", (OPS,)),
    ],
)
def test_an_alert_goes_to_its_tenant_its_parents_and_the_account(
    scope: str, expected: tuple[AlertAddress, ...], load: Load
) -> None:
    assert load(ACCOUNT + TREE).alert_addresses("up", scope) == expected


def test_an_address_may_be_in_a_variable_and_must_be_one() -> None:
    assert read_address(OPS, {}) == OPS.url
    assert (
        read_address(GROUP, {"GROUP_ALERTS": " https://hooks.example.com/x?y=z\n"})
        == "https://hooks.example.com/x?y=z"
    )
    for environ in ({}, {"GROUP_ALERTS": ""}, {"GROUP_ALERTS": "s3cret"}):
        with pytest.raises(SecretMissing) as caught:
            read_address(GROUP, environ)
        assert "GROUP_ALERTS" in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_changed_address_is_told_without_what_may_be_a_credential(load: Load) -> None:
    old, new = load(ACCOUNT + TREE), load(ACCOUNT + TREE.replace("ops.", "night.").replace("GROUP_", "TEAM_"))
    assert [f"{change.name}: {change.text}" for change in differences(old, new)] == [
        "up: alerts go to: https://ops.example.com/alerts → https://night.example.com/alerts",
        "acme: alerts go to: http://10.0.0.1:9093/alerts, $GROUP_ALERTS → http://10.0.0.1:9093/alerts, $TEAM_ALERTS",
        "group: alerts go to: $GROUP_ALERTS → $TEAM_ALERTS",
    ]
