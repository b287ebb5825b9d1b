"""The peers, their settings, and how each is built.

A column is a peer in one setting. `special` columns spin, flush by hand or give up being a socket
like the others; they are shown apart.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')) / 'peers'
BIN = TARGET / 'bin'


@dataclass(frozen=True)
class Column:
    name: str
    program: str
    mode: str
    special: bool
    what: str
    sp: bool = False            # speaks nanomsg's SP, not ZMTP
    two_cpus: bool = False      # spins without end, so each side needs a CPU of its own


COLUMNS = [
    Column('hubless', 'hubless', '', False, 'the ordinary, blocking API'),
    Column('libzmq', 'libzmq', '', False, 'zmq_send, zmq_msg_recv'),
    Column('floor', 'floor', '', False, 'raw frames on plain sockets; a ring in process'),
    Column('floor-spin', 'floor', 'spin', True, 'the same, never blocking', two_cpus=True),
]


class Missing(Exception):
    """A program cannot be built; the text says what would help."""


def run(words, cwd):
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        last = '\n'.join(done.stdout.strip().splitlines()[-15:])
        raise Missing(f'{" ".join(map(str, words))}:\n{last}')


def build_hubless():
    run(['cargo', 'build', '--release', '--example', 'perf'], ROOT)
    built = Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')) / 'release/examples/perf'
    shutil.copy2(built, BIN / 'hubless')


def build_c(name, library, package):
    def build():
        source = ROOT / f'benches/peers/c/{name}.c'
        try:
            run(['cc', '-O3', '-Wall', '-o', BIN / name, source, f'-l{library}', '-lpthread'], ROOT)
        except (Missing, FileNotFoundError) as error:
            raise Missing(f'{error}\n{name} needs a C compiler and Debian\'s {package} (apt-get install {package})')
    return build


def build_rust(name, features=(), as_name=None):
    def build():
        words = ['cargo', 'build', '--release', '--bin', name, '--target-dir', TARGET]
        if features:
            words += ['--features', ','.join(features)]
        run(words, ROOT / 'benches/peers')
        shutil.copy2(TARGET / 'release' / name, BIN / (as_name or name))
    return build


BUILDERS = {
    'hubless': build_hubless,
    'libzmq': build_c('libzmq', 'zmq', 'libzmq3-dev'),
    'floor': build_rust('floor'),
}


def build(programs, say):
    """Builds what is named; gives those that could not be, with the reason."""
    BIN.mkdir(parents=True, exist_ok=True)
    missing = {}
    for program in programs:
        say(f'building {program}')
        try:
            BUILDERS[program]()
        except Missing as error:
            missing[program] = str(error)
            say(f'{program} is left out: {error}')
    return missing
