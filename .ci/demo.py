#!/usr/bin/env python3
"""Runs the demonstration and holds the shape of what it prints against the README: acts, ticks and named values, without figures.

`.ci/demo.py PROGRAM` compares; with `--write` the README gets what was printed.
"""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- demonstration -->\n", "<!-- /demonstration -->"
WIDTH = 100


def shape(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        # Events of the network's failures differ from run to run, and so do figures and places.
        if not re.match(r"   [✓a-z/]|\d  ", line):
            continue
        if re.match(r"   (the report|load)\b", line):
            line = " ".join(line.split()[:2])
        lines.append(re.sub(r"[0-9][0-9.]*(µs|ms|s)?", "0", re.sub(r"─+ .*| {2,}.*(?<=\S)$", "", line.strip())))
    return lines


def printed(program: str) -> str:
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    print(done.stdout, end="")
    if done.returncode != 0:
        sys.exit(f"the demonstration ended with {done.returncode}: {done.stderr}")
    if wide := [line for line in done.stdout.splitlines() if len(line) > WIDTH]:
        sys.exit(f"wider than {WIDTH} columns: {wide}")
    if "\x1b" in done.stdout:
        sys.exit("coloured although nobody looks")
    return done.stdout


def main() -> None:
    text = README.read_text()
    before, rest = text.split(BEGIN)
    block, after = rest.split(END)
    now = printed(sys.argv[1])
    if sys.argv[2:] == ["--write"]:
        shown = re.sub(r"(?m)^(   the report +).*", r"\1target/mmf/integration_demo.html", now.strip("\n"))
        README.write_text(f"{before}{BEGIN}\n```text\n{shown}\n```\n\n{END}{after}")
        return
    if shape(block) != shape(now):
        told = "\n".join(line for line in shape(now) if line not in shape(block))
        gone = "\n".join(line for line in shape(block) if line not in shape(now))
        sys.exit(f"the README shows another demonstration; new:\n{told}\ngone:\n{gone}\n`.ci/demo.py PROGRAM --write` writes it")


main()
