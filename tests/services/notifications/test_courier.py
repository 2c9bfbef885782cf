"""One connection against servers that answer by a script: the verdict, and whether it stays open."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from services.notifications.courier import Courier, MailServer, MailServerAway
from services.notifications.verdicts import BROKEN, UNKNOWN, Verdict

pytestmark = pytest.mark.asyncio
ACCEPTED = Verdict("accepted", 250)
GOOD = {
    b"EHLO": "250-x\r\n250-PIPELINING\r\n250 8BITMIME",
    b"MAIL": "250 ok",
    b"RCPT": "250 ok",
    b"DATA": "354 go on",
    b".": "250 kept",
    b"RSET": "250 ok",
    b"QUIT": "221 bye",
}
PLAIN = {b"EHLO": "250 x"}


class Server:
    """Answers each verb with its line; an empty line means that it hangs up."""

    def __init__(self, answers: Mapping[bytes, str]) -> None:
        self.answers = {**GOOD, **answers}
        self.heard: list[bytes] = []
        #: What came in one piece.
        self.pieces: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        pending, in_data = b"", False
        while piece := await reader.read(65536):
            self.pieces.append(piece)
            *lines, pending = (pending + piece).split(b"\r\n")
            for line in lines:
                if in_data and line != b".":
                    continue
                verb = line[:4] if line != b"." else b"."
                self.heard.append(verb)
                answer = self.answers[verb]
                in_data = verb == b"DATA" and answer.startswith("354")
                if not answer:
                    return writer.close()
                writer.write(answer.encode() + b"\r\n")
                if answer.startswith("421"):
                    return writer.close()
        writer.close()


@asynccontextmanager
async def told(answers: Mapping[bytes, str]) -> AsyncIterator[tuple[Server, Courier]]:
    """A server with these answers, and a courier that is connected to it."""
    server = Server(answers)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        courier = Courier(MailServer("127.0.0.1", port, "none"), "us@x.example", 5, 5)
        await courier.connect()
        yield server, courier
        await courier.close()


async def send(courier: Courier) -> Verdict:
    return await courier.deliver("ada@x.example", b"Subject: x\r\n\r\n.\r\nbody\r\n")


async def test_commands_go_out_in_one_group_where_the_server_takes_groups() -> None:
    async with told({}) as (server, courier):
        assert [await send(courier), await send(courier)] == [ACCEPTED] * 2
        group = b"MAIL FROM:<us@x.example>\r\nRCPT TO:<ada@x.example>\r\nDATA\r\n"
        assert server.pieces.count(group) == 2
        assert server.pieces.count(b"Subject: x\r\n\r\n..\r\nbody\r\n.\r\n") == 2


async def test_commands_go_out_one_by_one_where_it_does_not() -> None:
    async with told(PLAIN) as (server, courier):
        assert [await send(courier), await send(courier)] == [ACCEPTED] * 2
        assert b"RCPT TO:<ada@x.example>\r\n" in server.pieces
        assert server.heard[1:] == [b"MAIL", b"RCPT", b"DATA", b"."] * 2


@pytest.mark.parametrize("greeting", [{}, PLAIN])
@pytest.mark.parametrize(
    ("answers", "verdict", "stays"),
    [
        ({b"MAIL": "451 later", b"RCPT": "503 no", b"DATA": "503 no"}, Verdict("later", 451), True),
        ({b"RCPT": "550 nobody", b"DATA": "503 no recipient"}, Verdict("refused", 550), True),
        ({b"RCPT": "451-busy\r\n451 later", b"DATA": "554 no"}, Verdict("later", 451), True),
        ({b"DATA": "452 full"}, Verdict("later", 452), True),
        ({b"RCPT": "421 away"}, Verdict("later", 421), False),
        ({b"RCPT": "252 perhaps"}, BROKEN, False),
        ({b"DATA": "250 what"}, BROKEN, False),
        ({b"MAIL": "what"}, BROKEN, False),
        ({b"MAIL": ""}, BROKEN, False),
        ({b"DATA": ""}, BROKEN, False),
        ({b"RCPT": "550 nobody", b"DATA": "554 no", b"RSET": ""}, Verdict("refused", 550), False),
        ({b".": "554 spam"}, Verdict("refused", 554), True),
        ({b".": "421 away"}, Verdict("later", 421), False),
        ({b".": ""}, UNKNOWN, False),
        ({b".": "what"}, UNKNOWN, False),
        ({b".": "354 what"}, UNKNOWN, True),
    ],
)
async def test_what_the_server_says_becomes_a_verdict(
    answers: dict[bytes, str], verdict: Verdict, stays: bool, greeting: dict[bytes, str]
) -> None:
    async with told({**answers, **greeting}) as (server, courier):
        assert await send(courier) == verdict
        assert courier.connected is stays
        if stays:
            server.answers.update(GOOD)
            assert await send(courier) == ACCEPTED
        assert (b"." in server.heard) is (stays or b"." in answers)


async def test_no_mail_is_handed_in_for_a_refused_recipient() -> None:
    """A server may go on to DATA although nobody is left to get the mail (RFC 2920, 3.1)."""
    async with told({b"RCPT": "550 nobody"}) as (server, courier):
        assert await send(courier) == Verdict("refused", 550)
        assert not courier.connected
        assert b"." not in server.heard


@pytest.mark.parametrize("greeting", [{}, PLAIN])
@pytest.mark.parametrize("rest", [{b"RCPT": "503 no"}, {b"RCPT": ""}])
async def test_a_refused_sender_is_no_verdict_on_the_mail(
    rest: dict[bytes, str], greeting: dict[bytes, str]
) -> None:
    async with told({b"MAIL": "553 not you", b"DATA": "503 no", **rest, **greeting}) as (
        _,
        courier,
    ):
        with pytest.raises(MailServerAway, match="553 not you"):
            await send(courier)
        assert not courier.connected


async def test_silence_before_the_payload_is_no_unknown_end() -> None:
    async with told({}) as (server, courier):
        courier._command_timeout_s = 0.05
        server.answers[b"RCPT"] = server.answers[b"DATA"] = "250-and so on"
        assert await send(courier) == BROKEN
        assert not courier.connected


async def test_a_server_that_spoke_unasked_is_not_believed_later() -> None:
    """A stray line must not count as the reply to the next mail's payload."""
    async with told({b".": "250 kept\r\n250 stray"}) as (_, courier):
        assert await send(courier) == ACCEPTED
        assert await send(courier) == BROKEN
        assert not courier.connected
