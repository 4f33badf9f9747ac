"""A server of object storage on this machine: moto's, behind the real client and real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

BUCKET = "bucket"


@dataclass
class Server:
    """One that runs.

    Attributes:
        url: of it.
        conditional: whether it knows If-None-Match; without it, it overwrites as older stores do.
        conflicts: puts that are still to be answered as if another writer were amid the same one.
        asked: methods and paths of the requests, in order.
        client: another client of it, for what somebody else does.
    """

    url: str = ""
    conditional: bool = True
    conflicts: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    client: Any = None

    def objects(self, prefix: str) -> dict[str, bytes]:
        """All below a prefix, by their names."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        return {key[len(prefix) + 1 :]: self.read(key) for key in keys}

    def read(self, key: str) -> bytes:
        found: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return found

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def served(environment: Callable[[str, str], None]) -> Iterator[Server]:
    """A server with an empty bucket; ``environment`` sets what its clients find it by."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = Server()
    application = DomainDispatcherApplication(create_backend_app)

    def listening(environ: dict[str, Any], start: Any) -> Any:
        server.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if not server.conditional:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ and server.conflicts:
            server.conflicts -= 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("409 Conflict", [("Content-Type", "application/xml")])
            return [b"<Error><Code>ConditionalRequestConflict</Code><Message>again</Message></Error>"]
        return application(environ, start)

    behind = make_server("127.0.0.1", 0, listening, threaded=True)
    thread = threading.Thread(target=behind.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{behind.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "in-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        environment(name, value)
    import boto3

    urlopen(Request(f"{server.url}/moto-api/reset", method="POST")).close()  # moto keeps buckets beyond a server
    server.client = boto3.client("s3", endpoint_url=server.url)
    server.client.create_bucket(Bucket=BUCKET)
    try:
        yield server
    finally:
        server.client.close()
        behind.shutdown()
        thread.join()
        behind.server_close()
