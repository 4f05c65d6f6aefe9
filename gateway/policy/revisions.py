"""Policy folders as they were, or will be: read from a git revision, without a work tree."""

import io
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from gateway.policy.problems import Findings, Source

_GIT_SECONDS = 60


class RevisionUnreadable(ValueError):
    """Says why something is neither a folder nor a revision of one."""


def read_revision(text: str, folder: Path, findings: Findings) -> tuple[Source, ...]:
    """Read every `*.toml` of `REVISION:folder`, or of `folder` in a REVISION. Raises RevisionUnreadable."""
    revision, colon, path = text.partition(":")
    if not revision or revision.startswith("-"):
        raise RevisionUnreadable(f"{text!r} is neither a folder nor a revision of one")
    where = Path(path) if colon else folder
    place = where.parent if where.is_absolute() else Path()
    inside = where.name if where.is_absolute() else where.as_posix()
    archive = _git(place, "archive", "--format=tar", f"{revision}:./{inside}", name=text)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = sorted(tar.getmembers(), key=lambda member: member.name)
        sources = (_source(tar, member, f"{revision}:{where.as_posix()}", findings) for member in members)
        return tuple(source for source in sources if source is not None)


def _source(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, findings: Findings) -> Source | None:
    path = PurePosixPath(member.name)
    if (
        path.suffix != ".toml"
        or any(part.startswith(".") for part in path.parts)
        or not (member.isfile() or member.issym())
    ):
        return None
    try:
        file = tar.extractfile(member)
        return Source(f"{name}/{path}", (file.read() if file else b"").decode("utf-8-sig"))
    except KeyError:
        findings.note(f"{name}/{path}", "is a link to what is not in this revision")
    except UnicodeDecodeError as error:
        findings.note(f"{name}/{path}", f"is not UTF-8 (byte {error.start})")
    return None


def _git(place: Path, *words: str, name: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 (the operator's own words, as arguments and never to a shell)
            ["git", *words],  # noqa: S607 (git is where the operator has it)
            cwd=place,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else str(error)
        raise RevisionUnreadable(f"{name!r} is neither a folder nor a revision of one: {reason}") from error
    return done.stdout
