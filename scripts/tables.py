#!/usr/bin/env python3
"""Writes small tables as people have them, with what pandas reads from each.

    python3 scripts/tables.py [FOLDER]        (default: target/tables)

FOLDER gets a file a table and `expected.json`: for each file the flags that our
reader is given, and either the columns that pandas reads with the right
arguments (a number as its 64 bits in hexadecimal, nothing as null), or what our
refusal must name. `shared/tests/tables.rs` holds the reader to it. The pins are
in model/tests/python/requirements.txt.
"""

import gzip
import io
import itertools
import json
import struct
import sys
from pathlib import Path

import pandas

# Numbers that a careless reader changes, missing cells (None), and a text with all that needs quotes.
AREA = [95.0, 1234.5, -0.1, 1e-7, 1234567.89, 0.1, 33.333333333333336, 2.5]
ROOMS = [4, 3, None, 12, 1, 0, 7, -2]
NOTE = ["flat, no. 1", "a; b", "tab\there", 'say "hello"', "two\nlines", "größer €", "", "x|y"]
PRICE = [4473.06, 5467.5, 4954.19, 0.5, 123456789.125, 3.0, 1.7976931348623157e308, 5e-324]

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16-le-mark", "utf-16-be-mark", "utf-16-le", "utf-16-be", "cp1252"]
LINE_ENDS = ["\n", "\r\n", "\r"]


def written(number, decimal, thousands):
    """A number as people write it."""
    if number is None or isinstance(number, str):
        return number
    text = repr(number)
    if thousands and "e" not in text:
        whole, point, rest = text.partition(".")
        text = f"{int(whole):,}".replace(",", "\0") + point + rest
        if whole == "-0":
            text = "-0" + point + rest
    return text.replace(".", decimal).replace("\0", thousands)


