"""What `ordebug eval` costs per request beside a bare asyncio + openai loop with the same requests, in one run.

A fast local server, a process of its own, answers every prompt at once (or after --latency) by dropping the first row
of the IIS. The harness plays the benchmark against it; the bare loop then sends the very same requests with the same
concurrency and throws the answers away. Both are repeated in turn. Timed are the episodes from the end of the first
one, which goes alone, to the last line in episodes.jsonl: wall time, and CPU time of the process with the event loop,
which is what is left of the overhead where the judges' processes have cores of their own. What a run pays once is
reported apart: the start (processes of the judges, the first episode) and the figures (bootstrap).

    python scripts/bench_eval.py --bench BENCH
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import openai

from ordebug_plugin.agents.chat import ChatAgent, Endpoint, Sampling
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.evaluate.engine import Served
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.run import EPISODES, RunConfig, run_evaluation
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import SYSTEM_PROMPT, Message, Style, system_for

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_FIRST_ROW = re.compile(rb"Conflicting Constraints: \['([^']*)'")
_ROW = "@row@"
_TEMPLATE = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": f"<think>\nThe first row.\n</think>\n\nAction: DROP_CONSTRAINT({_ROW})",
                },
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
).encode()


class Times(NamedTuple):
    """Seconds of a run: until the first episode has ended, of the other episodes, and of the figures after them."""

    start: float
    episodes: float
    cpu: float
    figures: float


class Answering(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as little of it as the client needs."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers once a request is whole."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._data = b""
        row = _FIRST_ROW.findall(body)
        reply = _TEMPLATE.replace(_ROW.encode(), row[-1] if row else b"")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, head + reply)
        else:
            self._transport.write(head + reply)


def serve(latency: float, pipe: Connection) -> None:
    """The server's process."""

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(latency), "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def harness(chat: ChatAgent, problems: tuple[Problem, ...], samples: int, concurrency: int, out: Path) -> Times:
    """One run of `ordebug eval`; its episodes give the requests for the bare loop."""
    ends: list[tuple[float, float]] = []
    config = RunConfig("bench", {"name": chat.name}, concurrency, samples=samples)
    began = time.perf_counter()
    run_evaluation(config, Served(chat), problems, out, on_result=lambda _: ends.append(now()))
    (first, first_cpu), (last, last_cpu) = ends[0], ends[-1]
    return Times(first - began, last - first, last_cpu - first_cpu, time.perf_counter() - last)


def now() -> tuple[float, float]:
    """Wall time, and CPU time of this process."""
    return time.perf_counter(), time.process_time()


def requests_of(chat: ChatAgent, problems: tuple[Problem, ...], out: Path) -> list[dict[str, Any]]:
    """The bodies that a run sent."""
    extended = {problem.content_hash: problem.extended for problem in problems}
    bodies = []
    for episode in load_episodes(out / EPISODES):
        system = system_for(SYSTEM_PROMPT, extended=extended[episode.problem_hash]) or ""
        for turn in episode.turns:
            messages = [Message("system", system), Message("user", turn.reply.prompt or "")]
            bodies.append(chat.body(messages, episode.sample))
    return bodies


async def bare(url: str, bodies: list[dict[str, Any]], concurrency: int) -> tuple[float, float]:
    """The loop that one writes in five minutes: seconds of wall time and of CPU time."""
    async with openai.AsyncOpenAI(base_url=url, api_key="EMPTY", timeout=600.0, max_retries=4) as client:
        waiting = iter(bodies)

        async def worker() -> None:
            for body in waiting:
                await client.chat.completions.create(**body)

        began, began_cpu = now()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        end, end_cpu = now()
        return end - began, end_cpu - began_cpu


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="benchmark folder, e.g. the public test_v2")
    parser.add_argument("--samples", type=int, default=4, help="episodes per problem (default 4)")
    parser.add_argument("--limit", type=int, help="only the first N problems")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 64], help="default 8 64")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the server takes (default 0)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, alternating (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(options.latency, theirs), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/v1"
        records = [measure(options, url, concurrency) for concurrency in options.concurrency]
    except OrdebugError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        server.terminate()
    if options.json is not None:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    return 0


def measure(options: argparse.Namespace, url: str, concurrency: int) -> dict[str, Any]:
    """Both ways at one concurrency, the first of each thrown away: it imports and warms up."""
    problems = load_benchmark(options.bench).problems[: options.limit]
    chat = ChatAgent(Endpoint(url, "m"), Style(), Sampling())
    ours: list[float] = []
    theirs: list[float] = []
    times: list[Times] = []
    cpu: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(options.repeats + 1):
            out = Path(scratch) / str(repeat)
            took = harness(chat, problems, options.samples, concurrency, out)
            bodies = requests_of(chat, problems, out)
            loop, loop_cpu = asyncio.run(bare(url, bodies, concurrency))
            if repeat:
                times.append(took)
                ours.append(1e3 * took.episodes / (len(bodies) - 1))
                theirs.append(1e3 * loop / len(bodies))
                cpu.append((1e3 * took.cpu / (len(bodies) - 1), 1e3 * loop_cpu / len(bodies)))
    ratio = statistics.median(ours) / statistics.median(theirs)
    our_cpu, their_cpu = (statistics.median(values) for values in zip(*cpu, strict=True))
    pairs = [a / b for a, b in zip(ours, theirs, strict=True)]
    once = {name: statistics.median(getattr(one, name) for one in times) for name in ("start", "figures")}
    print(
        f"concurrency {concurrency}, {len(bodies)} requests, server {1e3 * options.latency:g} ms: "
        f"ordebug eval {statistics.median(ours):.3f} ms a request, bare loop {statistics.median(theirs):.3f}, "
        f"ratio of medians {ratio:.3f} (pairs {min(pairs):.3f} to {max(pairs):.3f}); "
        f"CPU of the loop's process {our_cpu:.3f} and {their_cpu:.3f} ms, ratio {our_cpu / their_cpu:.3f}; "
        f"once a run: start {once['start']:.2f} s, figures {once['figures']:.2f} s",
        flush=True,
    )
    return {
        "concurrency": concurrency,
        "requests": len(bodies),
        "latency": options.latency,
        "harness_ms": ours,
        "bare_ms": theirs,
        "ratio": ratio,
        "cpu_ms": cpu,
        "once_seconds": once,
    }


if __name__ == "__main__":
    sys.exit(main())
