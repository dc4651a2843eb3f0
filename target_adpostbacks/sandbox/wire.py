"""Sends an answer as it is, or spoiled as a fault says."""

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator

from aiohttp import web

from target_adpostbacks.sandbox.faults import Fault
from target_adpostbacks.sandbox.network import Answer

CHUNK = 1 << 16


def reset(request: web.Request) -> web.StreamResponse:
    """Ends the connection with a reset; what is returned goes nowhere."""
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def send(request: web.Request, answer: Answer, fault: Fault) -> web.StreamResponse:
    """Answers the request; the response is complete when this returns."""
    body, kind = encoded(answer)
    headers = {**answer.headers, "Content-Type": kind}
    if fault.body_bytes:
        headers |= {"Content-Encoding": "gzip"} if fault.gzip else {}
        return await stream(request, answer.status, headers, padded(body, fault))
    if fault.drip_seconds_per_byte:
        return await stream(request, answer.status, headers, dripping(body, fault.drip_seconds_per_byte), len(body))
    if fault.truncated:
        response = await stream(request, answer.status, headers, once(body[: len(body) // 2]), len(body))
        if request.transport is not None:
            request.transport.close()
        return response
    return web.Response(status=answer.status, headers=headers, body=body)


def encoded(answer: Answer) -> tuple[bytes, str]:
    if answer.body is None:
        return b"", "text/plain"
    if isinstance(answer.body, str):
        return answer.body.encode(), "text/html" if answer.body.startswith("<") else "text/plain"
    return json.dumps(answer.body).encode(), "application/json"


async def stream(
    request: web.Request,
    status: int,
    headers: dict[str, str],
    chunks: AsyncIterator[bytes],
    length: int | None = None,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = length
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    return response


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def dripping(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for at in range(len(body)):
        await asyncio.sleep(seconds)
        yield body[at : at + 1]


async def padded(body: bytes, fault: Fault) -> AsyncIterator[bytes]:
    """The answer behind so much white space that it is ``body_bytes`` long: still good JSON."""
    squeeze = zlib.compressobj(wbits=31) if fault.gzip else None
    left = max(fault.body_bytes - len(body), 0)
    while left:
        chunk = b" " * min(left, CHUNK)
        left -= len(chunk)
        yield squeeze.compress(chunk) if squeeze else chunk
    yield squeeze.compress(body) + squeeze.flush() if squeeze else body
