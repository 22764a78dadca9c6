"""From a project file to callers who are answered: serve, keys, policy, verify."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from gateway.alive import (
    COMMAND,
    PATH,
    ROW,
    TOML,
    Alive,
    Heard,
    Site,
    Sites,
    asking,
    built,
    copied,
    eventually,
    site,
    sites,
)

__all__ = ["built", "site", "sites"]
OTHER = (44, 38.5, "Bonn", 0)


@pytest.fixture(scope="module")
def gateway(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alive]:
    """One gateway for those who only ask."""
    with copied(built, tmp_path_factory.mktemp("serve") / "site").alive() as alive:
        yield alive


def test_it_says_how_to_begin(gateway: Alive) -> None:
    told = gateway.told
    assert told["model"] == "forest"
    assert told["roles"] == {"partner": "averaged over smokes; label", "clinic": "scores"}
    assert (told["keys"], told["curl"]) == (0, None)
    assert [(gateway.site.state / name).stat().st_mode & 0o777 for name in
            ("secret", "signing.pem", "store.db", ".")] == [0o600, 0o600, 0o600, 0o700]  # fmt: skip


def test_the_printed_line_works(site: Site) -> None:
    """In words for a person: first how to make a key, then what to ask with it."""
    lines = said(site)
    command = next(line for line in lines if line.startswith("no keys yet. Make one: "))
    made = site.run(*shlex.split(command.partition(": ")[2])[1:])
    key = made.stdout.strip()
    assert (made.returncode, made.stdout.count("\n"), key[:4]) == (0, 1, "rtc_")
    lines = said(site, lambda line: asked(line, key))
    told = json.loads(lines[-1])
    assert told["outputs"][0]["name"] == "label"
    assert told["outputs"][0]["data"][0] in ("yes", "no")


def said(site: Site, then: Callable[[str], str] | None = None) -> list[str]:
    """Serve, hear what a person is told to its end, perhaps do as it says, and stop."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "reticent.toml", "--port", "0", "--admin-port", "0"],
        cwd=site.folder, env={**os.environ, **site.env}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("no keys yet") or line.strip().startswith("curl"):
                break
        if then is not None:
            lines.append(then(lines[-1]))
    finally:
        process.terminate()
        assert process.wait(20) == 0
        if process.stdout is not None:
            process.stdout.close()
    return lines


def asked(line: str, key: str) -> str:
    """Run a printed curl line as it stands; without curl, send what it says."""
    if shutil.which("curl"):
        env = {**os.environ, "RETICENT_KEY": key}
        return subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True,
                              check=True, timeout=20).stdout  # fmt: skip
    words = shlex.split(line)
    host, _, path = words[2].removeprefix("http://").partition("/")
    with closing(HTTPConnection(host, timeout=20)) as connection:
        shown = {"Authorization": f"Bearer {key}"}
        connection.request("POST", f"/{path}", words[words.index("-d") + 1], shown)
        return connection.getresponse().read().decode()


def test_two_roles_see_different_things(gateway: Alive) -> None:
    partner, clinic = gateway.site.key("partner"), gateway.site.key("clinic")
    for row in (ROW, OTHER, (*ROW[:3], None)):
        told = gateway.ask(partner, row)
        assert [one["name"] for one in told.json["outputs"]] == ["label"]
        assert told.body == gateway.ask(partner, ROW).body
    told = gateway.ask(clinic, ROW, OTHER)
    assert told.output("label") == ["yes", "no"]
    assert len(told.output("scores")) == 4
    assert gateway.ask(clinic, (*ROW[:3], None)).status == 400


