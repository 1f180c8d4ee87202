"""The files of a folder or a zip, maybe a stranger's: names, stamps that change when a file does, and bytes."""

import errno
import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from artmodels.hub.download import leads_out

SYSTEM_FOLDERS = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"))
METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES encryption"}
UTF8_NAME = 0x800  # of a zip member's flag bits
ENCRYPTED = 0x1
FORBIDDEN = "unreadable: permission denied"  # also the stamp of such a file, which changes when it may be read

Refusals = list[tuple[str, str]]  # a file, and why it is left out


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in SYSTEM_FOLDERS for part in PurePosixPath(name).parts)


def hiding_folder(name: str) -> str:
    """The outermost folder of a file that a dot hides; "" where the file or the system hides it, or nothing does."""
    *folders, last = PurePosixPath(name).parts
    for depth, folder in enumerate(folders, start=1):
        if is_hidden(folder):
            return "" if folder in SYSTEM_FOLDERS or is_hidden(last) else "/".join(folders[:depth])
    return ""


@dataclass
class FolderSource:
    """The regular files below a folder; links are followed, but no folder is entered twice."""

    path: Path
    stamps: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    refused: Refusals = field(default_factory=list)

    def __post_init__(self):
        seen = set()

        def unreadable(error: OSError) -> None:
            name = Path(error.filename or self.path).relative_to(self.path).as_posix()
            self.refused.append((name, f"the folder cannot be read ({error.strerror}): its pictures are left out"))

        for parent, subfolders, files in os.walk(self.path, followlinks=True, onerror=unreadable):
            if (real := os.path.realpath(parent)) in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders.sort()
            for each in sorted(files):
                file = Path(parent, each)
                name = file.relative_to(self.path).as_posix()
                if is_hidden(name):
                    self.hidden.append(name)
                    continue
                try:
                    found = file.stat()
                except OSError:
                    self.refused.append((name, "a link to nowhere"))
                    continue
                if stat.S_ISREG(found.st_mode):
                    readable = os.access(file, os.R_OK)
                    self.stamps[name] = f"{found.st_size} {found.st_mtime_ns}" if readable else FORBIDDEN
                else:
                    self.refused.append((name, "no regular file"))

    def read(self, names: list[str], limit: int) -> Iterator[tuple[str, bytes | str]]:
        for name in names:
            yield name, FORBIDDEN if self.stamps[name] == FORBIDDEN else read_file(self.path / name, limit)


class ZipSource:
    """The files of a zip. Names without the UTF-8 flag are tried as UTF-8, backslashes are taken for slashes.

    Raises:
        ValueError: it cannot be opened, or names of folders are of an unknown code page.
    """

    def __init__(self, path: Path):
        self.path, self.refused = path, Refusals()
        self.hidden: list[str] = []
        self.members: dict[str, zipfile.ZipInfo] = {}
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{path} is neither a folder nor a zip that can be opened ({error}): "
                "give a folder with one sub-folder per style, a flat folder, or a zip of either"
            ) from error
        for member in self.archive.infolist():
            name, known = zip_name(member)
            if name.endswith("/"):
                continue
            if not name or leads_out(member.filename) or leads_out(name):
                self.refused.append((member.filename, "its path would leave the zip's folder"))
            elif is_hidden(name):
                self.hidden.append(name)
            elif not known and not PurePosixPath(name).parent.as_posix().isascii():
                raise ValueError(
                    f"{path}: its folders have names of an unknown code page, like {name[:80]!r}: zip it anew with "
                    "UTF-8 names, or unpack it and give the folder"
                )
            else:
                self.members[name] = member
        self.stamps = {name: f"{member.file_size} {member.CRC}" for name, member in self.members.items()}

    def read(self, names: list[str], limit: int) -> Iterator[tuple[str, bytes | str]]:
        for name in names:
            yield name, read_zip_member(self.archive, self.members[name], limit)


def zip_name(member: zipfile.ZipInfo) -> tuple[str, bool]:
    """A member's name with slashes, and whether its letters are known: many programs write UTF-8 without saying so."""
    name, known = member.filename, True
    if not member.flag_bits & UTF8_NAME and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            known = False
    return name.replace("\\", "/"), known


def read_file(path: Path, limit: int) -> bytes | str:
    """A regular file's bytes, or the reason why it is none to read; no more than the limit is ever taken.

    Raises:
        OSError, MemoryError: the machine cannot read it, at this moment.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            return "no regular file"
        content = file.read(min(found.st_size, limit) + 1)  # for as much as is asked for, memory is taken
    return content if len(content) <= limit else f"larger than {limit} bytes"


def read_zip_member(archive: zipfile.ZipFile, member: str | zipfile.ZipInfo, limit: int) -> bytes | str:
    """A file's bytes out of a zip, or the reason why it is none to read.

    Raises:
        OSError, MemoryError: the machine cannot read it, at this moment.
    """
    try:
        info = archive.getinfo(member) if isinstance(member, str) else member
        if info.file_size > limit:
            return f"larger than {limit} bytes when unpacked"
        if info.flag_bits & ENCRYPTED or info.compress_type == 99:
            return "encrypted: unpack the zip and give the folder"
        if info.compress_type in METHODS:
            return f"compressed by {METHODS[info.compress_type]}, which is not read: zip it anew, or give the folder"
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # whose unpacking nothing bounds
            return f"compressed by method {info.compress_type}, which is not read: zip it anew, or give the folder"
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            return "damaged in the zip: two sizes"
        with archive.open(info) as file:
            content = file.read(info.file_size)  # no more is unpacked, whatever there is
            return content if not file.read(1) else "damaged in the zip: it holds more than it says"
    except NotImplementedError as error:
        return f"compressed in a way that is not read ({error}): zip it anew, or give the folder"
    except MemoryError:
        raise
    except Exception as error:  # zipfile passes on what zlib, bz2 and lzma raise, which share no base
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # a place that is in no file
            raise
        return f"damaged in the zip: {error or type(error).__name__}"


def fingerprint_of(path: Path, stamps: dict[str, str]) -> str:
    """What changes when a file is added, removed or rewritten."""
    listed = repr([str(path), sorted(stamps.items())]).encode("utf-8", "surrogatepass")
    return hashlib.sha256(listed).hexdigest()
