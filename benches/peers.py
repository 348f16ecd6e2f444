#!/usr/bin/env python3
"""Exact 256-bit Hamming range search: leakprint beside FAISS on the same raw codes.

    pip install numpy faiss-cpu blake3
    cargo build --release --example leakprint
    python3 benches/peers.py [--n 100000,1000000,10000000] [--rows REGEX] [--repeats 3]

One thread, processor time (wall time if the system does not report it). For
each row both programs run in turn, `--repeats` times, and the medians are compared;
results are checked to be the same by number of pairs and, where pairs are found, by
the digest of query, code and distance. The set is saved once and searched three
ways: as it was built, mapped (with its pages in memory) and loaded.
FAISS answers single queries one call each, batches in one call of as many
queries as fit into a few seconds. `--rows` takes the rows whose text it is found in,
`--forms` some of built,mapped,loaded (building ten million takes its time), `--threads` compares two threads with one in place of FAISS. Prints a table in
Markdown.
"""
import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

try:
    from blake3 import blake3 as _blake3

    blake3 = lambda data: _blake3(data).hexdigest()
except ImportError:  # Then only the numbers of pairs are compared.
    blake3 = None

faiss.omp_set_num_threads(1)
TRIPLE = np.dtype([("query", "<u4"), ("code", "<u4"), ("distance", "<u2")])
ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/examples/leakprint"


def flip(codes, bits, rng):
    """Turns so many different bits of every row."""
    out = np.unpackbits(codes, axis=1)
    order = np.argsort(rng.random((len(codes), 256), dtype=np.float32), axis=1)[:, :bits]
    out[np.arange(len(codes))[:, None], order] ^= 1
    return np.packbits(out, axis=1)