def quoted(text, separator, everything):
    needs = any(mark in text for mark in (separator, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if everything or needs else text


def encoded(text, encoding):
    marks = {"utf-16-le-mark": b"\xff\xfe", "utf-16-be-mark": b"\xfe\xff"}
    return marks.get(encoding, b"") + text.encode(encoding.removesuffix("-mark"))


def table(separator=",", decimal=".", thousands="", encoding="utf-8", end="\n", missing="", everything=False,
          before="", index=False, packed=False, empty_lines=False):
    """The bytes of a table."""
    names = ["area", "rooms", "note", "price"]
    rows = [list(row) for row in zip(AREA, ROOMS, NOTE, PRICE)]
    if index:
        names = [""] + names
        rows = [[str(at)] + row for at, row in enumerate(rows)]
    lines = [separator.join(quoted(name, separator, everything) for name in names)]
    for row in rows:
        cells = [missing if cell is None else written(cell, decimal, thousands) for cell in row]
        lines.append(separator.join(quoted(cell, separator, everything) for cell in cells))
    gap = end * 2 if empty_lines else end
    data = encoded(before.replace("\n", end) + gap.join(lines) + end, encoding)
    if packed:
        # Two members, as `cat a.gz b.gz` gives.
        data = gzip.compress(data[:40], mtime=0) + gzip.compress(data[40:], mtime=0)
    return data


def read(data, separator=",", decimal=".", thousands="", encoding="utf-8", end="\n", missing="", before="", packed=False, **_):
    """What pandas reads with the right arguments."""
    text = (gzip.decompress(data) if packed else data).decode(encoding.removesuffix("-mark"))
    text = text.removeprefix("\ufeff")
    if not thousands.isascii():
        # Which pandas takes for none; nothing else in these tables has one.
        text, thousands = text.replace(thousands, ""), ""
    frame = pandas.read_csv(
        io.StringIO(text, newline=""), sep=separator, decimal=decimal, thousands=thousands or None,
        skiprows=before.count("\n"), na_values=[missing], engine="c",
        lineterminator="\r" if end == "\r" else None,
    )
    return {name: [bits(value) for value in frame[name]] for name in ("area", "rooms", "price")}


def bits(number):
    return None if pandas.isna(number) else struct.pack(">d", float(number)).hex()


def good():
    """Name, arguments of `table`, and flags beyond those that all have."""
    for separator, decimal in itertools.product(SEPARATORS, ".,"):
        yield f"{SEPARATORS[separator]}-{'point' if decimal == '.' else 'comma'}", dict(separator=separator, decimal=decimal)
    for encoding, end in itertools.product(ENCODINGS, LINE_ENDS):
        name = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[end]
        yield f"{encoding}-{name}", dict(separator=";", decimal=",", encoding=encoding, end=end)
    for at, missing in enumerate(MISSING):
        yield f"missing-{at}", dict(missing=missing, everything=at % 2 == 1)
    for name, decimal, thousands in [
        ("german", ",", "."), ("english", ".", ","), ("french", ",", "\u202f"), ("no-break", ",", "\u00a0"), ("swiss", ".", "'"),
    ]:
        yield f"thousands-{name}", dict(separator=";", decimal=decimal, thousands=thousands)
    yield "thousands-quoted", dict(thousands=",")
    yield "quoted-all", dict(everything=True, end="\r\n")
    yield "sep-line", dict(separator=";", decimal=",", before="sep=;\n", end="\r\n")
    yield "comments", dict(separator="\t", before="# made by hand\n# in 2024\n")
    yield "empty-lines", dict(empty_lines=True)
    yield "index", dict(index=True)
    yield "index-german", dict(index=True, separator=";", decimal=",", encoding="cp1252", end="\r\n")
    yield "gzip", dict(packed=True)
    yield "gzip-utf-16", dict(packed=True, encoding="utf-16-le-mark", separator="\t", end="\r\n")


def parquet():
    """The beginning of a Parquet file: no library of it is installed for the tests."""
    return b"PAR1\x15\x04\x15\x10\x15\x14\x4c\x15\x02\x15\x00\x12\x00\x00" + bytes(64) + b"PAR1"


def workbook():
    import zipfile
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"):
            archive.writestr(zipfile.ZipInfo(name), "<xml/>")
    return data.getvalue()


def database(folder):
    import sqlite3
    path = folder / "database.tmp"
    with sqlite3.connect(path) as connection:
        connection.execute("create table flats (area real, price real)")
    connection.close()
    data = path.read_bytes()
    path.unlink()
    return data


def refused(folder):
    """Name, bytes, flags, and what the refusal must say: the kind, then the way out."""
    plain = table()
    doubtful = b"area;price\n1,234;2\n1,235;3\n"
    yield "parquet", parquet(), "", ["Parquet", "read_parquet", "to_csv"]
    yield "workbook", workbook(), "", ["Excel", "CSV"]
    yield "xls", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64), "", ["Excel", "CSV"]
    yield "database", database(folder), "", ["SQLite", "sqlite3 -header -csv"]
    yield "page", b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "", ["HTML", "download"]
    yield "json", b'[{"area": 1, "price": 2}]\n', "", ["JSON", "CSV"]
    yield "empty", b"", "", ["empty"]
    yield "no-header", b"95.0,4,4473.06\n127.7,3,5467.16\n", "", ["no header", "names"]
    yield "broken-gzip", gzip.compress(plain * 50, mtime=0)[:-60], "--drop note --missing drop", ["gzip", "ends early"]
    yield "ambiguous", doubtful, "", ["line 2", "1,234", "--decimal"]
    yield "missing", plain, "--drop note", ["line 4", "column rooms", "1 row", "--missing drop", "--missing mean", "--drop rooms"]
    yield "text", b"area,city,price\n1,Oslo,2\n", "", ["line 2", "column city", "--drop city", "--one-hot city"]
    yield "date", b"area,when,price\n1,2024-05-06,2\n", "", ["column when", "date", "--drop when"]
    yield "large-whole", b"order,area,price\n9007199254740993,1,2\n", "", ["column order", "2^53", "--id order", "--drop order"]
    yield "infinite", b"area,price\n1,2\ninf,2\n", "", ["line 3", "column area", "finite"]
    yield "ragged", b"area,rooms,price\n1,2,3\n\n4,5\n", "", ["line 4", "2 cells", "3"]
    yield "twice", b"area,area,price\n1,2,3\n", "", ["area", "twice", "--drop area"]
    yield "no-name", b",area,price\n17,2,3\n5,3,4\n", "", ["no name", '--drop ""', '--id ""']
    yield "no-target", b"area;cost\n1;2\n", "", ["price", "area, cost"]
    yield "open-quote", b'area,price\n1,"2\n3,4\n', "", ["line 2", "quote"]
    yield "wrong-separator", b"area;price\n1;2\n", "--separator ,", ["--separator semicolon"]
    yield "not-utf-8", "area,größe,price\n1,2,3\n".encode() + b"4,\xf6,6\n", "", ["line 3", "UTF-8"]


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "target/tables")
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for name, how in good():
        data = table(**how)
        (folder / f"{name}.csv").write_bytes(data)
        flags = ["--target", "price", "--drop", "note", "--missing", "mean"]
        tables.append({"file": f"{name}.csv", "flags": flags, "columns": read(data, **how)})
    for name, data, flags, says in refused(folder):
        (folder / f"refused-{name}").write_bytes(data)
        tables.append({"file": f"refused-{name}", "flags": ["--target", "price", *flags.split()], "says": says})
    (folder / "expected.json").write_text(json.dumps(tables, indent=1, ensure_ascii=False))
    print(f"{len(tables)} tables in {folder}")


if __name__ == "__main__":
    main()
