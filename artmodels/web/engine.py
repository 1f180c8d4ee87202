"""ONNX Runtime for browsers: one version of an npm package, fetched and checked when a page is made."""

import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path

from artmodels.io.files import default_cache, write_atomically

VERSION = "1.30.0"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"  # of the package
REGISTRY = "https://registry.npmjs.org"  # or what NPM_CONFIG_REGISTRY names, as for npm itself
NOTICE = f"onnxruntime-web {VERSION}, by Microsoft, under the MIT licence: https://github.com/microsoft/onnxruntime"
PACKAGE_NAME = f"onnxruntime-web-{VERSION}.tgz"  # in the cache
TIMEOUT = 60  # seconds without a word
MOST_BYTES = 60_000_000
FILES = {  # name in a page's folder -> name in the package; a static host may not know .mjs for JavaScript
    "ort.wasm.js": "ort.wasm.min.mjs",
    "ort.webgpu.js": "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.js": "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    "ort-wasm-simd-threaded.asyncify.js": "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}
FOR_GRAPHICS = tuple(name for name in FILES if "webgpu" in name or "asyncify" in name)


def engine_files() -> dict[str, bytes]:
    """The files of onnxruntime-web that a page needs, from the cache or else from npm.

    Raises:
        OSError: it is not in the cache and cannot be fetched.
        ValueError: what arrived is not the package that is expected.
    """
    content = package()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        found = {}
        for name, inside in FILES.items():
            member = archive.extractfile(f"package/dist/{inside}")
            assert member is not None  # the checksum says so
            found[name] = member.read()
    return found


def package() -> bytes:
    """The npm package, whose checksum is right; it stays in the cache."""
    kept = default_cache() / PACKAGE_NAME
    if kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == SHA256:
            return content
    content = download(address())
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"onnxruntime-web {VERSION} from {address()} has the SHA-256 {found[:12]}…, expected {SHA256[:12]}…: "
            "it was damaged or changed on the way; try again, or another NPM_CONFIG_REGISTRY"
        )
    keep(kept, content)
    return content


def address() -> str:
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY
    return f"{registry.rstrip('/')}/onnxruntime-web/-/{PACKAGE_NAME}"


def download(url: str) -> bytes:
    """Raises:
    OSError: it cannot be fetched, or is larger than it can be.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content = answer.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise OSError(
            f"the page needs onnxruntime-web {VERSION}, which could not be fetched from {url} ({error}): "
            f"try again with a network, or put its npm package into {default_cache()}"
        ) from error
    if len(content) > MOST_BYTES:
        raise OSError(f"{url} gives more than {MOST_BYTES} bytes, so it is not onnxruntime-web {VERSION}")
    return content


def keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
