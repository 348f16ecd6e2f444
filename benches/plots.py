#!/usr/bin/env python3
"""Draws the table of searches beside FAISS in RESULTS.md: `python3 benches/plots.py`.

Takes the first table under the heading "Current tables: AVX-512" and writes plots/codes.svg and
plots/radius.svg beside RESULTS.md. Standard library only.
"""
from pathlib import Path

from svg import chart

HERE = Path(__file__).resolve().parent
HEADING = "### Current tables: AVX-512"


def rows():
    lines = (HERE / "RESULTS.md").read_text(encoding="utf-8").split(HEADING)[1].splitlines()
    table = []
    for line in lines:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    for cells in table[2:]:
        name, codes, radius, _, ours, faiss = cells[:6]
        yield name, number(codes), int(radius), number(ours), number(faiss)


def number(cell):
    return float(cell.replace(",", ""))


def main():
    table = list(rows())

    def line(name, of):
        return sorted((codes, of(row)) for row in table for codes in [row[1]] if row[0] == name and row[2] == 31)

    series = [
        ("FAISS flat", line("single, no match", lambda row: row[4])),
        ("one at a time", line("single, no match", lambda row: row[3])),
        ("batch of 4,096", line("batch of 4,096, no match", lambda row: row[3])),
        ("batch of 65,536", line("batch of 65,536, no match", lambda row: row[3])),
    ]
    svg = chart("Exact search, radius 31", "codes of 256 bits", "µs per query", series, log_x=True, log_y=True)
    (HERE / "plots/codes.svg").write_text(svg, encoding="utf-8")

    single = [row for row in table if row[0].startswith("single") and row[0].endswith("no match")]
    most = max(row[1] for row in table)
    single = sorted((row[2], row[3], row[4]) for row in single if row[1] == most and "ed," not in row[0])
    series = [
        ("FAISS flat", [(radius, faiss) for radius, _, faiss in single]),
        ("one at a time", [(radius, ours) for radius, ours, _ in single]),
    ]
    svg = chart("Ten million codes", "radius, bits", "µs per query", series, log_y=True)
    (HERE / "plots/radius.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
