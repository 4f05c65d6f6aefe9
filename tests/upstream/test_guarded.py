"""The connection that is made: to the address that was checked, for the name that was asked for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import pytest
import trustme

from gateway.upstream.client import NotSent, Outgoing
from gateway.upstream.guarded import PublicTransport
from gateway.upstream.httpx_client import HttpxUpstream
from gateway.upstream.public import NotPublic

from .conftest import Server, Start, Visit

HERE = "127.0.0.1"


class Names:
    """A name server whose every answer is the next in line; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


Client = Callable[..., HttpxUpstream]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made: list[HttpxUpstream] = []

    def make(**arguments: object) -> HttpxUpstream:
        made.append(HttpxUpstream(PublicTransport(**arguments)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def get(url: str) -> Outgoing:
    return Outgoing("GET", url, [], answer_seconds=10.0)


async def polite(visit: Visit) -> None:
    while True:
        await visit.request()
        await visit.answer(b"hello")


def port_of(server: Server) -> str:
    return server.url.rpartition(":")[2]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["::ffff:8.8.8.8"], ["169.254.169.254"]]
)
async def test_a_name_with_any_address_that_is_not_public_is_not_contacted(
    client: Client, addresses: list[str]
) -> None:
    with pytest.raises(NotPublic, match=r"images\.example has an address that is not public") as refused:
        await client(resolve=Names(addresses)).send(get("https://images.example/a.png"))
    assert not any(address in str(refused.value) for address in addresses)  # no word of what the network has inside


async def test_a_name_that_changes_after_the_check_changes_nothing(client: Client, start: Start) -> None:
    server = await start(polite)
    names = Names([HERE], ["192.0.2.1"])  # the second answer would lead elsewhere
    answer = await client(allowed=[f"images.example:{port_of(server)}"], resolve=names).send(
        get(f"http://images.example:{port_of(server)}/a.png")
    )
    assert answer.body == b"hello"
    assert names.asked == ["images.example"]
    assert f"host: images.example:{port_of(server)}".encode() in bytes(server.heard).lower()


async def test_a_name_is_judged_anew_at_every_request(client: Client, start: Start) -> None:
    server = await start(polite)
    names = Names(["192.0.2.1"], [HERE])
    guarded = client(resolve=names)
    for _ in range(2):
        with pytest.raises(NotPublic):
            await guarded.send(get("https://images.example/"))
    assert len(names.asked) == 2 and not server.visits


async def test_an_address_in_the_url_is_refused_before_any_name_is_asked(client: Client, start: Start) -> None:
    server, names = await start(polite), Names([HERE])
    for host in (HERE, "2130706433", "localhost", "[::ffff:127.0.0.1]"):
        with pytest.raises(NotPublic):
            await client(resolve=names).send(get(f"https://{host}:{port_of(server)}/"))
    assert not names.asked and not server.visits


async def test_the_systems_own_resolver_is_used_where_none_is_given(client: Client, start: Start) -> None:
    server = await start(polite)
    answer = await client(allowed=[f"localhost:{port_of(server)}"]).send(get(f"http://localhost:{port_of(server)}/"))
    assert answer.status == 200
    with pytest.raises(NotSent, match="has no address"):
        await client(allowed=["x.invalid:80"]).send(get("http://x.invalid/"))


async def test_a_redirect_is_not_followed(client: Client, start: Start) -> None:
    async def redirecting(visit: Visit) -> None:
        await visit.request()
        await visit.answer(head=b"location: http://127.0.0.1:1/\r\n", status=b"302 Found")

    server = await start(redirecting)
    answer = await client(allowed=[f"127.0.0.1:{port_of(server)}"]).send(get(server.url))
    assert answer.status == 302


async def test_a_hop_of_a_client_that_follows_redirects_is_judged_anew(start: Start) -> None:
    inside = await start(polite)

    async def redirecting(visit: Visit) -> None:
        await visit.request()
        await visit.answer(head=f"location: {inside.url}/secret\r\n".encode(), status=b"302 Found")

    server = await start(redirecting)
    transport = PublicTransport([f"127.0.0.1:{port_of(server)}"])
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as following:
        with pytest.raises(NotPublic):
            await following.get(server.url)
    assert server.visits == 1 and not inside.visits


async def test_the_next_address_is_tried_where_one_takes_no_connection(client: Client, start: Start) -> None:
    server = await start(polite)
    allowed = [f"images.example:{port_of(server)}"]
    answer = await client(allowed=allowed, resolve=Names(["127.0.0.2", HERE])).send(
        get(f"http://images.example:{port_of(server)}/")
    )
    assert answer.body == b"hello"
    with pytest.raises(NotSent):
        await client(allowed=allowed, resolve=Names([])).send(get(f"http://images.example:{port_of(server)}/"))


async def test_no_connection_is_kept_for_another_name_at_the_same_address(client: Client, start: Start) -> None:
    server = await start(polite)
    port = port_of(server)
    guarded = client(allowed=[f"a.example:{port}", f"b.example:{port}"], resolve=Names([HERE]))
    for name in ("a.example", "b.example"):
        assert (await guarded.send(get(f"http://{name}:{port}/"))).status == 200
    assert server.visits == 2


@pytest.fixture
async def tls() -> AsyncIterator[tuple[int, ssl.SSLContext, list[str | None]]]:
    """A TLS server that is images.example: its port, the trust of a client, the names asked for."""
    authority, asked = trustme.CA(), []
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("images.example").configure_cert(server_side)
    server_side.sni_callback = lambda _socket, name, _context: asked.append(name)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Visit(reader, writer).request()
        await Visit(reader, writer).answer(b"hello")
        writer.close()

    listener = await asyncio.start_server(serve, HERE, 0, ssl=server_side)
    yield listener.sockets[0].getsockname()[1], trust, asked
    listener.close()


async def test_tls_asks_for_and_verifies_the_name_and_not_the_address(
    client: Client, tls: tuple[int, ssl.SSLContext, list[str | None]]
) -> None:
    port, trust, asked = tls
    allowed = [f"images.example:{port}", f"other.example:{port}"]
    guarded = client(allowed=allowed, resolve=Names([HERE]), verify=trust)
    assert (await guarded.send(get(f"https://images.example:{port}/"))).body == b"hello"
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        await guarded.send(get(f"https://other.example:{port}/"))
    assert asked == ["images.example", "other.example"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    client: Client, tls: tuple[int, ssl.SSLContext, list[str | None]]
) -> None:
    port, _, _ = tls
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        await client(allowed=[f"images.example:{port}"], resolve=Names([HERE])).send(
            get(f"https://images.example:{port}/")
        )
