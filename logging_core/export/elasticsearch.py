"""Elasticsearch and OpenSearch, by their bulk API.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

Every document is created under an id of its own, so what is sent again is there once.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from logging_core.background import Line
from logging_core.export.errors import UnavailableError
from logging_core.export.exporter import Exporter
from logging_core.export.extras import extra
from logging_core.export.fields import fields_of
from logging_core.export.handler import ExportHandler, encoder_of
from logging_core.redaction import Redactor

with extra("elasticsearch"):
    from logging_core.export.endpoint import Endpoint, usually_passes

PATH = "/_bulk"
EXISTS = 409  #: the answer about a document that is there already: it was sent twice
_ANSWER = "filter_path=errors,items.*.status,items.*.error.type"  # all that is read of the answer
_INDEX = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")


class ElasticsearchSink(Exporter):
    """Creates a document of each line in `INDEX-YYYY.MM.DD`, by the record's day in UTC, or in a data stream.

    A document is the record as it stands, with `@timestamp`.

    Args:
        url: of Elasticsearch, such as `https://elasticsearch:9200`; with a name and password, if need be.
        index: what the names of the indices begin with; or the data stream's name.
        data_stream: `index` is a data stream, which splits itself.
        api_key: as Elasticsearch gives it out, encoded; instead of a name and password.
        username, password: basic authorisation.
        headers: further ones, such as a gateway's.
        ca_file: the certificates to trust, instead of the system's.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """

    def __init__(
        self,
        url: str,
        *,
        index: str = "app-logs",
        data_stream: bool = False,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        if not _INDEX.fullmatch(index):
            raise ValueError("index: lower-case letters, digits, '.', '_' and '-', a letter or digit first")
        if api_key is not None and username is not None:
            raise ValueError("api_key: is given beside username; one of them will do")
        secret = dict(headers or {})
        if api_key is not None:
            secret["Authorization"] = f"ApiKey {api_key}"
        self._index, self._split = index, not data_stream
        super().__init__(
            Endpoint(
                "Elasticsearch",
                url,
                path=PATH,
                query=_ANSWER,
                headers={"Content-Type": "application/x-ndjson"},
                secret_headers=secret,
                username=username,
                password=password,
                ca_file=ca_file,
            )
        )

    def send(self, lines: Sequence[Line]) -> None:
        """Create the documents; see `Exporter.send`."""
        body = bytearray()
        for index, line in enumerate(lines):
            fields = fields_of(line)
            target = {"_index": self._index_of(fields), "_id": self.identity(index)}
            body += orjson.dumps({"create": target}, None, orjson.OPT_APPEND_NEWLINE)
            body += orjson.dumps({**fields, "@timestamp": fields["timestamp"]}, None, orjson.OPT_APPEND_NEWLINE)
        self._read(self.endpoint.post(bytes(body)), len(lines))

    def _read(self, answer: bytes, count: int) -> None:
        """Count what is refused for good.

        Raises:
            UnavailableError: some documents have to be sent again. All are; those that are there stay as they are.
        """
        try:
            said = orjson.loads(answer)
            items = [next(iter(item.values())) for item in said["items"]] if said["errors"] else []
            failed = [item for item in items if item["status"] >= 300 and item["status"] != EXISTS]
        except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
            raise UnavailableError(f"{self.endpoint.where}: an answer that is not Elasticsearch's") from None
        again = [item for item in failed if usually_passes(item["status"])]
        if again:
            raise UnavailableError(f"{self.endpoint.where}: {_why(again[0])} for {len(again)} of {count} records")
        if failed:
            self.drop(len(failed), f"{self.endpoint.where}: {_why(failed[0])}")

    def _index_of(self, fields: dict[str, Any]) -> str:
        if not self._split:
            return self._index
        day: str = fields["timestamp"][:10]
        return f"{self._index}-{day.replace('-', '.')}"


def elasticsearch_handler(
    url: str,
    *,
    service: str | None = None,
    level: int | str = logging.NOTSET,
    max_records: int = 10_000,
    redact: bool | Redactor = True,
    **options: Any,
) -> ExportHandler:
    """A handler that sends records to Elasticsearch.

    Args:
        url: of Elasticsearch.
        service: the name of the application; by default `TOCSIN_SERVICE`, else the running program's.
        level: as of any handler.
        max_records: that may wait while Elasticsearch is away.
        redact: whether secrets are taken out, or by which rules.
        options: those of `ElasticsearchSink`.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """
    return ExportHandler(
        ElasticsearchSink(url, **options), encoder_of(service, redact), level=level, max_records=max_records
    )


def _why(item: dict[str, Any]) -> str:
    kind = item.get("error", {}).get("type", "")
    return f"{item['status']} {kind}".rstrip()
