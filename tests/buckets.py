"""A server of buckets on this machine (moto's, which speaks S3), and where its driver is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = [
    "s3fs==2026.9.0", "aiobotocore==3.10.0", "boto3==1.43.117", "moto==5.2.5", "py-partiql-parser==0.6.3",
    "flask==3.1.3", "flask-cors==6.0.5",
]  # fmt: skip
"""aiobotocore takes few versions of boto3's, and an older python-dateutil than we are tested with: hence a folder of
their own, whose packages go before ours in the processes that use it."""

_SERVER = """
import threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

buckets = DomainDispatcherApplication(create_backend_app)
state = {"puts": -1, "how": "", "met": threading.Event()}

def answer(environ, start, status, body=b""):
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]

def gate(environ, start):
    path = environ["PATH_INFO"]
    if path.startswith("/gate/"):
        _, _, how, number = path.split("/")
        if how == "await":
            return answer(environ, start, "200 OK" if state["met"].wait(float(number)) else "504 Late")
        state.update(puts=int(number), how=how)
        state["met"].clear()
        return answer(environ, start, "200 OK")
    if environ["REQUEST_METHOD"] in ("PUT", "POST") and state["puts"] >= 0:
        if state["puts"] == 0:
            state["met"].set()
            if state["how"] == "hold":
                threading.Event().wait(600)
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            return answer(environ, start, "403 Forbidden", body)
        state["puts"] -= 1
    return buckets(environ, start)

server = make_server("127.0.0.1", 0, gate, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True)
class Buckets:
    """A running server, and how to talk to it."""

    url: str
    environment: dict[str, str]

    def gate(self, how: str, number: int) -> None:
        """After so many writes `hold` the next one or `refuse` it; `open` with -1; `await` so many seconds for that."""
        with urllib.request.urlopen(f"{self.url}/gate/{how}/{number}", timeout=number + 60) as response:  # noqa: S310
            assert response.status == 200

    def python(self, code: str, *arguments: str) -> str:
        """Run code where the driver is installed; return what it prints."""
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", code, *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def install(folder: Path) -> None:
    """Install the driver and the server, or skip."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(folder)]
    done = subprocess.run([*pip, *PACKAGES], capture_output=True, text=True, check=False, timeout=400)
    if done.returncode:
        pytest.skip(f"s3fs and moto cannot be had without a network: {done.stderr.strip().splitlines()[-1]}")


@contextmanager
def serving(packages: Path) -> Iterator[Buckets]:
    """Serve buckets until the end."""
    paths = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            yield Buckets(url, {**environment, "AWS_ENDPOINT_URL": url})
        finally:
            server.kill()
