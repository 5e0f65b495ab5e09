"""Put the licences of the libraries in a repaired wheel into it, and an SBOM that names them.

``python .ci/add_licences.py FILE.whl``, or a folder of wheels: they are changed in place. The
licences are those that the system's packages brought; a library without one is an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

# What auditwheel may put into a wheel: its name, SPDX licence, and where systems keep the text.
KNOWN = {
    "libjpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib", "libjpeg*"),
    "libz": ("zlib", "Zlib", "zlib*"),
    "libstdc++": ("libstdc++", "GPL-3.0-or-later WITH GCC-exception-3.1", "libstdc++6"),
    "libgcc_s": ("libgcc", "GPL-3.0-or-later WITH GCC-exception-3.1", "libgcc-s1"),
}
PLACES = (
    "/usr/share/licenses/{0}/*",
    "/usr/share/doc/{0}/*[iI][cC][eE][nN]*",
    "/usr/share/doc/{0}/copyright",
)
# Alpine has no file for it: the licence is the comment that this header begins with.
HEADERS = {"zlib": "/usr/include/zlib.h"}


def licence_text(title: str, pattern: str, root: Path) -> bytes:
    for place in PLACES:
        found = [path for path in sorted(root.glob(place.format(pattern)[1:])) if path.is_file()]
        if found:
            return found[0].read_bytes()
    header = root / HEADERS.get(title, "/nowhere")[1:]
    if header.is_file():
        return header.read_bytes().partition(b"*/")[0].removeprefix(b"/*").strip() + b"\n"
    looked_at = ", ".join(place.format(pattern) for place in PLACES)
    sys.exit(f"no licence of {title} is on this system: looked at {looked_at}")


def complete(wheel: Path, root: Path = Path("/")) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        files = {name: archive.read(name) for name in names}
    info = next(name.partition("/")[0] for name in files if ".dist-info/" in name)
    bundled = [name for name in files if name.startswith("nncore.libs/")]
    components = []
    for name in bundled:
        stem = re.match(r"[a-z_+]+", Path(name).name)
        if stem is None or stem[0] not in KNOWN:
            sys.exit(f"{name}: a library that {Path(__file__).name} does not know")
        title, spdx, pattern = KNOWN[stem[0]]
        files[f"{info}/licenses/bundled/{title}.txt"] = licence_text(title, pattern, root)
        digest = hashlib.sha256(files[name]).hexdigest()
        components.append(
            {
                "type": "library",
                "name": title,
                "licenses": [{"expression": spdx}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "file", "value": name}],
            }
        )
    _, version, *_ = wheel.name.split("-")
    sbom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "name": "nncore",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
    }
    files[f"{info}/sboms/nncore.cdx.json"] = (json.dumps(sbom, indent=2) + "\n").encode()
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    print(f"{wheel.name}: {', '.join(part['name'] for part in components) or 'nothing'} bundled")


def record(files: dict[str, bytes], own: str) -> bytes:
    """The list of files with their digests, as the wheel format asks for."""
    rows = []
    for name, content in files.items():
        if name != own:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append(f"{name},sha256={digest.decode()},{len(content)}")
    return ("\n".join([*rows, f"{own},,"]) + "\n").encode()


def main(given: Path) -> None:
    wheels = sorted(given.glob("*.whl")) if given.is_dir() else [given]
    if not wheels:
        sys.exit(f"{given}: no wheel")
    for wheel in wheels:
        complete(wheel)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
