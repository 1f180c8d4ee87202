"""Files of models on the Hub: sized before they are fetched, checked when they are here, and errors in one line."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from huggingface_hub import DryRunFileInfo, HfApi, constants, get_session, hf_hub_download
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)  # it becomes a path in the cache: no absolute one, none up
COMMIT = re.compile("[0-9a-f]{40}")
MESSAGE_LENGTH = 200
GATED_ADVICE = "its author lets in who asks on its page; then log in with `hf auth login`"
LISTING_TIMEOUT = 10  # seconds for a list of files
HUB_TIMEOUT = 60  # seconds without a word from the Hub; its client would wait for ever


class Unreachable(OSError):
    """The Hub cannot be asked: offline, down, or too slow."""


def parse_hub_id(name: str) -> tuple[str, str | None]:
    """`user/model` or `user/model@revision` to the repository's id and the revision, if one is named.

    Raises:
        ValueError: not of that form.
    """
    repo_id, at, revision = name.strip().partition("@")
    right = HUB_ID.fullmatch(repo_id) and ".." not in name and "--" not in repo_id
    if not right or (at and (len(revision) > 200 or not REVISION.fullmatch(revision))):
        raise ValueError(f"{name[:100]!r} is no Hub id: expected user/model, or user/model@revision")
    return repo_id, revision or None


def hub_label(repo_id: str, revision: str | None) -> str:
    """What `parse_hub_id` reads: `user/model@revision`, or `user/model`."""
    return f"{repo_id}@{revision}" if revision else repo_id


def pull(
    repo_id: str,
    name: str,
    limit: int,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    tqdm_class: type | None = None,
) -> Path:
    """One file of a model repository, from the Hub's cache or else from the Hub, in whose cache it then stays.

    Its size is read before it is fetched. What arrived is compared with the checksum that the Hub names (where the
    cache can keep that: on systems with symbolic links), and removed again if it differs.

    Raises:
        FileNotFoundError: the repository has no such file.
        ValueError: the file is larger than `limit` bytes, or the id is none.
        Unreachable: the Hub cannot be reached, and the file is not in the cache.
        OSError: no such repository or revision, no right to read it, or damage on the way.
    """
    fetch = partial(hf_hub_download, repo_id, name, cache_dir=cache_dir, token=token, local_files_only=local_files_only)
    label = hub_label(repo_id, revision)
    with clear_hub_errors(label, public_only=token is False):
        found = fetch(revision=revision, dry_run=True)
        assert isinstance(found, DryRunFileInfo)
        if found.file_size is None:
            raise ValueError(f"{label}: the Hub does not tell the size of {name}: it was not fetched")
        if found.file_size > limit:
            raise ValueError(
                f"{label}: {name} has {found.file_size / 1e6:,.1f} MB, at most {limit / 1e6:,.1f} MB can be right: "
                "it was not fetched"
            )
        fresh = force_download and not (local_files_only or constants.HF_HUB_OFFLINE)
        path = Path(fetch(revision=found.commit_hash, force_download=fresh, tqdm_class=tqdm_class))
    if revision != found.commit_hash:
        _remember(path, revision or constants.DEFAULT_REVISION, found.commit_hash)
    check_digest(path, label)
    return path


def check_listing(repo_id: str, revision: str | None = None, token: str | bool | None = None) -> None:
    """Refuse a repository with a file whose path leads out of it: whoever made that wants harm.

    Raises:
        ValueError: there is one.
        Unreachable: the Hub cannot be reached.
        OSError: no such repository or revision, or no right to read it.
    """
    with clear_hub_errors(hub_label(repo_id, revision), public_only=token is False):
        listed = HfApi(token=token).model_info(repo_id, revision=revision, timeout=LISTING_TIMEOUT).siblings or []
    for file in listed:
        if leads_out(file.rfilename):
            raise ValueError(
                f"{repo_id} holds a file whose path leads out of it ({file.rfilename[:80]!r}): nothing was fetched"
            )


def leads_out(name: str) -> bool:
    """Whether a file's name, in a repository or a zip, is a path that leaves its folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or not path.parts or ".." in path.parts or bool(re.match("[A-Za-z]:", name))


def _remember(path: Path, revision: str, commit: str) -> None:
    """Note which commit a branch or tag was last seen at, as the cache does, for days without a Hub."""
    repository = next(parent.parent for parent in path.parents if parent.name == "snapshots")
    reference = repository / "refs" / revision
    try:
        if not reference.is_file() or reference.read_text("utf-8") != commit:
            reference.parent.mkdir(parents=True, exist_ok=True)
            reference.write_text(commit, "utf-8")
    except OSError:  # a cache that may only be read
        return


