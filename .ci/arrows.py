#!/usr/bin/env python3
"""Arrows run one way: no two files of a crate use each other, and the runtime depends on little.

Reads the `use`s and paths of every file (tests, comments and texts left out), follows names through the modules that
hand them on, and prints each circle with the names that tie it. Exit 1 where there is one.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATES = ["mmf-macros/rules/src", "mmf-macros/src", "mmf-runtime/src", "mmf/src", "mmf/cargo-mmf/src"]

# What the runtime may depend on; the reasons stand in ARCHITECTURE.md.
RUNTIME_NEEDS = {
    "arcstr", "atomic-waker", "http", "inventory", "itoa", "loom", "mmf-rules", "once_cell", "opentelemetry", "quanta",
    "rand", "regex", "rustix", "serde", "thiserror", "time", "tokio", "tracing", "tracing-log", "tracing-subscriber",
    "zmij",
}

TOKEN = re.compile(
    r"""
    //[^\n]* | /\*.*?\*/                              # comments
  | b?r(\#*)".*?"\1 | b?"(?:\\.|[^"\\])*"             # texts
  | b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^\\'])'             # characters
    """,
    re.X | re.S,
)


def without(text, pattern):
    """The text without what the pattern begins, up to the end of the group that follows, or of the line."""
    while match := re.search(pattern, text):
        end = match.end()
        if text[end : end + 1] in "{(":
            depth = 0
            for end in range(end, len(text)):
                depth += {"{": 1, "}": -1, "(": 1, ")": -1}.get(text[end], 0)
                if depth == 0:
                    break
        text = text[: match.start()] + text[end + 1 :]
    return text


def code_of(file):
    """The code of a file, without comments, texts, tests and what a macro prints."""
    text = TOKEN.sub(" ", file.read_text())
    text = without(text, r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:mod|fn|impl|use|impl<)[^;{]*")
    return without(text, r"\bquote(?:_spanned)?!\s*(?=[({])")


def leaves(tree, prefix=()):
    """Each path of a `use` tree, and the name by which it is known here."""
    tree = tree.strip()
    if not tree:
        return
    brace = tree.find("{")
    if brace >= 0:
        head = [part for part in tree[:brace].replace(" ", "").split("::") if part]
        depth, start = 0, brace + 1
        for place in range(brace, len(tree)):
            depth += {"{": 1, "}": -1}.get(tree[place], 0)
            if (tree[place] == "," and depth == 1) or depth == 0:
                yield from leaves(tree[start:place], (*prefix, *head))
                start = place + 1
            if depth == 0:
                return
        return
    path, _, name = (part.strip() for part in tree.partition(" as "))
    parts = [part for part in re.split(r"\s*::\s*", path) if part]
    if parts and parts[-1] == "self":
        parts = parts[:-1]
    yield (*prefix, *parts), name or ([*prefix, *parts] or [""])[-1]


class Crate:
    def __init__(self, source):
        self.source = source
        self.files = {}  # module path -> file
        self.code = {}
        for file in sorted(source.rglob("*.rs")):
            path = list(file.relative_to(source).with_suffix("").parts)
            if path[-1] in ("mod", "lib", "main"):
                path.pop()
            self.files[tuple(path)] = file
            self.code[tuple(path)] = code_of(file)
        self.uses = {
            module: [
                leaf
                for use in re.finditer(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", code)
                for leaf in leaves(use.group(2))
            ]
            for module, code in self.code.items()
        }
        self.known = {module: {name: path for path, name in uses} for module, uses in self.uses.items()}

    def resolve(self, module, path, seen=()):
        """The module that a path from here names something of; nothing where it leads out of the crate."""
        here = list(module)
        parts = list(path)
        if not parts:
            return None
        if parts[0] in ("crate", "$crate"):
            here, parts = [], parts[1:]
        elif parts[0] in ("self", "super"):
            while parts and parts[0] in ("self", "super"):
                if parts.pop(0) == "super":
                    if not here:
                        return None
                    here.pop()
        elif tuple([*module, parts[0]]) in self.files:
            pass
        elif parts[0] in self.known[module] and (module, parts[0]) not in seen:
            known = self.known[module][parts[0]]
            if known and known[0] != parts[0]:
                return self.resolve(module, (*known, *parts[1:]), (*seen, (module, parts[0])))
            return None
        else:
            return None
        while parts and tuple([*here, parts[0]]) in self.files:
            here.append(parts.pop(0))
        here = tuple(here)
        if here not in self.files:
            return None
        if parts and parts[0] not in self.defined(here):
            # Handed on from elsewhere.
            handed = [known for known in [self.known[here].get(parts[0])] if known]
            globs = [known[:-1] for known, name in self.uses[here] if name == "*"]
            for known in handed:
                if (here, parts[0]) not in seen:
                    return self.resolve(here, (*known, *parts[1:]), (*seen, (here, parts[0])))
            for known in globs:
                found = self.resolve(here, (*known, *parts), (*seen, (here, parts[0])))
                if found is not None and parts[0] in self.defined(found):
                    return found
        return here

    def defined(self, module):
        pattern = r"\b(?:fn|struct|enum|trait|type|const|static|macro_rules!|union)\s+(\w+)"
        return set(re.findall(pattern, self.code[module]))

    def is_face(self, module):
        """Whether a file only names its parts and hands names on."""
        return not re.search(r"\b(?:fn|struct|enum|trait|impl|static)\b", self.code[module])

    def arrows(self):
        arrows = {}
        for module, code in self.code.items():
            if self.is_face(module):
                continue
            paths = [path for path, _ in self.uses[module]]
            paths += [
                tuple(re.split(r"\s*::\s*", path.group(0)))
                for path in re.finditer(r"(?<![\w:])(?:\$?\w+)(?:\s*::\s*\w+)+", re.sub(r"\buse\s+[^;]+;", "", code))
            ]
            for path in paths:
                to = self.resolve(module, path)
                if to is not None and to != module and not self.is_face(to):
                    arrows.setdefault(module, {}).setdefault(to, set()).add(path[-1])
        return arrows


def circles(arrows):
    """The strongly connected parts of more than one file (Tarjan)."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for to in arrows.get(node, ()):
            if to not in order:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], order[to])
        if low[node] == order[node]:
            part = set()
            while node not in part:
                part.add(stack.pop())
            if len(part) > 1:
                found.append(part)

    for node in list(arrows):
        if node not in order:
            visit(node)
    return found


def main():
    sys.setrecursionlimit(10_000)
    wrong = 0
    for source in CRATES:
        crate = Crate(ROOT / source)
        arrows = crate.arrows()
        for circle in circles(arrows):
            wrong += 1
            print(f"{source}: these {len(circle)} files use each other; what both need belongs below them")
            for one in sorted(circle):
                for other, names in sorted(arrows.get(one, {}).items()):
                    if other in circle:
                        name = lambda module: str(crate.files[module].relative_to(crate.source))
                        print(f"  {name(one)} -> {name(other)}: {', '.join(sorted(names))}")
    manifest = tomllib.loads((ROOT / "mmf-runtime/Cargo.toml").read_text())
    tables = [manifest, *manifest.get("target", {}).values()]
    needed = {name for table in tables for name in table.get("dependencies", {})}
    if more := needed - RUNTIME_NEEDS:
        wrong += 1
        print(f"mmf-runtime depends on {', '.join(sorted(more))}: it is what a call goes through, and nothing else")
    sys.exit(1 if wrong else 0)


main()
