"""One part of a multipart/related body, as WADO-RS wraps an instance."""

from __future__ import annotations

from email.message import Message

LINE = b"\r\n"


def only_part(content_type: str, body: bytes) -> bytes:
    """The content of the one part of a body; the body itself where it isn't wrapped, as some archives send it.

    Args:
        content_type: of the answer.
        body: of it.

    Raises:
        ValueError: no part, several, or no boundary.

    Source: RFC 2046 section 5.1; PS3.18 8.7.
    """
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() == "application/dicom":
        return body
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/related" or not boundary:
        raise ValueError("expected multipart/related with a boundary")
    mark = LINE + b"--" + boundary.encode("ascii")
    parts = (LINE + body).split(mark)
    if len(parts) != 3 or not parts[2].startswith(b"--"):
        raise ValueError("expected one part")
    head, blank, content = parts[1].partition(LINE + LINE)
    if not blank or head.strip(b" \t").startswith(LINE + LINE):
        raise ValueError("expected a part with a header")
    return content
