#!/usr/bin/env python3
"""Recall of quotations against their length and noise, and false matches of unrelated posts.

    cargo build --release --example leakprint
    python3 benches/curves.py LEAK.jsonl OTHER.jsonl [--quotes 300] [--seed 1] [--svg FILE]

Both files have lines {"id": ..., "text": ...}: the leak, which is indexed, and texts that are not of it.
A quotation is a piece of one leaked text that at most two of them share; noise replaces, drops, doubles or swaps so many of a hundred of
its characters, and is embedded in 3 kB of other text. All texts of OTHER, cut into posts of 600 characters,
are matched too. Prints a table in Markdown and draws it with --svg. Standard library only.
"""
import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

from svg import chart

PROGRAM = Path(__file__).resolve().parent.parent / "target/release/examples/leakprint"
LENGTHS = [60, 80, 100, 140, 200, 280, 400, 600]
NOISES = [0, 3, 5, 8, 12]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "


def noisy(text, percent, rng):
    out = []
    for c in text:
        if rng.random() * 100 >= percent:
            out.append(c)
            continue
        kind = rng.randrange(4)
        if kind == 0:
            out.append(rng.choice(LETTERS))
        elif kind == 2:
            out.extend(c * 2)
        elif kind == 3 and out:
            out.insert(-1, c)
    return "".join(out)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def own_words(quotation, leak):
    """Whether a quotation is prose, and no piece of it occurs in more than two texts."""
    pieces = [quotation[at : at + 40] for at in range(0, len(quotation) - 39, 20)]
    letters = sum(c.isalnum() for c in quotation)
    return letters > 0.7 * len(quotation) and all(sum(p in item["text"] for item in leak) <= 2 for p in pieces)


def match(index, posts):
    """Names of the items found for each post."""
    text = "".join(json.dumps({"id": str(i), "text": post}) + "\n" for i, post in enumerate(posts))
    command = [PROGRAM, "match", index, "--jsonl", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return [[found["item"] for found in json.loads(line)["matches"]] for line in done.stdout.splitlines()]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("leak")
    args.add_argument("other")
    args.add_argument("--quotes", type=int, default=300)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--svg")
    args = args.parse_args()
    rng = random.Random(args.seed)
    leak, other = lines(args.leak), [line["text"] for line in lines(args.other)]
    long = [item for item in leak if len(item["text"]) > 2 * max(LENGTHS)]
    around = "\n".join(other)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "leak.lpx"
        subprocess.run([PROGRAM, "index", "--jsonl", args.leak, "-o", index], check=True, capture_output=True)
        series = []
        print("| noise | " + " | ".join(f"{length} characters" for length in LENGTHS) + " |")
        print("|---" * (len(LENGTHS) + 1) + "|")
        for noise in NOISES:
            recalls = []
            for length in LENGTHS:
                wanted, posts = [], []
                while len(posts) < args.quotes:
                    item = rng.choice(long)
                    start = rng.randrange(len(item["text"]) - length)
                    if not own_words(item["text"][start : start + length], leak):
                        continue
                    at = rng.randrange(max(1, len(around) - 3000))
                    own = noisy(item["text"][start : start + length], noise, rng)
                    wanted.append(item["id"])
                    posts.append(f"{around[at : at + 1500]}\n{own}\n{around[at + 1500 : at + 3000]}")
                found = sum(name in names for name, names in zip(wanted, match(index, posts)))
                recalls.append(found / args.quotes)
            print(f"| {noise} % | " + " | ".join(f"{recall:.3f}" for recall in recalls) + " |", flush=True)
            series.append((f"{noise} % noise", [(x, 100 * y) for x, y in zip(LENGTHS, recalls)]))
        posts = [text[at : at + 600] for text in other for at in range(0, len(text), 600)]
        reported = sum(bool(names) for names in match(index, posts))
        print(f"\n{reported} of {len(posts)} posts of other texts are reported.")
    if args.svg:
        title = "Quotations found, in posts of 3 kB"
        names = ("characters quoted", "found, %")
        Path(args.svg).write_text(
            chart(title, *names, series, log_x=True, y_range=(0, 100), x_ticks=LENGTHS, y_ticks=range(0, 101, 20)),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
