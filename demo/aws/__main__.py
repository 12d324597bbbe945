"""`python -m demo.aws --port 5000 --seed 206 --size 206 --state DIR --clock-file PATH`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from inventory.clock import ClockFile, real_now

from .account import Simulator
from .server import Server


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or Ctrl-C. 2 when the kept account does not fit seed and size."""
    parser = argparse.ArgumentParser(prog="demo.aws", description="A simulated AWS account.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=206)
    parser.add_argument("--size", type=int, default=206)
    parser.add_argument("--state", type=Path, help="folder that keeps what happened")
    parser.add_argument("--clock-file", type=Path, help="seconds ahead of real time")
    chosen = parser.parse_args(arguments)
    log_path = None
    if chosen.state is not None:
        chosen.state.mkdir(parents=True, exist_ok=True)
        log_path = chosen.state / "account.jsonl"
    clock = ClockFile(chosen.clock_file).now if chosen.clock_file else real_now
    try:
        simulator = Simulator(chosen.seed, chosen.size, clock, log_path=log_path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    simulator.advance()
    server = Server(simulator, chosen.host, chosen.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"Simulated account {simulator.account.id} at {server.endpoint}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
