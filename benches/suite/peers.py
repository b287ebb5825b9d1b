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
    Column('omq', 'omq', '', False, 'omq-tokio 0.33.0, blocking API'),
    Column('omq-ct', 'omq', 'ct', False, 'its async sockets on a runtime of one thread'),
    Column('monocoque', 'monocoque-tokio', '', False, 'monocoque-rs 0.4.2 on tokio, each message sent at once'),
    Column('monocoque-compio', 'monocoque-compio', '', False, 'the same on compio, that is io_uring'),
    Column('rzmq', 'rzmq', '', False, 'rzmq 0.5.28 on tokio, adaptive throttle off'),
    Column('zmqrs', 'zmqrs', '', False, 'zeromq 0.7.0 on tokio with two workers'),
    Column('zmqrs-ct', 'zmqrs', 'ct', False, 'the same on a runtime of one thread'),
    Column('nng', 'nng', '', False, 'nng 1.5, SP instead of ZMTP', sp=True),
    Column('floor', 'floor', '', False, 'raw frames on plain sockets; a ring in process'),
    Column('omq-batch', 'omq', 'batch', True, 'receives up to 256 messages at once into storage that is reused'),
    Column('omq-spin', 'omq', 'spin', True, 'spins 50 µs before it blocks'),
    Column('omq-exclusive', 'omq', 'exclusive', True, 'REQ and REP that own their one connection'),
    Column('monocoque-flush', 'monocoque-tokio', 'flush', True, 'gathers 64 KiB or until flushed by hand'),
    Column('monocoque-compio-flush', 'monocoque-compio', 'flush', True, 'the same on compio'),
    Column('rzmq-uring', 'rzmq', 'uring', True, 'spinning io_uring threads'),
    Column('nng-pair', 'nng', 'pair', True, 'PAIR version 1 in place of PUSH and PULL', sp=True),
    Column('floor-spin', 'floor', 'spin', True, 'round trips that never block', two_cpus=True),
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
    'omq': build_rust('omq', ['omq']),
    'monocoque-tokio': build_rust('monocoque', ['monocoque-tokio'], 'monocoque-tokio'),
    'monocoque-compio': build_rust('monocoque', ['monocoque-compio'], 'monocoque-compio'),
    'rzmq': build_rust('rzmq', ['rzmq']),
    'zmqrs': build_rust('zmqrs', ['zmqrs']),
    'nng': build_c('nng', 'nng', 'libnng-dev'),
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