def test_metrics_and_state_are_for_the_reserved_roles(gateway: Alive) -> None:
    site = gateway.site
    partner, admin, observer = (site.key(role) for role in ("partner", "admin", "observer"))
    gateway.ask(partner)

    def look(path: str, key: str | None) -> Heard:
        return gateway.send("GET", path, key=key, admin=True)

    metrics = look("/metrics", None)
    assert metrics.status == 200
    assert b'reticent_requests_total{role="partner",status="200"}' in metrics.body
    statuses = {
        path: [look(path, key).status for key in (admin, observer, partner, "rtc_a_b", None)]
        for path in ("/admin/status", "/admin/checkpoint", "/admin/keys", "/admin/other")
    }
    assert statuses == {
        "/admin/status": [200, 200, 403, 401, 401], "/admin/keys": [200, 403, 403, 401, 401],
        "/admin/checkpoint": [200, 200, 403, 401, 401], "/admin/other": [404] * 5,
    }  # fmt: skip
    assert gateway.send("POST", "/admin/keys", b"{}", admin, admin=True).status == 405
    assert look("/admin/status", observer).json["journal"]["entries"] > 0
    shown = look("/admin/keys", admin)
    assert {"partner", "admin", "observer"} <= {one["role"] for one in shown.json}
    assert all(part not in shown.body.decode() for part in (partner.split("_", 2)[2], "hash"))
    assert gateway.ask(admin).status == 403  # the keeper is told nothing of the model
    for path in ("/metrics", "/admin/status"):
        assert gateway.send("GET", path, key=admin).status == 404  # only on the local listener


def test_keys_live_and_die_on_all_workers(site: Site) -> None:
    site.swap("marginalize", "rows_per_day = 10\nmarginalize")
    with site.alive("--workers", "2") as gateway:
        made = site.run("keys", "create", "reticent.toml", "--role", "partner", "--owner", "Ann")
        key = made.stdout.strip()
        assert {gateway.ask(key).status for _ in range(6)} == {200}
        made = site.run("keys", "rotate", "reticent.toml", key.split("_")[1])
        new, done = made.stdout.strip(), time.monotonic()
        eventually(lambda: gateway.ask(key).status == 401, 1)
        # Within a second everywhere; what was asked with the old key meanwhile is spent as well.
        assert gateway.ask(new).status in (200, 401, 429)
        eventually(lambda: time.monotonic() > done + 1)
        assert {gateway.ask(key).status for _ in range(8)} == {401}
        told = [gateway.ask(new).status for _ in range(8)]
        assert told.count(200) <= 4  # the budget stays with its owner
        assert told[-1] == 429
        site.run("keys", "revoke", "reticent.toml", new.split("_")[1])
        done = time.monotonic()
        eventually(lambda: gateway.ask(new).status == 401, 1)
        eventually(lambda: time.monotonic() > done + 1)
        assert {gateway.ask(new).status for _ in range(8)} == {401}


def test_a_request_in_flight_is_answered_before_it_stops(site: Site) -> None:
    key, body = site.key("clinic"), asking(ROW)
    gateway = site.start()
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=10)) as line:
        head = (f"POST {PATH} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()  # fmt: skip
        line.sendall(head + body[:10])
        time.sleep(0.3)
        stopped: list[int] = []
        stopping = threading.Thread(target=lambda: stopped.append(gateway.stop()))
        stopping.start()
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gateway.port), timeout=1)
        line.sendall(body[10:])
        reply = line.recv(9999)
        assert reply.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in reply
        stopping.join(20)
    assert stopped == [0]
    assert site.run("verify", "reticent.toml").returncode == 0


def test_what_cannot_be_served_is_said(sites: Sites, tmp_path: Path) -> None:
    def refused(name: str, toml: str, *options: str, model: bool = True) -> str:
        site = sites(toml, name)
        if not model:
            (site.folder / "forest.onnx").unlink()
        told = site.run("serve", "reticent.toml", "--port", "0", "--admin-port", "0", *options)
        assert (told.returncode, told.stdout) == (2, "")
        assert told.stderr.startswith("reticent: ")
        assert len(told.stderr.splitlines()) == 1
        return told.stderr

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused("taken", TOML, "--port", port)
    assert "has no role" in refused("no roles", TOML.partition("[roles")[0])
    assert "forest.onnx" in refused("no model", TOML, model=False)
    assert "--tls-key" in refused("half", TOML, "--tls-cert", str(sites(name="x").toml))
    two = refused("no model, two workers", TOML, "--workers", "2", model=False)
    assert "forest.onnx" in two
    told = sites(name="keys").run("keys", "create", "reticent.toml", "--role", "partnr")
    assert (told.returncode, "partner" in told.stderr) == (2, True)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, private = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(form.Encoding.PEM))
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8,
                                          form.NoEncryption()))  # fmt: skip
    return chain, private


