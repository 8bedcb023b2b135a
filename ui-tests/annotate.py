#!/usr/bin/env python3
"""Annotates every `async fn` of a published crate and says which compile.

    ui-tests/annotate.py tokio-postgres 0.7.13 [feature,…]

Downloads the crate from crates.io into target/annotated, puts `#[mmf::resilient(…)]` above each `async fn` that returns
some `…Result` (first `timeout` alone, then all policies), runs `cargo check`, takes the attribute away from what does
not compile, and again, until the rest does. What does not is listed with the first line of its error.
"""

import json
import re
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FN = re.compile(r"^(\s*)(pub(?:\([^)]*\))?\s+)?(unsafe\s+)?async\s+(unsafe\s+)?fn\s+(r#)?(\w+)")
REFUSED = 'refused(|refusal| ::std::panic!("{refusal}"))'


def download(name, version):
    folder = ROOT / "target/annotated"
    folder.mkdir(parents=True, exist_ok=True)
    crate = folder / f"{name}-{version}"
    if not crate.exists():
        url = f"https://static.crates.io/crates/{name}/{name}-{version}.crate"
        with urllib.request.urlopen(url, timeout=120) as answer:
            tarfile.open(fileobj=answer, mode="r|gz").extractall(folder, filter="data")
        manifest = crate / "Cargo.toml"
        text = manifest.read_text() + f'\n[dependencies.mmf]\npath = "{ROOT}/mmf"\ndefault-features = false\n'
        manifest.write_text(text + "\n[workspace]\n")
        for file in crate.glob("src/**/*.rs"):
            file.with_suffix(".rs.orig").write_bytes(file.read_bytes())
    return crate


def signature(lines, start):
    """The text of a signature, up to its body; nothing where there is none."""
    text, depth = "", 0
    for line in lines[start:]:
        for letter in line.split("//")[0]:
            depth += (letter in "([") - (letter in ")]")
            if depth == 0 and letter == "{":
                return text
            if depth == 0 and letter == ";":
                return None
            text += letter
        text += " "
    return None


def attribute(kind, text):
    if kind == "timeout":
        return f'#[::mmf::resilient(timeout = "2s", {REFUSED})]'
    kept = []
    arguments = text[text.index("(") :].split("->")[0]
    if re.search(r"\(\s*(&('\w+\s+)?mut\s+self|mut\s+self|self)\b", arguments):
        kept.append("self")
    kept += re.findall(r"\bmut\s+(?!self\b)(\w+)\s*:", arguments)
    kept += [
        name
        for name in re.findall(r"(\w+)\s*:\s*(?:Pin<\s*|Option<\s*)?&\s*(?:'\w+\s+)?mut\b", arguments)
        if name not in kept and name != "self"
    ]
    keep = f", keep({', '.join(kept)})" if kept else ""
    hedge = "" if kept else ', hedge(delay = "80ms")'
    return (
        '#[::mmf::resilient(deadline = "9s", timeout = "2s", retry(max_attempts = 3), breaker, '
        f'rate_limit(permits = 100), bulkhead(max_concurrent = 32){hedge}{keep}, {REFUSED})]'
    )


def annotate(crate, kind, left_out):
    """Writes the crate with its attributes; the places of what has one."""
    places = {}
    for original in crate.glob("src/**/*.rs.orig"):
        lines = original.read_text().splitlines()
        out, file = [], original.with_suffix("")
        for number, line in enumerate(lines):
            found = FN.match(line)
            text = signature(lines, number) if found else None
            returns = (text or "").split("->", 1)
            is_result = len(returns) == 2 and re.match(r"\s*(\w+::)*\w*Result\b", returns[1])
            key = f"{original.relative_to(crate).with_suffix('')}:{number + 1} {found[6] if found else ''}"
            if is_result and key not in left_out:
                # On the same line, so that numbers stay as they are.
                line = found[1] + attribute(kind, text) + " " + line.strip()
                places[key] = (str(file.relative_to(crate)), number + 1)
            out.append(line)
        if kind == "all" and file == crate / "src/lib.rs":
            # Every function of a call tree with every policy: deeper types than rustc looks through by itself.
            out[0] = '#![recursion_limit = "512"] ' + out[0]
        file.write_text("\n".join(out) + "\n")
    return places


def check(crate, features):
    command = ["cargo", "check", "--lib", "--message-format=json", "--target-dir", str(ROOT / "target/annotated/target")]
    if features:
        command += ["--features", features]
    done = subprocess.run(command, cwd=crate, capture_output=True, text=True)
    errors = []
    for line in done.stdout.splitlines():
        message = json.loads(line).get("message") if line.startswith("{") else None
        if message and message["level"] == "error" and message["spans"]:
            lines = [(s["file_name"], s["line_start"]) for s in message["spans"]]
            errors.append((lines, message["message"].splitlines()[0]))
    if not errors and done.returncode:
        sys.exit(done.stderr[-2000:])
    return errors


def main():
    name, version = sys.argv[1:3]
    features = sys.argv[3] if len(sys.argv) > 3 else ""
    crate = download(name, version)
    for kind in ("timeout", "all"):
        left_out = {}
        while True:
            places = annotate(crate, kind, left_out)
            if not (errors := check(crate, features)):
                break
            starts = sorted((file, line, key) for key, (file, line) in places.items())
            new = {}
            for lines, message in errors:
                for file, line in lines:
                    # The nearest function above the place of the error.
                    above = [start for start in starts if start[0] == file and start[1] <= line]
                    if above:
                        new.setdefault(above[-1][2], message)
                        break
            if not new:
                sys.exit(f"no function to blame: {errors[:3]}")
            left_out |= new
        print(f"{name} {version}, {kind}: {len(places)} of {len(places) + len(left_out)} functions compile")
        for key, message in sorted(left_out.items()):
            print(f"  {key}: {message}")


main()
