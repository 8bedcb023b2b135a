#!/usr/bin/env python3
"""Prints the public interface as the documentation has it: each item by its path with its declaration, the methods of
types and traits, and the traits that types implement. `cargo doc --no-deps --all-features` first, then
`.ci/public_api.py target/doc/mmf > mmf/public-api.txt`: so that a change of it is seen in review.
"""

import pathlib
import re
import sys
from html.parser import HTMLParser

# Tags without an end.
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}


class Page(HTMLParser):
    """The declarations on a page of rustdoc."""

    def __init__(self, text):
        super().__init__()
        self.open = []  # tag, id, classes
        self.text = None  # of the declaration that is being read, and how deep it began
        self.declaration = ""
        self.methods = []
        self.traits = []
        self.feed(text)

    def inside(self, place):
        return any(place == identity for _, identity, _ in self.open)

    def handle_starttag(self, tag, attributes):
        if tag in VOID:
            return
        attributes = dict(attributes)
        classes = (attributes.get("class") or "").split()
        self.open.append((tag, attributes.get("id"), classes))
        starts = "item-decl" in classes or (tag in ("h3", "h4") and "code-header" in classes)
        if starts and self.text is None:
            self.text, self.depth = "", len(self.open)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if self.text is not None and len(self.open) == self.depth:
            text, self.text = re.sub(r"\s+", " ", self.text).strip(), None
            classes = self.open[-1][2]
            if "item-decl" in classes:
                self.declaration = text
            elif tag == "h4" and not self.inside("trait-implementations-list") and not self.inside(
                "blanket-implementations-list"
            ):
                self.methods.append(text)
            elif tag == "h3" and self.inside("trait-implementations-list"):
                self.traits.append(text)
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        # The marks of folded fields and of links to the source are none of the declaration.
        if self.text is not None and not any(
            {"src", "since", "tooltip"} & set(classes) or tag == "summary" for tag, _, classes in self.open[self.depth :]
        ):
            self.text += data


def lines(folder):
    for file in sorted(folder.rglob("*.html")):
        kind, _, rest = file.name.partition(".")
        name = rest.removesuffix(".html")
        if not name or kind not in (
            "attr", "constant", "derive", "enum", "fn", "macro", "static", "struct", "trait", "type", "union",
        ):
            continue
        page = Page(file.read_text())
        if not page.declaration:
            continue  # It only leads to another page.
        path = "::".join([folder.name, *file.parent.relative_to(folder).parts, name])
        # Of a constant the type: its value may be a whole document.
        declaration = page.declaration.partition(" = ")[0] if kind in ("constant", "static") else page.declaration
        yield f"{kind} {path}: {declaration}"
        # What others implement for a trait is listed with the type.
        members = page.methods + ([] if kind == "trait" else page.traits)
        yield from sorted(f"{kind} {path}: {member}" for member in set(members))


print("\n".join(lines(pathlib.Path(sys.argv[1]))))
