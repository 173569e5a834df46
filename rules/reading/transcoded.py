"""UTF-16, as PowerShell's `>` and Windows' services write it, read as UTF-8."""

import codecs
from typing import Final

from rules.reading.source import Source

_CHUNK: Final = 1 << 17  # bytes
_CODECS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def codec_of(head: bytes) -> str | None:
    """The codec of a text that begins like this; None of one that is read as it is."""
    return _CODECS.get(head[:2])


class Transcoded(Source):
    """A text in UTF-8; its offsets are those of the UTF-8, which the file does not have."""

    is_packed = True

    def __init__(self, text: Source, codec: str) -> None:
        """Take over a text that stands at its beginning, before its mark."""
        super().__init__(text.name)
        self.size, self.modified = text.size, text.modified
        self._text = text
        self._decoder = codecs.getincrementaldecoder(codec)("replace")
        self._input = memoryview(bytearray(_CHUNK))
        self._output = memoryview(b"")

    def read(self, memory: memoryview) -> int:
        """As `Source.read`; what is no UTF-16 becomes U+FFFD."""
        while not self._output:
            count = self._text.read(self._input)
            self.position = self._text.position
            text = self._decoder.decode(self._input[:count], final=not count)
            self._output = memoryview(text.encode())
            if not count and not self._output:
                return 0
        piece = self._output[: len(memory)]
        self._output = self._output[len(piece) :]
        memory[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the text."""
        self._text.close()
