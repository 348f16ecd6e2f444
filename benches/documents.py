#!/usr/bin/env python3
"""Text from documents: leakprint beside a tool that is named, on the same files.

    apt-get install poppler-utils unzip; pip install python-docx openpyxl
    cargo build --release --example extract
    python3 benches/documents.py FOLDER [--repeats 5] [--most 60]

One thread, processor time; both sides take turns, medians are compared. The Python
packages are timed inside of their process; leakprint is charged without its start,
and so are pdftotext and unzip, which take one file a process: theirs is measured
with `-v`. All pictures of a document are decoded by leakprint and
by none of the others. Prints a table in Markdown.
"""
import argparse
import email
import email.policy
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
    """Processor seconds of the program, its start taken off."""
    start = statistics.median(child([PROGRAM, "--time"]) for _ in range(5))
    return max(child([PROGRAM, "--time", *files]) - start, 1e-9)


def processes(command, files):
    """A program that takes one file a process, its start taken off."""
    start = statistics.median(child([command(files[0])[0], "-v"]) for _ in range(9))
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
        # Small sets several times, so that the clock has something to count.
        size = sum(file.stat().st_size for file in files)
        rounds = max(1, 2_000_000 // size)
        own, other = [], []
        for _ in range(arguments.repeats):
            own.append(ours(files * rounds) / rounds)
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
