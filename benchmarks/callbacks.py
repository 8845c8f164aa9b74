"""Measure `opbx webhook listen` under 500 callbacks a second for 30 s; exit 1 if over a bound.

The receiver and the load are processes of their own, on the same machine; this one reads what the
receiver shows. Run with `python benchmarks/callbacks.py`, or with a rate and seconds behind it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

RATE = 500  # callbacks a second
SECONDS = 30
CONNECTIONS = 16
REFUSED = 20  # every so many has no token
P99_MAX = 250.0  # milliseconds
GROWTH_MAX = 8.0  # MiB from five seconds on
FORMS = {"--json": ["--json"], "text": [], "--json --save": ["--json", "--save"]}
BODIES = {
    "/api/voice/route": {
        "CallSid": "{id}",
        "Session": "{id}",
        "From": "+15551234567",
        "To": "+15557654321",
        "Direction": "inbound",
        "CallStatus": "ringing",
        "Domain": "customer.cloudonix.net",
        "SessionData": {"token": "{id}", "profile": {"trunk": "carrier", "notes": "n" * 300}},
    },
    "/api/webhooks/cloudonix/session-update": {
        "token": "{id}",
        "domain": "customer.cloudonix.net",
        "status": "connected",
        "callerId": "+15551234567",
        "destination": "+15557654321",
        "profile": {"notes": "n" * 300},
    },
    "/api/webhooks/cloudonix/cdr": {
        "call_id": "{id}",
        "session": {"token": "{id}", "notes": "n" * 300},
        "timestamp": 1764182400,
        "from": "+15551234567",
        "to": "+15557654321",
        "disposition": "ANSWER",
        "duration": 61,
        "billsec": 58,
        "owner": {"domain": {"name": "customer.cloudonix.net"}},
    },
}


def requests() -> list[tuple[str, str]]:
    """Return the requests' heads and bodies, each with a place for the call's number."""
    found = []
    for path, body in BODIES.items():
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        head += "User-Agent: Cloudonix\r\nx-cx-apikey: XIabc\r\nx-cx-domain: customer\r\n"
        found.append((head, json.dumps(body)))
    return [(f"{head}{{token}}Content-Length: ", body) for head, body in found]


async def load(port: int, key: str, rate: int, seconds: int) -> None:
    """Send callbacks at their times over connections that stay open; print what came back."""
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    kinds = requests()
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.2

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, rate * seconds, CONNECTIONS):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            head, body = kinds[number % len(kinds)]
            token = "" if number % REFUSED == 0 else f"Authorization: Bearer {key}\r\n"
            content = body.replace("{id}", f"call-{number:08}")
            head = head.replace("{token}", token)
            writer.write(f"{head}{len(content)}\r\n\r\n{content}".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            # From when it was due: a receiver that stalls is not let off for what waits meanwhile.
            latencies.append(loop.time() - due)
            statuses[answer[9:12].decode()] += 1
        writer.close()

    done = await asyncio.gather(*map(connection, range(CONNECTIONS)), return_exceptions=True)
    latencies.sort()
    print(
        json.dumps(
            {
                "seconds": loop.time() - start,
                "statuses": statuses,
                "broken": [repr(one) for one in done if one is not None],
                "p50": latencies[len(latencies) // 2] * 1000,
                "p99": latencies[len(latencies) * 99 // 100] * 1000,
                "max": latencies[-1] * 1000,
            }
        )
    )


@dataclass
class Shown:
    """The lines that the receiver showed: how many, and of which calls."""

    lines: int = 0
    calls: set[str] = field(default_factory=set)

    def read(self, stream: IO[str], *, is_json: bool) -> None:
        for line in stream:
            self.lines += 1
            self.calls.add(json.loads(line)["call"] if is_json else line.split("\t")[2])


def mebibytes(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def measured(form: str, rate: int, seconds: int) -> bool:
    """Run the receiver and the load, print a row, and tell whether all bounds hold."""
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved"
        options = [*FORMS[form]]
        if "--save" in form:
            # By default there is room for fewer than 30 seconds bring.
            options += [str(saved), "--save-limit", "8G"]
        environ = {
            **os.environ,
            "OPBX_DOMAIN_UUID": "6b1f0c2e-0000-4000-8000-000000000001",
            "OPBX_DOMAIN_API_KEY": "XI" + "0" * 32,
            "OPBX_WEBHOOK_API_KEY": key,
        }
        with subprocess.Popen(
            [sys.executable, "-m", "opbx_cli", "webhook", "listen", "--port", "0", *options],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                shown = Shown()
                reader = threading.Thread(
                    target=shown.read,
                    args=(process.stdout,),
                    kwargs={"is_json": "--json" in options},
                )
                reader.start()
                address = process.stderr.readline().partition("http://127.0.0.1:")[2]
                port = address.split('"')[0].split()[0]
                memory = [mebibytes(process.pid)]
                given = [port, key, str(rate), str(seconds)]
                with subprocess.Popen(
                    [sys.executable, __file__, "--load", *given], stdout=subprocess.PIPE, text=True
                ) as client:
                    time.sleep(min(5, seconds / 2))
                    memory.append(mebibytes(process.pid))
                    result = json.loads(client.communicate()[0])
                memory.append(mebibytes(process.pid))
                process.send_signal(signal.SIGINT)
                reader.join()
                code = process.wait()
            finally:
                process.kill()
        kept = [*saved.glob("*.body"), *saved.glob("*.refused.json")]
        files = len(kept) if saved.exists() else None
    return row(form, rate, seconds, result, memory, (shown, files, code))


def row(
    form: str,
    rate: int,
    seconds: int,
    result: dict[str, object],
    memory: list[float],
    end: tuple[Shown, int | None, int],
) -> bool:
    shown, files, code = end
    sent = rate * seconds
    statuses = result["statuses"]
    assert isinstance(statuses, dict)
    answered, refused = sum(statuses.values()), statuses.get("401", 0)
    lost = sent - min(
        answered, shown.lines, len(shown.calls), *([files] if files is not None else [])
    )
    taken = float(str(result["seconds"]))
    p99 = float(str(result["p99"]))
    growth = memory[2] - memory[1]
    holds = (
        lost == 0
        and result["broken"] == []
        and statuses.keys() == {"200", "401"}
        and refused == -(-sent // REFUSED)
        and p99 <= P99_MAX
        and growth <= GROWTH_MAX
        and taken <= seconds * 1.05
        and code == 0
    )
    print(
        f"webhook listen {form:13}  {answered / taken:6.0f}/s  lost {lost}  refused {refused}  "
        f"p50 {float(str(result['p50'])):.1f} ms  p99 {p99:.1f} ms (bound {P99_MAX:.0f})  RSS "
        f"{memory[0]:.1f}, {memory[1]:.1f} after 5 s, {memory[2]:.1f} MiB at the end (bound "
        f"+{GROWTH_MAX:.0f}){'' if holds else '  <-- over'}",
        flush=True,
    )
    return holds


def main() -> None:
    if sys.argv[1:2] == ["--load"]:
        asyncio.run(load(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
        return
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else RATE
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    print(f"{rate} callbacks a second for {seconds} s, over {CONNECTIONS} connections")
    held = [measured(form, rate, seconds) for form in FORMS]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
