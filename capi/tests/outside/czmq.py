"""Calls the self-tests that CZMQ's library exports, each in a process of its own, in a folder where
they may leave things. One that fails is run again, three times at most: zgossip's wants to hear of
two peers in the order in which they were started, which nobody promises.
Started by ci/capi: czmq.py LIBRARY FOLDER NAMES..."""

import os
import subprocess
import sys

library, folder, *names = sys.argv[1:]
# Some of them write there.
os.makedirs(f"{folder}/src/selftest-rw", exist_ok=True)
os.makedirs(f"{folder}/src/selftest-ro", exist_ok=True)
failed = []
for name in names:
    code = f"import ctypes; ctypes.CDLL({library!r}).{name}_test(0)"
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            break
        print(f"{name}: {done.returncode}: {done.stdout[-500:]}")
    else:
        failed.append(name)
print(f"CZMQ: {len(names) - len(failed)} of {len(names)} self-tests pass")
sys.exit(1 if failed else 0)
