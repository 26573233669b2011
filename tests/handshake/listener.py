"""A subscriber beside a row of the suite: which messages were published, and that no other was."""
import asyncio

from case import KEY

END = b"that was all"
MASKED_END = b"\x81" + bytes([0x80 | len(END)]) + bytes(4) + END  # as text, with a mask of zeros


class Listener:
    """Subscribes to a topic while it is entered. `patience`: s that anything may take."""

    def __init__(self, address, topic, patience):
        self.address, self.topic, self.patience = address, topic, patience

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(*self.address), self.patience)
        self.writer.write(f"GET /topic/{self.topic} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), self.patience)
        if not head.startswith(b"HTTP/1.1 101 "):
            self.writer.close()
            raise OSError(f"no subscriber: {head!r}")
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def messages(self):
        """All that were published up to now, as (opcode, payload): what this subscriber itself says comes back behind them."""
        self.writer.write(MASKED_END)
        messages = []
        while not messages or messages[-1][1] != END:
            messages.append(await asyncio.wait_for(self.frame(), self.patience))
        return messages[:-1]

    async def frame(self):
        first, count = await self.reader.readexactly(2)
        if count >= 126:
            count = int.from_bytes(await self.reader.readexactly(2 if count == 126 else 8), "big")
        return first & 15, await self.reader.readexactly(count)
