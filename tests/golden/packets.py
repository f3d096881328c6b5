#!/usr/bin/env python3
"""Writes kite/golden/packets.json: packets and what the official Python client reads from them.

Run as `python3 tests/golden/packets.py > kite/golden/packets.json` where the packages `kiteconnect`
and `setuptools` are installed. The packets are laid out here, by hand, with `struct`, so that
neither side of the comparison comes from this project's codec.
"""
import json
import struct

from kiteconnect import KiteTicker

INDEX, NSE, NFO, CDS, BCD, MCX, NCO = 9, 1, 2, 3, 6, 7, 12


def token(exchange_token, segment):
    return exchange_token << 8 | segment


def level(quantity, price, orders):
    return struct.pack(">IiHxx", quantity, price, orders)


def quote(instrument, last, scale):
    """44 bytes: every field a different number, so that swapped fields cannot agree."""
    return struct.pack(
        ">IiIiIIIiiii", instrument, last, 25, last - 3 * scale, 1234567, 4321, 8765,
        last - 20 * scale, last + 50 * scale, last - 70 * scale, last - 10 * scale)


def full(instrument, last, scale):
    depth = b"".join(level(100 + i, last - (i + 1) * scale, 1 + i) for i in range(5))
    depth += b"".join(level(200 + i, last + (i + 1) * scale, 11 + i) for i in range(5))
    return quote(instrument, last, scale) + struct.pack(
        ">IIIII", 1764559800, 987654, 999999, 900001, 1764559801) + depth


def index_quote(instrument, last):
    high, low, opened, close = last + 90, last - 80, last - 7, last - 12
    return struct.pack(">Iiiiiii", instrument, last, high, low, opened, close, last - close)


CASES = {
    "ltp NSE": struct.pack(">Ii", token(1594, NSE), 157370),
    "ltp CDS": struct.pack(">Ii", token(1004, CDS), 893725000),
    "ltp BCD": struct.pack(">Ii", token(2004, BCD), 893725),
    "ltp NCO": struct.pack(">Ii", token(164027, NCO), 84940000),
    "ltp index": struct.pack(">Ii", token(1001, INDEX), 2613545),
    "index quote": index_quote(token(1001, INDEX), 2613545),
    "index full": index_quote(token(1017, INDEX), 1345) + struct.pack(">I", 1764559802),
    "quote NFO": quote(token(47164, NFO), 25015, 5),
    "quote CDS": quote(token(1004, CDS), 893725000, 25000),
    "quote BCD": quote(token(2004, BCD), 893725, 25),
    "full NFO": full(token(47164, NFO), 25015, 5),
    "full CDS": full(token(1004, CDS), 893725000, 25000),
    "full BCD": full(token(2004, BCD), 893725, 25),
    "full MCX": full(token(2522, MCX), 611200, 100),
    "quote NCO": quote(token(121611, NCO), 3782000, 500),
    "full NCO": full(token(121832, NCO), 2916000, 1000),
}


def parse(packet):
    ticker = KiteTicker("key", "token")
    frame = struct.pack(">HH", 1, len(packet)) + packet
    (tick,) = ticker._parse_binary(frame)
    for field in ("exchange_timestamp", "last_trade_time"):
        if field in tick:
            tick[field] = int(tick[field].timestamp())
    tick.pop("change", None)
    return tick


print(json.dumps([{"case": name, "packet": packet.hex(), "parsed": parse(packet)}
                  for name, packet in CASES.items()], indent=1))
