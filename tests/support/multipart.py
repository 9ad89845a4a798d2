# SPDX-License-Identifier: Apache-2.0
"""multipart/form-data bodies, byte by byte, so that tests can also write wrong ones."""

from dataclasses import dataclass
from typing import Optional, Union

BOUNDARY = "codecell-contract-boundary"


@dataclass
class Part:
    """One part. disposition replaces the whole Content-Disposition value if given."""

    name: str
    data: Union[bytes, str] = b""
    filename: Optional[Union[str, bytes]] = None
    content_type: Optional[str] = None
    disposition: Optional[bytes] = None

    def header(self):
        if self.disposition is not None:
            value = self.disposition
        else:
            value = b'form-data; name="' + self.name.encode() + b'"'
            if self.filename is not None:
                raw = self.filename if isinstance(self.filename, bytes) else self.filename.encode()
                value += b'; filename="' + raw.replace(b'"', b"%22") + b'"'
        lines = [b"Content-Disposition: " + value]
        if self.content_type is not None:
            lines.append(b"Content-Type: " + self.content_type.encode())
        return b"\r\n".join(lines)

    def encode(self):
        data = self.data.encode() if isinstance(self.data, str) else self.data
        return self.header() + b"\r\n\r\n" + data + b"\r\n"


def file(filename, data=b"x\n", name="file", content_type="application/octet-stream"):
    return Part(name, data, filename, content_type)


def field(name, value):
    return Part(name, value)


def encode(parts, boundary=BOUNDARY):
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part.encode() for part in parts) + mark + b"--\r\n"


def content_type(boundary=BOUNDARY):
    return f"multipart/form-data; boundary={boundary}"