def make(kind, n, rng):
    if kind == "uniform":
        return rng.integers(0, 256, size=(n, 32), dtype=np.uint8)
    if kind == "clustered":
        # Three in ten in clusters of twenty, up to 40 bits around; one in fifty a repeated code.
        centres = rng.integers(0, 256, size=(max(1, n * 3 // 200), 32), dtype=np.uint8)
        members = centres[rng.integers(0, len(centres), size=n * 3 // 10)]
        for bits in range(1, 41):
            rows = np.arange(bits, len(members), 41)
            members[rows] = flip(members[rows], bits, rng)
        repeated = centres[rng.integers(0, min(16, len(centres)), size=n // 50)]
        single = rng.integers(0, 256, size=(n - len(members) - len(repeated), 32), dtype=np.uint8)
        codes = np.concatenate([members, repeated, single])
        rng.shuffle(codes, axis=0)
        return codes
    if kind == "skewed":
        # Bits of unequal chance, dependent within groups of eight.
        out = np.empty((n, 32), np.uint8)
        limits = rng.uniform(-0.5, 0.5, size=256).astype(np.float32)
        for start in range(0, n, 200_000):
            rows = min(200_000, n - start)
            shared = np.repeat(rng.standard_normal((rows, 32), dtype=np.float32), 8, axis=1)
            own = rng.standard_normal((rows, 256), dtype=np.float32)
            out[start : start + rows] = np.packbits(0.6 * shared + 0.8 * own < limits, axis=1)
        return out
    raise SystemExit(kind)


class Faiss:
    def __init__(self, codes):
        self.index = faiss.IndexBinaryFlat(256)
        self.index.add(codes)

    def run(self, queries, radius, single):
        """Microseconds a query, the pairs found and their digest."""
        found = []
        start = time.process_time()
        for batch in np.split(queries, len(queries)) if single else [queries]:
            found.append(self.index.range_search(batch, radius + 1))
        us = (time.process_time() - start) * 1e6 / len(queries)
        triples = np.zeros(sum(len(codes) for _, _, codes in found), TRIPLE)
        at = first = 0
        for limits, distances, codes in found:
            end = at + len(codes)
            triples["query"][at:end] = first + np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64)))
            triples["code"][at:end], triples["distance"][at:end] = codes, distances
            at, first = end, first + len(limits) - 1
        triples.sort(order=["query", "code"])
        return us, len(triples), blake3(triples.tobytes()) if blake3 else None


def leakprint(folder, queries, radius, engine, source, threads=1):
    (folder / "queries").write_bytes(queries.tobytes())
    command = [PROGRAM, "search-codes", *source, "--queries", folder / "queries"]
    command += ["--radius", str(radius), "--engine", engine, "--threads", str(threads)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def seconds(line, what):
    return line[f"{what}_cpu_s"] or line[f"{what}_s"]


class Data:
    """One set of codes in a folder, saved once for all rows."""

    def __init__(self, kind, n, folder):
        self.rng = np.random.default_rng([n, len(kind)])
        self.kind, self.n, self.folder = kind, n, folder
        self.codes = make(kind, n, self.rng)
        (folder / "codes").write_bytes(self.codes.tobytes())
        (folder / "set").unlink(missing_ok=True)
        self.raw = ["--codes", folder / "codes"]
        self.saved = ["--open", folder / "set"]
        self.peer = Faiss(self.codes)

    def copies(self, count):
        return flip(self.codes[:count], 24, self.rng)

    def save(self):
        if not (self.folder / "set").exists():
            none = np.empty((0, 32), np.uint8)
            leakprint(self.folder, none, 0, "mih", [*self.raw, "--save", self.folder / "set"])


def row(data, name, queries, radius, repeats, single, engine, forms):
    # FAISS scans every code: a few queries suffice to time it; ours needs all of them.
    n = data.n
    few = queries[: max(4, min(len(queries), int((2e9 if single else 4e9) / n)))]
    sources = {"built": data.raw}
    if engine != "scan":
        data.save()
        sources |= {"mapped": [*data.saved, "--warm"], "loaded": [*data.saved, "--load"]}
        sources = {form: sources[form] for form in forms}
    theirs, ours, builds, digests = [], {form: [] for form in sources}, [], set()
    for _ in range(repeats):
        us, pairs, digest = data.peer.run(few, radius, single)
        theirs.append(us)
        for form, source in sources.items():
            line = leakprint(data.folder, queries, radius, engine, source)
            ours[form].append(seconds(line, "search") * 1e6 / len(queries))
            digests.add(line["digest"])
            size, used = line["bytes_per_code"], line["engine"]
            if form == "built":
                builds.append(n / seconds(line, "build") / 1e6)
    check = leakprint(data.folder, few, radius, engine, list(sources.values())[-1])
    assert check["pairs"] == pairs, (name, n, check, pairs)
    assert digest in (None, check["digest"]), (name, n)
    assert len(digests) == 1, (name, n, digests)
    theirs = statistics.median(theirs)
    mine = {form: statistics.median(times) for form, times in ours.items()}
    first = next(iter(mine.values()))
    against = lambda form: f"{mine[form] / mine['built']:.2f}" if {form, "built"} <= {*mine} else ""
    build = f"{statistics.median(builds):.1f}" if builds else ""
    print(
        f"| {name} | {n:,} | {radius} | {used} | {first:.1f} | {theirs:,.0f} | {theirs / first:,.0f} "
        f"| {against('mapped')} | {against('loaded')} | {size:.0f} | {build} |",
        flush=True,
    )


def threads_row(data, name, queries, radius, repeats, single, engine, forms):
    """Two threads against one, by the clock."""
    source = data.raw
    if engine != "scan":
        data.save()
        source = [*data.saved, "--load"]
    times, digests = {1: [], 2: []}, set()
    for _ in range(repeats):
        for threads, own in times.items():
            line = leakprint(data.folder, queries, radius, engine, source, threads)
            own.append(line["search_s"] * 1e6 / len(queries))
            digests.add(line["digest"])
    assert len(digests) == 1, (name, data.n, digests)
    one, two = statistics.median(times[1]), statistics.median(times[2])
    best = min(times[1]) / min(times[2])
    print(f"| {name} | {data.n:,} | {radius} | {one:.1f} | {two:.1f} | {one / two:.2f} | {best:.2f} |", flush=True)


def rows(data):
    """Name, queries, radius, whether one by one, engine."""
    n, random = data.n, lambda count: data.rng.integers(0, 256, size=(count, 32), dtype=np.uint8)
    if data.kind != "uniform":
        yield f"single, {data.kind}, no match", random(1000), 31, True, "auto"
        yield f"single, {data.kind}, a copy 24 bits off", data.copies(1000), 31, True, "auto"
        return
    queries = random(65536)
    yield "single, no match", queries[:1000], 31, True, "auto"
    yield "single, a copy 24 bits off", data.copies(1000), 31, True, "auto"
    yield "batch of 4,096, no match", queries[:4096], 31, False, "auto"
    yield "batch of 65,536, no match", queries, 31, False, "auto"
    yield "batch of 256, scanned", queries[:256], 31, False, "scan"
    if n == 10_000_000:
        for radius in (10, 24, 40, 48):
            yield f"single, radius {radius}, no match", queries[:500], radius, True, "auto"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", default="100000,1000000,10000000")
    arguments.add_argument("--rows", default="")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--forms", default="built,mapped,loaded")
    arguments.add_argument("--threads", action="store_true")
    arguments = arguments.parse_args()
    if arguments.threads:
        print("| queries | codes | radius | one thread, µs per query | two | ratio | of the fastest |")
        print("|---|---|---|---|---|---|---|")
    else:
        print(
            "| queries | codes | radius | engine | leakprint, µs per query | FAISS flat | ratio "
            "| mapped / built | loaded / built | bytes per code | build, M codes/CPU-s |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|")
    forms = arguments.forms.split(",")
    measure = threads_row if arguments.threads else row
    for n in map(int, arguments.n.split(",")):
        for kind in ("uniform", "clustered", "skewed") if n == 1_000_000 else ("uniform",):
            with tempfile.TemporaryDirectory() as folder:
                data = Data(kind, n, Path(folder))
                for name, queries, radius, single, engine in rows(data):
                    if re.search(arguments.rows, name):
                        measure(data, name, queries, radius, arguments.repeats, single, engine, forms)


if __name__ == "__main__":
    main()
