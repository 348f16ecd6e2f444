#!/usr/bin/env python3
"""Text from documents: leakprint beside a tool that is named, on the same files.

    apt-get install poppler-utils unzip; pip install python-docx openpyxl
    cargo build --release --example extract
    python3 benches/documents.py FOLDER [--repeats 5] [--most 60]

One thread, processor time; both sides take turns, medians are compared. `extract
--time` and the Python packages are timed inside of their processes; pdftotext and
unzip, which take one file a process, are charged without their start, measured on
a file of one page or entry. All pictures of a document are decoded by leakprint and
by none of the others. Prints a table in Markdown.
"""
import argparse
import email
import email.policy
import json
import resource
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/examples/extract"


def child(command):
    """Processor seconds of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(files):
    """Seconds inside of the program, and bytes."""
    out = subprocess.run([PROGRAM, "--time", *files], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    return sum(row["seconds"] for row in rows), sum(row["bytes"] for row in rows)


def processes(command, files):
    """A program that takes one file a process, its start taken off."""
    smallest = min(files, key=lambda file: file.stat().st_size)
    start = statistics.median(child(command(smallest)) for _ in range(5))
    return max(sum(child(command(file)) for file in files) - start * len(files), 1e-9)


def timed(function, files):
    start = time.process_time()
    for file in files:
        try:
            function(file)
        except Exception:  # The other side's trouble with a file is not counted.
            pass
    return time.process_time() - start


def docx(file):
    import docx as package

    document = package.Document(file)
    text = [paragraph.text for paragraph in document.paragraphs]
    for table in document.tables:
        text.extend(cell.text for row in table.rows for cell in row.cells)
    return text


def xlsx(file):
    import openpyxl

    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    return [row for sheet in book for row in sheet.iter_rows(values_only=True)]


def mail(file):
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    return [part.get_content() for part in message.walk() if not part.is_multipart()]


UNZIP = ("unzip -p", lambda files: processes(lambda file: ["unzip", "-p", file], files))
PEERS = [
    ("pdf", "pdftotext", lambda files: processes(lambda file: ["pdftotext", file, "-"], files)),
    ("docx", "python-docx", lambda files: timed(docx, files)),
    ("docx", *UNZIP),
    ("xlsx", "openpyxl", lambda files: timed(xlsx, files)),
    ("xlsx", *UNZIP),
    ("odt", *UNZIP),
    ("ods", *UNZIP),
    ("pptx", *UNZIP),
    ("zip", *UNZIP),
    ("eml", "Python's email", lambda files: timed(mail, files)),
    ("mbox", None, None),
    ("rtf", None, None),
    ("csv", None, None),
    ("html", None, None),
]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--most", type=int, default=60, help="files of an extension")
    arguments = arguments.parse_args()
    print("| format | files | kB a file | leakprint, MB/s | beside | MB/s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for extension, name, peer in PEERS:
        files = sorted(arguments.folder.rglob(f"*.{extension}"))[: arguments.most]
        if not files:
            continue
        own, other, size = [], [], 0
        for _ in range(arguments.repeats):
            seconds, size = ours(files)
            own.append(seconds)
            if peer:
                other.append(peer(files))
        own = size / 1e6 / statistics.median(own)
        row = f"| {extension} | {len(files)} | {size / 1000 / len(files):.0f} | {own:.1f} |"
        if peer:
            speed = size / 1e6 / statistics.median(other)
            row += f" {name} | {speed:.1f} | {own / speed:.1f} |"
        else:
            row += " | | |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
