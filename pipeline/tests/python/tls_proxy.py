#!/usr/bin/env python3
"""Takes TLS connections and passes their content on to a plain TCP port.

    tls_proxy.py CERTIFICATE KEY HOST:PORT

Prints the port that it listens on, and runs until it is killed.
"""

import asyncio
import ssl
import sys


async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main(certificate, key, target):
    host, port = target.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(reader, writer):
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(f"listening on {server.sockets[0].getsockname()[1]};", flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