def test_over_tls(site: Site) -> None:
    chain, private = certificate(site.folder)
    key, trusted = site.key("clinic"), ssl.create_default_context(cafile=chain)
    with site.alive("--tls-cert", str(chain), "--tls-key", str(private)) as gateway:
        assert gateway.told["curl"].startswith("curl -s https://")
        with closing(HTTPSConnection("localhost", gateway.port, context=trusted)) as line:
            for length in (None, str(100 << 20)):  # the second is refused before it is sent
                line.putrequest("POST", PATH)
                line.putheader("Authorization", f"Bearer {key}")
                line.putheader("Content-Length", length or str(len(asking(ROW))))
                line.endheaders(asking(ROW))
                with line.getresponse() as reply:
                    assert reply.status == (413 if length else 200)
                    reply.read()
        with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=5)) as plain:
            plain.request("GET", "/v2")
            with pytest.raises((OSError, Exception), match=r"(?i)reset|closed|status line|BadStat"):
                plain.getresponse()
        with closing(HTTPSConnection("localhost", gateway.port, context=trusted)) as line:
            line.request("GET", "/v2/health/ready")
            with line.getresponse() as reply:
                assert reply.status == 200


def test_a_model_of_high_risk_is_for_the_inside(sites: Sites) -> None:
    site = sites(
        TOML.replace("[model]\n", "[model]\nhigh_risk = true\n") + "internal_only = true\n"
    )
    partner, clinic = site.key("partner"), site.key("clinic")
    with site.alive() as gateway:
        assert "high risk" in gateway.ask(partner).error
        assert gateway.ask(partner).status == 403
        assert gateway.ask(clinic).status == 200


def test_a_second_start_needs_no_people(site: Site) -> None:
    key = site.key("clinic")
    with site.alive() as gateway:
        before = gateway.ask(key, ROW, OTHER).body
    for name in ("members", "others", "public"):
        (site.folder / f"{name}.csv").unlink()
    with site.alive() as gateway:
        assert gateway.ask(key, ROW, OTHER).body == before
    (site.folder / "forest.onnx").write_bytes((site.folder / "forest.onnx").read_bytes() + b"\0\0")
    told = site.run("serve", "reticent.toml", "--port", "0", "--admin-port", "0")
    assert told.returncode == 2  # another model: its card is of no use


def test_what_a_batch_would_cost(site: Site) -> None:
    site.swap("marginalize", "rows_per_day = 100\nrole_rows_per_day = 150\nmarginalize")
    ann = site.key("partner", "Ann")

    def price(rows: int, *more: str) -> tuple[int, dict[str, tuple[int, int | None, bool]]]:
        code, told = site.here("policy", "price", str(site.toml), "--rows", str(rows), "--role",
                               "partner", *more)  # fmt: skip
        return code, {one["budget"]: (one["limit"], one["left"], one["fits"]) for one in told}

    with site.alive() as gateway:
        assert gateway.ask(ann, *[ROW] * 30).status == 200
    status, told = price(60, "--owner", "Ann")
    assert status == 0
    assert told == {"your rows a day": (100, 70, True),
                    "rows a day of all of partner": (150, 120, True)}  # fmt: skip
    assert price(71, "--owner", "Ann")[0] == 1
    assert price(71, "--owner", "Bob")[1]["your rows a day"] == (100, 100, True)
    assert price(71)[1]["your rows a day"] == (100, None, True)
    with site.alive() as gateway:
        assert gateway.ask(ann, *[ROW] * 71).status == 429
        assert gateway.ask(ann, *[ROW] * 70).status == 200


def test_what_is_allowed_and_hardly_meant_is_told(sites: Sites) -> None:
    quiet = sites(name="quiet")
    with quiet.alive() as gateway:
        assert gateway.told["notes"] == []
    loud = sites(TOML.replace('path = "forest', 'high_risk = true\npath = "forest'), name="loud")
    loud.swap('[roles.clinic]\noutput = "scores"\n',
              '[roles.clinic]\noutput = "scores"\nnoise = {scale = 0.1}\n')  # fmt: skip
    with loud.alive("--host", "0.0.0.0") as gateway:
        told = " ".join(gateway.told["notes"])
        assert "in the clear" in told
        assert "clinic is refused until it is internal_only" in told
        assert "jitter in hours" in told
