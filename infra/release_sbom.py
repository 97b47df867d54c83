"""Writes what a Go program is made of (go version -m) as a CycloneDX document: release_sbom.py PROGRAM VERSION > SBOM.

The module hashes are Go's own (h1, of go.sum), for which CycloneDX has no algorithm, so they stand among the properties. Licences
are not in it: a program does not know them.
"""
import json
import subprocess
import sys


def module(path, version, sums, kind="library"):
    purl = f"pkg:golang/{path}@{version}"
    out = {"type": kind, "bom-ref": purl, "name": path, "version": version, "purl": purl}
    if sums:
        out["properties"] = [{"name": "go:h1", "value": sums}]
    return out


def main(program, version):
    text = subprocess.run(["go", "version", "-m", program], check=True, capture_output=True, text=True).stdout
    first, *lines = text.splitlines()
    compiler = first.rsplit(": go", 1)[1]
    own, parts, settings = None, [], []
    for line in lines:
        kind, *rest = line.strip("\t").split("\t")
        if kind == "mod":
            own = module(rest[0], version, "", "application")
        elif kind == "dep":
            parts.append(module(*rest[:2], rest[2] if len(rest) > 2 else ""))
        elif kind == "=>":  # what the one before was replaced by
            parts[-1] = module(*rest[:2], rest[2] if len(rest) > 2 else "")
        elif kind == "build" and rest[0].split("=")[0] in ("GOOS", "GOARCH", "CGO_ENABLED", "-tags"):
            name, value = rest[0].split("=", 1)
            settings.append({"name": "go:build:" + name, "value": value})
    if own is None or not parts:
        sys.exit(f"{program} does not say what it is made of")
    own["properties"] = settings
    parts.append(module("std", compiler, ""))
    json.dump({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": own},
        "components": sorted(parts, key=lambda c: c["purl"]),
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": sorted(c["bom-ref"] for c in parts)}],
    }, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
