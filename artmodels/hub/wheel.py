"""This very artmodels as a wheel: what a published model carries along, so that it can be used anywhere.

The format is the one of https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
"""

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from pathlib import Path

from artmodels import __version__

PACKAGE = Path(__file__).resolve().parent.parent
WHEEL_NAME = f"artmodels-{__version__}-py3-none-any.whl"
DIST_INFO = f"artmodels-{__version__}.dist-info"
SOURCE_SUFFIXES = frozenset((".py", ".typed", ".css", ".html", ".js", ".jinja", ".svg", ".toml", ".jpg"))
DATE = (2020, 1, 1, 0, 0, 0)  # the same source gives the same bytes


def source_files() -> list[Path]:
    """The files of the package, as paths below it."""
    found = (path for path in PACKAGE.rglob("*") if path.suffix in SOURCE_SUFFIXES and "__pycache__" not in path.parts)
    return sorted(path.relative_to(PACKAGE) for path in found)


def requirements() -> list[str]:
    """What artmodels needs to paint: the lines of requirements.txt, or what the installed package says."""
    listed = PACKAGE.parent / "requirements.txt"
    if (PACKAGE.parent / "pyproject.toml").is_file() and listed.is_file():
        lines = (line.strip() for line in listed.read_text("utf-8").splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    return [line for line in importlib.metadata.requires("artmodels") or [] if "extra ==" not in line]


def licence() -> bytes:
    """The text of the licence of the code, which goes wherever the code goes.

    Raises:
        FileNotFoundError: it was taken away.
    """
    for path in (PACKAGE.parent / "LICENSE", PACKAGE.parent / DIST_INFO / "licenses" / "LICENSE"):
        if path.is_file():
            return path.read_bytes()
    raise FileNotFoundError(f"no LICENSE beside {PACKAGE}: install artmodels again")


def build_wheel() -> bytes:
    """The wheel named `WHEEL_NAME`.

    Raises:
        FileNotFoundError: the licence of the code was taken away.
    """
    folder = DIST_INFO
    files = {f"artmodels/{path.as_posix()}": (PACKAGE / path).read_bytes() for path in source_files()}
    needed = "".join(f"Requires-Dist: {line}\n" for line in requirements())
    files[f"{folder}/METADATA"] = (
        f"Metadata-Version: 2.4\nName: artmodels\nVersion: {__version__}\nSummary: Art generators that paint at once.\n"
        f"License-Expression: Apache-2.0\nLicense-File: LICENSE\nRequires-Python: >=3.11,<3.14\n{needed}"
    ).encode()
    files[f"{folder}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: artmodels\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{folder}/licenses/LICENSE"] = licence()
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
