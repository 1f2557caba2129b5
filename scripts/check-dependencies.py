#!/usr/bin/env python3
"""Checks the dependencies without asking anybody outside.

- Every package comes from crates.io or from this repository.
- Every licence is on the list below.
- Every package that a crate of ours names has its reason in the table of ARCHITECTURE.md, and no other stands there.
- No crate of ours names a dependency that its sources do not use.
- Each program alone has its libraries with the features that the pipeline has them with, so that nothing is built twice.

Exits 1 with a line for each fault.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0",
    # Of Mozilla's list of certificate authorities.
    "CDLA-Permissive-2.0",
    "ISC", "MIT", "MIT-0", "OpenSSL", "Unicode-3.0", "Unlicense", "Zlib",
}
TABLE = Path("ARCHITECTURE.md")


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def licence_allowed(expression):
    """Whether one alternative of an SPDX expression has only licences of the list."""
    expression = expression.replace("/", " OR ")
    terms = re.split(r"\s+(OR|AND)\s+|([()])", expression)
    known = [term if term in ("OR", "AND", "(", ")", None) else str(term.strip() in LICENCES) for term in terms if term]
    return eval(" ".join(known).replace("OR", "or").replace("AND", "and"), {})  # only True, False, or, and, ()


def reasons():
    """The packages in the table under the heading `Dependencies`, each with its reason."""
    text = TABLE.read_text().partition("\n## Dependencies\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z0-9_-]+)` \| (\S.*) \|$", text, re.MULTILINE))


def built(package):
    """The packages in a default build of a package of ours, each with its version and features."""
    tree = cargo("tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none", "--no-dedupe", "-f", "{p} [{f}]")
    return {line.replace(" (proc-macro)", "") for line in tree.splitlines() if line}


def main():
    faults = []
    named = set()
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--all-features"))
    ours = set(metadata["workspace_members"])
    for package in metadata["packages"]:
        name = f"{package['name']} {package['version']}"
        if package["id"] not in ours and not (package["source"] or "").startswith("registry+"):
            faults.append(f"{name} comes from {package['source']}")
        licence = package["license"]
        if not licence or not licence_allowed(licence):
            faults.append(f"{name} has the licence {licence}")
        if package["id"] in ours:
            folder = Path(package["manifest_path"]).parent
            sources = "\n".join(path.read_text() for path in folder.rglob("*.rs"))
            for dependency in package["dependencies"]:
                if dependency["source"]:
                    named.add(dependency["name"])
                crate = (dependency["rename"] or dependency["name"]).replace("-", "_")
                if not re.search(rf"\b{crate}\b", sources):
                    faults.append(f"{package['name']} does not use {dependency['name']}")
    pipeline = built("pipeline")
    count = len({" ".join(line.split()[:2]) for line in pipeline})
    for program in ("features", "model", "metric"):
        faults += [f"{program} has {line}, and the pipeline has it otherwise" for line in sorted(built(program) - pipeline)]
    explained = reasons().keys()
    faults += [f"{name} has no reason in {TABLE}" for name in sorted(named - explained)]
    faults += [f"{name} stands in {TABLE}, but no crate of ours names it" for name in sorted(explained - named)]
    for fault in faults:
        print(f"check-dependencies: {fault}", file=sys.stderr)
    print(f"{len(metadata['packages'])} packages checked, {count} in a default build, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
