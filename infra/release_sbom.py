"""Takes out of an SBOM when it was written: it says what is in a program, and must be the same each time."""
import json
import sys

path = sys.argv[1]
with open(path, encoding="utf-8") as f:
    bom = json.load(f)
if bom["bomFormat"] != "CycloneDX" or not bom["components"]:
    sys.exit(f"{path} is no CycloneDX document with components")
bom["metadata"].pop("timestamp", None)
with open(path, "w", encoding="utf-8") as f:
    json.dump(bom, f, indent=1, sort_keys=True)
    f.write("\n")