def check_digest(path: Path, label: str) -> None:
    """Compare a cached file with the checksum that the cache keeps it under; a damaged one is removed.

    Files in LFS are named after their SHA-256, others after git's SHA-1 of a blob.

    Raises:
        OSError: they differ.
    """
    if not path.is_symlink():
        return
    blob = path.parent / os.readlink(path)
    expected = blob.name
    if re.fullmatch("[0-9a-f]{64}", expected):
        digest = hashlib.sha256()
    elif re.fullmatch("[0-9a-f]{40}", expected):
        digest = hashlib.sha1(f"blob {blob.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        return
    with blob.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    if digest.hexdigest() != expected:
        for damaged in (path, blob):
            damaged.unlink(missing_ok=True)
        raise OSError(f"{label}: {path.name} was damaged on the way (its checksum is wrong): try again")


@contextmanager
def clear_hub_errors(label: str, public_only: bool = False) -> Iterator[None]:
    """Say what the Hub or its client objects to in one line that names what to try.

    Where only what is public may be read, nobody is told to log in.

    Raises:
        FileNotFoundError: the repository has no such file.
        ValueError: the id is none.
        Unreachable: the Hub cannot be reached, and what is wanted is not in the cache.
        OSError: all else.
    """
    get_session().timeout = HUB_TIMEOUT
    try:
        yield
    except GatedRepoError as error:
        advice = "only public models are shown here" if public_only else GATED_ADVICE
        raise OSError(f"{label} is gated: {advice}") from error
    except RepositoryNotFoundError as error:
        advice = (
            "; private models are not shown here" if public_only else "; if it is private, log in with `hf auth login`"
        )
        raise OSError(f"the Hub shows no {label}: check the spelling{advice}") from error
    except RevisionNotFoundError as error:
        raise OSError(f"{label}: there is no such revision; name a branch, a tag or a commit") from error
    except RemoteEntryNotFoundError as error:
        wanted = str(error.response.url).rpartition("/")[2] or "file"
        raise FileNotFoundError(f"{label} holds no {wanted}: it is not a model that artmodels published") from error
    except LocalEntryNotFoundError as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(error.__cause__, label) from error
        if isinstance(error.__cause__, FileMetadataError):
            raise _no_hub(label) from error
        why = "this machine is offline (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else "the Hub cannot be reached"
        raise Unreachable(f"{label} is not in the cache, and {why}: try again later") from error
    except HFValidationError as error:
        raise ValueError(f"{label} is no Hub id: expected user/name, or user/name@revision") from error
    except OfflineModeIsEnabled as error:
        raise Unreachable(f"{label}: this machine is offline (HF_HUB_OFFLINE): unset it to reach the Hub") from error
    except LocalTokenNotFoundError as error:
        raise OSError(f"{label}: nobody is logged in: run `hf auth login`, or set HF_TOKEN") from error
    except FileMetadataError as error:
        raise _no_hub(label) from error
    except HfHubHTTPError as error:
        raise _refusal(error, label) from error
    except HTTPError as error:  # the network's own: no connection, a time-out, an answer cut short
        raise Unreachable(
            f"{label}: the Hub cannot be reached ({type(error).__name__}): try again when it can"
        ) from error
    except OSError as error:
        if "Consistency check failed" in str(error):
            raise OSError(f"{label}: the download was cut short: try again") from error
        raise
    except (json.JSONDecodeError, KeyError) as error:  # an answer of another form
        raise _no_hub(label) from error
    except ValueError:
        raise
    except Exception as error:  # the client wraps what befalls an upload, and Xet has errors of its own
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(error.__cause__, label) from error
        raise Unreachable(
            f"{label}: the transfer failed ({_first_line(error.__cause__ or error)}): try again"
        ) from error


def _no_hub(label: str) -> Unreachable:
    return Unreachable(
        f"{label}: what answers at {constants.ENDPOINT} is not a Hub: check HF_ENDPOINT, or try again later"
    )


def _refusal(error: HfHubHTTPError, label: str) -> OSError:
    status = error.response.status_code if error.response is not None else 0
    said = _first_line(error.server_message or error)
    advice = {
        400: f"the Hub refuses what it was sent: {said}",
        401: "the Hub does not know this token: log in with `hf auth login`, by a token that may write",
        403: "this token may not do that: log in with `hf auth login`, by a token that may write there",
        409: "somebody else is changing it at this moment: try again",
        412: "somebody else has changed it at this moment: try again",
    }
    if status == 429:
        return Unreachable(f"{label}: the Hub asks for patience, too many requests: try again in some minutes")
    if status >= 500:
        return Unreachable(f"{label}: the Hub has a fault of its own ({status}): try again later")
    return OSError(f"{label}: {advice.get(status, f'the Hub answers {status}: {said}')}")


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:MESSAGE_LENGTH] if lines else type(error).__name__
