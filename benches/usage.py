"""Compares what a measurement says of memory and processor with what /usr/bin/time -v says of the same process.

Prints both, and ends with 1 where they differ by more than a tenth: python3 benches/usage.py target/release/usage
"""

import re
import subprocess
import sys

ended = subprocess.run(["/usr/bin/time", "-v", sys.argv[1]], capture_output=True, text=True, check=True)
ours = dict(line.split() for line in ended.stdout.splitlines())
theirs = {name.strip(): value for name, value in re.findall(r"^\s*(.+?): (\S+)$", ended.stderr, re.M)}
busy = float(theirs["User time (seconds)"]) + float(theirs["System time (seconds)"])
pairs = {
    "memory, KiB": (float(ours["peak_kib"]), float(theirs["Maximum resident set size (kbytes)"])),
    "processor, s": (float(ours["cpu_seconds"]), busy),
}
apart = False
for what, (measured, told) in pairs.items():
    difference = abs(measured / told - 1)
    apart |= difference > 0.1
    print(f"{what}: {measured:.2f} measured, {told:.2f} by time -v, {difference:.1%} apart")
sys.exit(apart)
