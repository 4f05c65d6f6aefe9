"""The secret: the operator's, else made once where all that share a store find it."""

import argparse
import stat
from pathlib import Path

import pytest
from ledger.place import Place
from redis.asyncio import Redis

from gateway.cli.secret import find_secret
from gateway.ledger.store import connect
from gateway.settings import SettingInvalid, Settings, read_settings

GOOD = "0123456789abcdef" * 4


def settings(data_dir: Path, **more: str) -> Settings:
    return read_settings(argparse.Namespace(data_dir=str(data_dir), **more), {})


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def find(data_dir: Path, environ: dict[str, str], place: Place, *, external: bool = False) -> tuple[str, ...]:
    store = connect(place.url)
    try:
        more = {"redis_url": place.url} if external else {}
        return (await find_secret(settings(data_dir, **more), environ, store)).texts
    finally:
        await store.aclose()


async def test_without_one_it_is_made_in_the_data_directory_for_this_user_alone_and_kept(
    tmp_path: Path, place: Place
) -> None:
    first = await find(tmp_path / "data", {}, place)
    assert await find(tmp_path / "data", {}, place) == first
    assert await find(tmp_path / "other", {}, place) != first
    (made,) = (tmp_path / "data").iterdir()
    assert (made.name, stat.S_IMODE(made.stat().st_mode)) == ("gateway.secret", 0o600)
    assert (made.read_text().strip(),) == first
    assert len(first[0]) == 64


async def test_hosts_that_share_an_external_store_share_the_secret_that_the_first_of_them_made(
    tmp_path: Path, place: Place, redis: Redis
) -> None:
    hosts = [await find(tmp_path / name, {}, place, external=True) for name in ("one", "two")]
    assert hosts[0] == hosts[1]
    assert files_in(tmp_path) == []
    await redis.flushall()
    assert await find(tmp_path / "one", {}, place, external=True) != hosts[0]


@pytest.mark.parametrize("external", [False, True])
async def test_the_operators_own_is_taken_and_none_is_made(
    tmp_path: Path, place: Place, redis: Redis, external: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{GOOD}\n{'b' * 32}\n")
    given = await find(tmp_path, {"GATEWAY_SECRET": GOOD}, place, external=external)
    from_file = await find(tmp_path, {"GATEWAY_SECRET_FILE": str(file)}, place, external=external)
    assert (given, from_file) == ((GOOD,), (GOOD, "b" * 32))
    assert files_in(tmp_path) == [file]
    assert await redis.keys("gateway:secret") == []


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"GATEWAY_SECRET": "short"}, "GATEWAY_SECRET: a secret has at least 32 characters"),
        ({"GATEWAY_SECRET": f"{GOOD} short"}, "GATEWAY_SECRET: a secret has at least"),
        ({"GATEWAY_SECRET_FILE": "empty"}, "GATEWAY_SECRET_FILE: a secret has at least"),
        ({"GATEWAY_SECRET_FILE": "missing"}, "GATEWAY_SECRET_FILE: No such file"),
        ({"GATEWAY_SECRET_FILE": "binary"}, "GATEWAY_SECRET_FILE: "),
        ({"GATEWAY_SECRET": GOOD, "GATEWAY_SECRET_FILE": "empty"}, "are both set"),
    ],
)
async def test_one_that_cannot_be_used_is_refused_by_its_variable_and_not_shown(
    tmp_path: Path, place: Place, environ: dict[str, str], said: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    environ = {name: str(tmp_path / text) if name.endswith("FILE") else text for name, text in environ.items()}
    with pytest.raises(SettingInvalid) as caught:
        await find(tmp_path, environ, place)
    assert said in str(caught.value)
    assert GOOD not in str(caught.value)


async def test_a_gateway_with_another_secret_on_the_same_store_is_told(
    tmp_path: Path, place: Place, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    for given in (GOOD, GOOD, f"{'b' * 32} {GOOD}", "b" * 32):
        await find(tmp_path, {"GATEWAY_SECRET": given}, place, external=True)
    assert caplog.text == ""
    await find(tmp_path, {"GATEWAY_SECRET": GOOD}, place, external=True)
    assert "another GATEWAY_SECRET was in use" in caplog.text
    assert GOOD not in f"{caplog.text} {await redis.get('gateway:secret:mark')!r}"
