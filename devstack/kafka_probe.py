"""Ask a broker who it is, with nothing but a socket: no client, no retries, no noise in logs."""

import asyncio
import struct
from dataclasses import dataclass

from devstack.ports import HOST

_METADATA = 3
_VERSION = 2  # the first that tells the cluster id, and still without compact encodings
_LARGEST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class ClusterView:
    """What a broker says about its cluster."""

    cluster_id: str
    node_ids: tuple[int, ...]


async def ask(port: int, timeout_s: float = 2.0) -> ClusterView | None:
    """The view of the broker on this loopback port; None when no Kafka answers there in time."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                client = b"devstack"
                body = struct.pack(
                    f">hhih{len(client)}si", _METADATA, _VERSION, 1, len(client), client, 0
                )  # an empty list of topics: brokers only
                writer.write(struct.pack(">i", len(body)) + body)
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                if not 0 < size <= _LARGEST_ANSWER_BYTES:
                    return None
                return _parse(await reader.readexactly(size))
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error, UnicodeDecodeError):
        return None


def _parse(answer: bytes) -> ClusterView:
    offset = 4  # the correlation id

    def integer(layout: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from(layout, answer, offset)
        offset += struct.calcsize(layout)
        return int(value)

    def text() -> str:
        nonlocal offset
        length = max(0, integer(">h"))  # -1 stands for null
        offset += length
        return answer[offset - length : offset].decode()

    nodes = []
    for _ in range(integer(">i")):
        nodes.append(integer(">i"))
        text()  # host
        integer(">i")  # port
        text()  # rack
    return ClusterView(text(), tuple(nodes))
