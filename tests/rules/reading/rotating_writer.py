"""A program that writes numbered lines to a file and rotates it in all the ways there are; run as a process."""

import random
import shutil
import sys
import time
from pathlib import Path

KEPT = 50


def main(path: Path, seen: Path, seed: int, seconds: float) -> None:
    chance = random.Random(seed)
    file, number = path.open("ab", buffering=0), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(chance.randrange(20, 200)):
            number += 1
            file.write(b"%d %s\n" % (number, b"." * chance.randrange(80)))
        time.sleep(chance.choice([0, 0, 0.01, 0.05]))
        match chance.randrange(8):
            case 0 | 1 | 2:
                shift(path)
                time.sleep(chance.choice([0, 0, 0.05]))
                if chance.random() < 0.3:  # the old file is still written to for a moment
                    number += 1
                    file.write(b"%d\n" % number)
                file.close()
                file = path.open("ab", buffering=0)
            case 3:  # of several copies of one file between two looks, only the first is known again
                wait_for(seen, number)
                shift(path, copied=True)
                file.truncate(0)
            case 4:
                aside = path.parent / "aside" / path.name
                aside.parent.mkdir(exist_ok=True)
                path.rename(aside)
                time.sleep(chance.choice([0.1, 1, 3]))
                aside.rename(path)
            case 5:
                wait_for(seen, number)  # else it would be lost
                path.unlink()
                file.close()
                time.sleep(chance.choice([0, 0.3]))
                file = path.open("ab", buffering=0)
            case _:
                pass
    print(number)


def wait_for(seen: Path, number: int) -> None:
    """Until the reader has written there that it has read this line."""
    while int(seen.read_text() or 0) < number:
        time.sleep(0.01)


def shift(path: Path, *, copied: bool = False) -> None:
    """app.log.1 becomes app.log.2, and so on; app.log becomes app.log.1, or is copied to it."""
    for generation in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{generation}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{generation + 1}"))
    first = path.with_name(f"{path.name}.1")
    if copied:
        shutil.copyfile(path, first)
    else:
        path.rename(first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
