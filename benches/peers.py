#!/usr/bin/env python3
"""Exact 256-bit Hamming range search: leakprint beside FAISS on the same raw codes.

    pip install numpy faiss-cpu blake3
    cargo build --release --example leakprint
    python3 benches/peers.py [--n 100000,1000000,10000000] [--repeats 5]

One thread. For each row both programs run in turn, `--repeats` times, and the
medians are compared; results are checked to be the same by number of pairs and,
where pairs are found, by the digest of query, code and distance. The set is saved
once and searched three ways: as it was built, mapped (with its pages in memory) and
loaded.
FAISS answers single queries one call each, batches in one call of as many
queries as fit into a few seconds. Prints a table in Markdown.
"""
import argparse
import json
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
        start = time.perf_counter()
        for batch in np.split(queries, len(queries)) if single else [queries]:
            found.append(self.index.range_search(batch, radius + 1))
        us = (time.perf_counter() - start) * 1e6 / len(queries)
        triples = np.zeros(sum(len(codes) for _, _, codes in found), TRIPLE)
        at = first = 0
        for limits, distances, codes in found:
            end = at + len(codes)
            triples["query"][at:end] = first + np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64)))
            triples["code"][at:end], triples["distance"][at:end] = codes, distances
            at, first = end, first + len(limits) - 1
        triples.sort(order=["query", "code"])
        return us, len(triples), blake3(triples.tobytes()) if blake3 else None


def leakprint(folder, queries, radius, engine, source):
    (folder / "queries").write_bytes(queries.tobytes())
    command = [PROGRAM, "search-codes", *source, "--queries", folder / "queries"]
    command += ["--radius", str(radius), "--engine", engine]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def row(name, n, queries, radius, single, repeats, folder, peer, engine="auto"):
    # FAISS scans: a few queries tell its time, all of them ours.
    most = max(4, min(len(queries), int(3e9 / max(n, 1) / (1 if single else 0.5))))
    few = queries[:most]
    raw, saved = ["--codes", folder / "codes"], ["--open", folder / "set"]
    sources = {"built": raw}
    if engine != "scan":
        sources |= {"mapped": [*saved, "--warm"], "loaded": [*saved, "--load"]}
        if not (folder / "set").exists():
            leakprint(folder, few[:1], radius, engine, [*raw, "--save", folder / "set"])
    theirs, ours, builds, digests = [], {form: [] for form in sources}, [], set()
    for _ in range(repeats):
        us, pairs, digest = peer.run(few, radius, single)
        theirs.append(us)
        for form, source in sources.items():
            line = leakprint(folder, queries, radius, engine, source)
            ours[form].append(line["us_per_query"])
            digests.add(line["digest"])
            if form == "built":
                builds.append(n / line["build_s"] / 1e6)
                size, used = line["bytes_per_code"], line["engine"]
            check = leakprint(folder, few, radius, engine, source)
            assert check["pairs"] == pairs, (name, n, form, check, pairs)
            assert digest in (None, check["digest"]), (name, n, form)
    assert len(digests) == 1, (name, n, digests)
    theirs = statistics.median(theirs)
    mine = {form: statistics.median(times) for form, times in ours.items()}
    against = lambda form: f"{mine[form] / mine['built']:.2f}" if form in mine else ""
    print(
        f"| {name} | {n:,} | {radius} | {used} | {mine['built']:.1f} | {theirs:,.0f} "
        f"| {theirs / mine['built']:,.0f} | {against('mapped')} | {against('loaded')} "
        f"| {size:.0f} | {statistics.median(builds):.1f} |",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", default="100000,1000000,10000000")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments = arguments.parse_args()
    rng = np.random.default_rng(1)
    print(
        "| queries | codes | radius | engine | leakprint, us a query | FAISS flat | ratio "
        "| mapped / built | loaded / built | bytes a code | build, M codes/s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for n in map(int, arguments.n.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            codes = make("uniform", n, rng)
            (folder / "codes").write_bytes(codes.tobytes())
            peer = Faiss(codes)
            queries = rng.integers(0, 256, size=(65536, 32), dtype=np.uint8)
            go = lambda name, queries, radius, single, engine="auto": row(
                name, n, queries, radius, single, arguments.repeats, folder, peer, engine
            )
            go("single, no match", queries[:1000], 31, True)
            go("single, a copy 24 bits off", flip(codes[:1000], 24, rng), 31, True)
            go("batch of 4,096, no match", queries[:4096], 31, False)
            go("batch of 65,536, no match", queries, 31, False)
            go("batch of 256, scanned", queries[:256], 31, False, "scan")
            if n == 10_000_000:
                for radius in (10, 24, 40, 48):
                    go("single, no match", queries[:500], radius, True)
            for kind in ("clustered", "skewed") if n == 1_000_000 else ():
                codes = make(kind, n, rng)
                (folder / "codes").write_bytes(codes.tobytes())
                (folder / "set").unlink()
                peer = Faiss(codes)
                row(f"single, {kind}, no match", n, queries[:1000], 31, True, arguments.repeats, folder, peer)
                own = flip(codes[:1000], 24, rng)
                row(f"single, {kind}, a copy 24 bits off", n, own, 31, True, arguments.repeats, folder, peer)


if __name__ == "__main__":
    main()
