"""Which files a record's line goes to: app.log; errors.log too from ERROR on; the file of its channel too.

LOG_DIR/<service>/app.log         every record; app-1.log and so on for the shards behind the first
LOG_DIR/<service>/errors.log      ERROR and above
LOG_DIR/<service>/<channel>.log   what has a field `channel`
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

from logging_core.channels import WELL_KNOWN, is_channel
from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal
from logging_core.streams.shard import Entry
from rules.counters import ERROR_LEVELS, Place
from rules.record import Record
from tasks.decoding import lines

MAX_OTHER_CHANNELS = 12  #: of a service, beside the well-known ones; what has a further one is in app.log alone


class RecordFiles:
    """Appends entries to the files of one shard."""

    def __init__(self, store: FileStore, journal: Journal, shard: int) -> None:
        self._store = store
        self._journal = journal
        self._ending = f"-{shard}.log" if shard else ".log"  # a file has one writer
        self._channels: dict[str, set[str]] = {}  # of each service: those that have a file

    def append(self, entry: Entry, records: Sequence[Record], skip: int) -> dict[int, Place]:
        """Append all but the first `skip` records of an entry; where the errors among them are, by index.

        Raises:
            OSError: see `FileStore.append`.
        """
        name = self._name(entry.service, "app")
        marked = [
            index
            for index, record in enumerate(records)
            if (record.level in ERROR_LEVELS or record.channel is not None) and index >= skip
        ]
        if not skip and not marked:  # nearly always: not a line of it is looked at
            self._store.append(name, entry.body)
            return {}
        kept = lines(entry.body)[skip:]
        begins = [0, *accumulate(map(len, kept))]
        start = self._store.append(name, b"".join(kept))
        failed = [index for index in marked if records[index].level in ERROR_LEVELS]
        for other, indexes in {"errors": failed, **self._by_channel(entry.service, records, marked)}.items():
            if indexes:
                self._store.append(self._name(entry.service, other), b"".join(kept[index - skip] for index in indexes))
        return {index: Place(name, start + begins[index - skip]) for index in failed}

    def _by_channel(self, service: str, records: Sequence[Record], marked: Sequence[int]) -> Mapping[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for index in marked:
            channel = records[index].channel
            if is_channel(channel) and self._has_file(service, channel):
                found[channel].append(index)
        return found

    def _has_file(self, service: str, channel: str) -> bool:
        """Whether the channel has a file, or is given one now: a service has a bounded number of them."""
        if channel in WELL_KNOWN:
            return True
        if service not in self._channels:
            self._channels[service] = self._journaled(service)
        known = self._channels[service]
        if channel not in known and len(known) < MAX_OTHER_CHANNELS:
            known.add(channel)
        return channel in known

    def _journaled(self, service: str) -> set[str]:
        """The channels that were ever written: the journal knows every file by its name."""
        prefix = f"{service}/"
        stems = {
            name.removeprefix(prefix).removesuffix(self._ending)
            for name in self._journal.files
            if name.startswith(prefix)
        }
        return {stem for stem in stems if is_channel(stem)} - WELL_KNOWN

    def _name(self, service: str, stem: str) -> str:
        return f"{service}/{stem}{self._ending}"
