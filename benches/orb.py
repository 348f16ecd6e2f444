#!/usr/bin/env python3
"""Parts of pictures: leakprint beside ORB features with RANSAC on the same pictures.

    pip install opencv-python-headless
    cargo build --release --example leakprint
    python3 benches/orb.py ITEMS QUERIES [--repeats 3] [--most 60]

ORB: 1,000 features, brute force by Hamming distance with the ratio test at .8, and a
homography by RANSAC (5 pixels) for every item that has eight pairs; the items'
features are computed before. One thread, processor time, both sides in turn, medians.
leakprint is charged without its start: for decoding, all prints and the search.
Decoding and features of the query are counted for ORB too. Prints a table in Markdown.
"""
import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/examples/leakprint"


def pictures(folder, most):
    ends = {".png", ".jpg", ".jpeg", ".webp"}
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ends)
    step = max(1, -(-len(files) // most))
    return files[::step]


def child(command):
    """Processor seconds of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Orb:
    def __init__(self, items):
        cv2.setNumThreads(1)
        self.orb = cv2.ORB_create(1000)
        self.matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self.items = [self.features(path) for path in items]

    def features(self, path):
        return self.orb.detectAndCompute(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), None)

    def best(self, path):
        """Most inliers of an item."""
        places, codes = self.features(path)
        most = 0
        if codes is None:
            return most
        for item_places, item_codes in self.items:
            if item_codes is None or len(item_codes) < 2:
                continue
            pairs = [
                pair[0]
                for pair in self.matcher.knnMatch(codes, item_codes, k=2)
                if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance
            ]
            if len(pairs) < 8:
                continue
            here = cv2.KeyPoint_convert(places, [pair.queryIdx for pair in pairs])
            there = cv2.KeyPoint_convert(item_places, [pair.trainIdx for pair in pairs])
            _, inliers = cv2.findHomography(there, here, cv2.RANSAC, 5.0)
            if inliers is not None:
                most = max(most, int(inliers.sum()))
        return most


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("items")
    parser.add_argument("queries")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=int, default=60)
    args = parser.parse_args()
    items, queries = pictures(args.items, 10**9), pictures(args.queries, args.most)
    orb = Orb(items)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "items.lpx"
        one = ["--threads", "1"]
        child([PROGRAM, "index", *items, "-o", index])
        nothing = Path(folder) / "nothing.txt"
        nothing.write_text("nothing")
        ours, theirs = [], []
        for _ in range(args.repeats):
            start = child([PROGRAM, "match", index, nothing, *one])
            ours.append(child([PROGRAM, "match", index, *queries, *one]) - start)
            before = time.process_time()
            for query in queries:
                orb.best(query)
            theirs.append(time.process_time() - before)
    a, b = (statistics.median(t) / len(queries) * 1e3 for t in (ours, theirs))
    print("| items | queries | leakprint, ms per query | ORB 1,000 + RANSAC | ratio |")
    print("|---|---|---|---|---|")
    print(f"| {len(items)} | {len(queries)} | {a:.1f} | {b:.0f} | {b / a:.1f} |")


if __name__ == "__main__":
    main()
