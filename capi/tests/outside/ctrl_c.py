"""Ctrl-C ends calls of pyzmq that wait. Started by ci/capi, with the Python that has pyzmq."""

import os
import signal
import subprocess
import sys
import time

CALLS = {
    "recv": "pull.recv()",
    "send": "push.send(b'')",
    "poll": "pull.poll()",
    "poll several": "zmq.select([pull, rep], [push], [])",
    "proxy": "zmq.proxy(pull, push)",
}

PROGRAM = """
import zmq
context = zmq.Context()
pull, push, rep = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.REP))
print("waiting", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def sleeps(pid):
    """Has it gone to sleep, as it does when it waits?"""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


for name, call in CALLS.items():
    command = [sys.executable, "-c", PROGRAM.format(call=call)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "waiting\n", name
        guard = time.monotonic() + 20
        while not sleeps(child.pid):
            assert time.monotonic() < guard, f"{name}: it does not wait"
            os.sched_yield()
        child.send_signal(signal.SIGINT)
        try:
            said, _ = child.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            sys.exit(f"{name}: Ctrl-C did not end it")
        assert (said, child.returncode) == ("interrupted\n", 0), (name, said)
print(f"Ctrl-C: ends {', '.join(CALLS)}")
