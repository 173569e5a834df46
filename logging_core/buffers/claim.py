"""Who ships the records of a producer: whoever holds the flock of its folder, and never who a pid says.

A forked child closes the descriptors that it inherited, which leaves its parent's locks alone.
"""

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PRODUCER = re.compile("[0-9a-f]{32}")
_STILLBORN_AFTER = 60.0  #: seconds
_held: set[int] = set()  # descriptors of this process's claims
# A child that is forked between the opening of a lock and its noting would never close it, and so hold it for ever.
_not_forking = threading.RLock()
_forks: list[bool] = []  # of those under way, whether each holds `_not_forking`


class Claim:
    """The lock of one producer's folder."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> "Claim | None":
        """Lock a folder; None: somebody else has it, or it cannot be locked."""
        with _not_forking:
            try:
                descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            except OSError:
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return None
            _held.add(descriptor)
        return cls(folder, descriptor)

    @classmethod
    def create(cls, root: Path, producer: str) -> "Claim":
        """A new folder, ours from the first moment.

        Raises:
            OSError: it cannot be made, or others could write to what is above it.
        """
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        if not is_private(root):
            raise PermissionError(f"{root} is writable by others or not ours: refusing to keep log records there")
        # Made under another name, so that nobody can adopt it between its making and its locking.
        nursery = root / f".new-{producer}"
        nursery.mkdir(mode=0o700, exist_ok=True)  # of a try of ours that the disk refused
        claim = cls.take(nursery)
        if claim is None:
            raise OSError(f"{nursery} cannot be locked")
        claim.folder = nursery.rename(root / producer)
        return claim

    @property
    def shard(self) -> int | None:
        """The shard that the producer's records go to; None: it has never reached Redis."""
        try:
            return int((self.folder / "shard").readlink().name)
        except (OSError, ValueError):
            return None

    def assign(self, shard: int) -> None:
        """Note it, by a link, which takes no space that a full tmpfs has not.

        Where even that fails, an adopter chooses anew: the same one, while the number of shards stays.
        """
        with suppress(OSError):
            (self.folder / "shard").symlink_to(str(shard))

    def let_go(self) -> None:
        """Leave the folder to others."""
        with _not_forking:
            if self._descriptor in _held:
                _held.discard(self._descriptor)
                os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the folder with all that a spool keeps in it, and let go."""
        for path in (
            *self.folder.glob("*.segment*"),
            *(self.folder / name for name in ("gaps", "shard", "spool", "spill", "lock")),
        ):
            path.unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError:
            pass  # somebody else's file is in there, or it is gone already
        self.let_go()


def is_private(root: Path) -> bool:
    """Whether nobody else could have made, or can change, what is in a folder (as anyone can in /dev/shm)."""
    for folder in (root, root.parent):
        status = folder.lstat()
        shared = status.st_mode & 0o022 and not status.st_mode & 0o1000
        if status.st_uid not in (os.geteuid(), 0) or shared:
            return False
    return not root.is_symlink()


def unclaimed(root: Path) -> Iterator[Claim]:
    """The producers' folders under `root` that nobody held, one at a time, claimed for us."""
    try:
        if not is_private(root):
            return
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            continue
        if _PRODUCER.fullmatch(entry.name):
            if claim := Claim.take(Path(entry.path)):
                yield claim
        elif _is_stillborn(entry) and (claim := Claim.take(Path(entry.path))):
            claim.remove()


def _is_stillborn(entry: os.DirEntry[str]) -> bool:
    """Left by a process that died between making its folder and naming it, which takes no time at all."""
    return entry.name.startswith(".new-") and time.time() - entry.stat().st_mtime > _STILLBORN_AFTER


def _before_fork() -> None:
    # Not for long: a disk that stands still, while a folder on it is claimed, must not stop a fork.
    _forks.append(_not_forking.acquire(timeout=0.05))


def _after_fork_in_parent() -> None:
    if _forks.pop():
        _not_forking.release()


def _after_fork_in_child() -> None:
    global _not_forking
    _not_forking = threading.RLock()
    _forks.clear()
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
