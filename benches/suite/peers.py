"""The peers, their settings, and how each is built.

A column is a peer in one setting. `special` columns spin, flush by hand or give up being a socket
like the others; they are shown apart.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target'))
TARGET = Path(os.environ.get('HUBLESS_PEERS', OURS / 'peers'))
BIN = TARGET / 'bin'
HUBLESS = OURS / 'release/examples/perf'


@dataclass(frozen=True)
class Column:
    name: str
    program: str
    mode: str
    special: bool
    what: str
    sp: bool = False            # speaks nanomsg's SP, not ZMTP
    two_cpus: bool = False      # spins without end, so each side needs a CPU of its own
    cells: str = ''             # a regular expression: it differs from its ordinary setting there only


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
    Column('hubless-batch', 'hubless', '256', True, 'receives up to 256 messages at once (`recv_many`)',
           cells=r'^thr/'),
    Column('hubless-c', 'hubless-c', '', True, "the libzmq column's program on our C library", cells=r'^(?!curve)'),
    Column('omq-batch', 'omq', 'batch', True, 'receives up to 256 messages at once into storage that is reused'),
    Column('omq-spin', 'omq', 'spin', True, 'spins 50 µs before it blocks'),
    Column('omq-exclusive', 'omq', 'exclusive', True, 'REQ and REP that own their one connection'),
    Column('monocoque-flush', 'monocoque-tokio', 'flush', True, 'gathers 64 KiB or until flushed by hand'),
    Column('monocoque-compio-flush', 'monocoque-compio', 'flush', True, 'the same on compio'),
    Column('rzmq-uring', 'rzmq', 'uring', True, 'spinning io_uring threads'),
    Column('nng-pair', 'nng', 'pair', True, 'PAIR version 1 in place of PUSH and PULL', sp=True),
    Column('floor-spin', 'floor', 'spin', True, 'round trips that never block', two_cpus=True),
]


def program(name):
    """Where a program is once it is built."""
    return HUBLESS if name == 'hubless' else BIN / name


class Missing(Exception):
    """A program cannot be built; the text says what would help."""


def run(words, cwd):
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        last = '\n'.join(done.stdout.strip().splitlines()[-15:])
        raise Missing(f'{" ".join(map(str, words))}:\n{last}')


def build_hubless():
    run(['cargo', 'build', '--release', '--features', 'curve', '--example', 'perf'], ROOT)


def build_c_library():
    """The program that is written for libzmq, and a script that has it find our library."""
    BUILDERS['libzmq']()
    prefix = OURS / 'c-library'
    run(['sh', 'capi/stage.sh', prefix], ROOT)
    script = program('hubless-c')
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{prefix}/lib" exec "{program("libzmq")}" "$@"\n')
    script.chmod(0o755)


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
    'hubless-c': build_c_library,
    'libzmq': build_c('libzmq', 'zmq', 'libzmq3-dev'),
    'floor': build_rust('floor'),
    'omq': build_rust('omq', ['omq']),
    'monocoque-tokio': build_rust('monocoque', ['monocoque-tokio'], 'monocoque-tokio'),
    'monocoque-compio': build_rust('monocoque', ['monocoque-compio'], 'monocoque-compio'),
    'rzmq': build_rust('rzmq', ['rzmq']),
    'zmqrs': build_rust('zmqrs', ['zmqrs']),
    'nng': build_c('nng', 'nng', 'libnng-dev'),
    'load': build_c('load', 'zmq', 'libzmq3-dev'),
}


def build_bench(name):
    """One of our own bench programs, built."""
    words = ['cargo', 'build', '--profile', 'bench', '--bench', name, '--message-format', 'json']
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        told = json.loads(line)
        if told.get('executable') and told['target']['name'] == name:
            return told['executable']
    raise Missing(f'{" ".join(words)}:\n{done.stderr.strip()[-1000:]}')


def build(programs, say):
    """Builds what is named; gives those that could not be, with the reason."""
    BIN.mkdir(parents=True, exist_ok=True)
    missing = {}
    now = fingerprint()
    for name in programs:
        built, stamp = program(name), BIN / f'{name}.built'
        if not name.startswith('hubless') and built.exists() and stamp.exists() and stamp.read_text() == now:
            continue
        say(f'building {name}')
        try:
            BUILDERS[name]()
            stamp.write_text(now)
        except Missing as error:
            missing[name] = str(error)
            say(f'{name} is left out: {error}')
    return missing


def fingerprint():
    """Of everything the peers' programs are made from: they are built anew only when it changes."""
    told = subprocess.run(['rustc', '-V'], stdout=subprocess.PIPE, text=True).stdout
    sum_of_all = hashlib.sha256(told.encode())
    for path in sorted((ROOT / 'benches/peers').rglob('*')):
        if path.suffix in ('.rs', '.c', '.h', '.toml', '.lock'):
            sum_of_all.update(path.read_bytes())
    return sum_of_all.hexdigest()
