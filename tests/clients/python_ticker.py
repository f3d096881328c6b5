#!/usr/bin/env python3
"""Streams with Zerodha's own Python client, unmodified, and prints what it decoded.

Needs `pip install kiteconnect setuptools`. One process per run: the client's reactor cannot be
started twice.

    python_ticker.py --root ws://127.0.0.1:7070 --ticks 20 408065=full 256265=quote

Prints JSON lines, in order: {"event": "connect"}, {"event": "ticks", "ticks": [...]}, {"event":
"text", "data": ...}, {"event": "error" | "close", "code": ..., "reason": ...}. Ends with status 0
after the asked number of ticks, with 1 after --timeout seconds.
"""

import argparse
import json
import os
import sys
import threading

from kiteconnect import KiteTicker


def emit(event, **members):
    print(json.dumps({"event": event, **members}, default=str), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", required=True, help="ws://HOST:PORT")
    parser.add_argument("--api-key", default="client")
    # As the client sends it: not escaped.
    parser.add_argument("--access-token", default="AT+/=")
    parser.add_argument("--ticks", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("subscriptions", nargs="+", metavar="TOKEN=MODE")
    return parser.parse_args()


def main():
    args = arguments()
    by_mode = {}
    for subscription in args.subscriptions:
        token, mode = subscription.split("=")
        by_mode.setdefault(mode, []).append(int(token))
    left = args.ticks
    ticker = KiteTicker(args.api_key, args.access_token, root=args.root)

    def on_connect(socket, _response):
        emit("connect")
        for mode, tokens in by_mode.items():
            socket.subscribe(tokens)
            socket.set_mode(mode, tokens)

    def on_ticks(_socket, ticks):
        nonlocal left
        emit("ticks", ticks=ticks)
        left -= len(ticks)
        if left <= 0:
            os._exit(0)

    def on_message(_socket, payload, is_binary):
        if not is_binary:
            emit("text", data=json.loads(payload))

    def expire():
        emit("timeout")
        os._exit(1)

    ticker.on_connect = on_connect
    ticker.on_ticks = on_ticks
    ticker.on_message = on_message
    ticker.on_error = lambda _socket, code, reason: emit("error", code=code, reason=reason)
    ticker.on_close = lambda _socket, code, reason: emit("close", code=code, reason=reason)
    timer = threading.Timer(args.timeout, expire)
    timer.daemon = True
    timer.start()
    ticker.connect()


if __name__ == "__main__":
    sys.exit(main())
