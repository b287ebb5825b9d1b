"""Runs one cell of one column once: two processes, pinned, timed, with what they cost."""

import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .peers import program

LACKING = 3
# How often the memory of a running side is looked at.
WEIGH_S = 0.05


class Failed(Exception):
    """A run gave no figure; the text is the reason."""


class Lacking(Failed):
    """The peer has no such thing."""


@dataclass
class Run:
    count: int
    value: float
    output: dict
    cpu_us: dict = field(default_factory=dict)       # side -> CPU a message
    wakes: float = 0.0                                # voluntary context switches a thousand messages
    peak_mb: dict = field(default_factory=dict)


def more_files():
    """Crowds need as many descriptors as the system gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    """A port below the range from which the system lends ports, so that nobody borrows it."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            # Without it, a connection in TIME_WAIT would look like a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


class Place:
    """An address for one run, and whether somebody listens there (without connecting)."""

    def __init__(self, scheme, sp):
        if scheme == 'tcp':
            self.port = free_port()
            self.own = f'tcp://127.0.0.1:{self.port}'
        else:
            self.folder = tempfile.mkdtemp(prefix='hubless-bench-')
            self.path = f'{self.folder}/at'
            self.own = f'ipc://{self.path}'
        self.scheme = scheme
        self.raw = f'sp+{self.own}' if sp else self.own

    def listens(self):
        if self.scheme == 'tcp':
            port = f':{self.port:04X}'
            for table in ('/proc/net/tcp', '/proc/net/tcp6'):
                for line in Path(table).read_text().splitlines()[1:]:
                    words = line.split()
                    if words[1].endswith(port) and words[3] == '0A':
                        return True
            return False
        # The flag says that it accepts connections.
        for line in Path('/proc/net/unix').read_text().splitlines()[1:]:
            words = line.split()
            if words[-1] == self.path and int(words[3], 16) & 0x10000:
                return True
        return False

    def clean(self):
        if self.scheme != 'tcp':
            shutil.rmtree(self.folder, ignore_errors=True)


def cpus(cell):
    """The CPUs of both sides."""
    all_of_them = sorted(os.sched_getaffinity(0))
    first, second = all_of_them[0], all_of_them[min(1, len(all_of_them) - 1)]
    match cell.place:
        case 'same':
            return {first}, {first}
        case 'split':
            return {first}, {second}
        case _:
            return set(all_of_them), set(all_of_them)


def words(cell, side, column, place, count):
    """The command line of one side."""
    raw = cell.raw_side == side
    built = program('floor' if raw else column.program)
    role = cell.a if side == 'a' else cell.b
    at = place.raw if raw else place.own
    match role:
        case 'inproc-thr' | 'inproc-lat':
            return [built, role, cell.size, count]
        case 'idle' | 'peers':
            return [built, role, 'pull', at, cell.subs]
        case 'pub':
            return [built, role, at, cell.size, count, cell.subs]
        case 'drain':
            return [built, role, at, cell.size, count, cell.subs, cell.matching]
        case _:
            return [built, role, at, cell.size, count]


def environment(cell, side, column):
    env = dict(os.environ, **cell.env)
    if cell.subs > 1:
        env['PEERS'] = str(cell.subs)
    if column.mode and cell.raw_side != side:
        env['BATCH' if column.program == 'hubless' else 'MODE'] = column.mode
    return env


def settle(on):
    """In the new process: its CPUs, and when memory runs out it is the one that goes, not the run."""
    os.sched_setaffinity(0, on)
    Path('/proc/self/oom_score_adj').write_text('1000')


class Side:
    """A process of a run."""

    def __init__(self, command, on, env):
        self.command = [str(word) for word in command]
        self.out = tempfile.TemporaryFile('w+')
        self.err = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, env=env,
            preexec_fn=lambda: settle(on), start_new_session=True)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.status = self.usage = None
        self.peak_kb = 0

    def weigh(self):
        """Notes the most memory it has had so far. What `wait4` tells of that begins with what we had
        when we made it, so it is asked while it lives."""
        try:
            status = Path(f'/proc/{self.process.pid}/status').read_text()
        except OSError:
            return
        found = re.search(r'^VmHWM:\s+(\d+) kB', status, re.MULTILINE)
        self.peak_kb = max(self.peak_kb, int(found[1]) if found else 0)

    def reap(self):
        """Takes its end and what it cost, if it has ended."""
        if self.status is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.usage = usage
        return self.status is not None

    def kill(self):
        if not self.reap():
            os.killpg(self.process.pid, signal.SIGKILL)
            _, status, self.usage = os.wait4(self.process.pid, 0)
            self.status = self.process.returncode = os.waitstatus_to_exitcode(status)

    def text(self, file):
        file.seek(0)
        return file.read()

    def close(self):
        self.kill()
        os.close(self.pidfd)
        self.out.close()
        self.err.close()

    def complaint(self):
        lines = self.text(self.err).strip().splitlines()
        return lines[-1] if lines else f'exit code {self.status}'


def await_listener(place, side, deadline):
    while not place.listens():
        if side.reap():
            raise complain(side)
        if time.monotonic() > deadline:
            raise Failed('did not listen in time')
        time.sleep(0.003)


def complain(side):
    """What the end of a side means that ended badly."""
    if side.status == LACKING:
        return Lacking(side.complaint())
    return Failed(side.complaint())


def await_ends(sides, deadline):
    """Waits for both; the first that fails takes the other with it."""
    poll = select.poll()
    for side in sides:
        poll.register(side.pidfd, select.POLLIN)
    while True:
        for side in sides:
            if side.reap():
                if side.status != 0:
                    raise complain(side)
                try:
                    poll.unregister(side.pidfd)
                except KeyError:
                    pass
        if all(side.status is not None for side in sides):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise Failed('hung')
        for side in sides:
            if side.status is None:
                side.weigh()
        poll.poll(min(left, WEIGH_S) * 1000)


def keys(text):
    """The last line of key=value."""
    lines = [line for line in text.splitlines() if '=' in line]
    return dict(word.split('=', 1) for word in lines[-1].split() if '=' in word) if lines else {}


def say_lines(command, patience_s, say):
    """Runs a program that tells `key=value` by the line, and gives what each line told."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=patience_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f'  failed: {error}')
        return []
    if done.returncode != 0:
        say(f'  failed: {(done.stderr.strip().splitlines() or [done.returncode])[-1]}')
    return [told for line in done.stdout.splitlines() if (told := keys(line))]


def run(cell, column, count, patience_s, wrap=None):
    """One run. `wrap` puts words before the command of a side (strace)."""
    if not re.search(column.cells, cell.name):
        raise Lacking('the same as its ordinary setting')
    if column.two_cpus and cell.place == 'same':
        raise Lacking('spins: one CPU is not enough')
    if cell.only and column.name not in cell.only:
        raise Lacking('does not speak CURVE here')
    wrap = wrap or (lambda side: [])
    place = Place(cell.scheme, column.sp)
    deadline = time.monotonic() + patience_s
    on_a, on_b = cpus(cell)
    sides = []
    try:
        a = Side(wrap('a') + words(cell, 'a', column, place, count), on_a, environment(cell, 'a', column))
        sides.append(a)
        if cell.b:
            await_listener(place, a, min(deadline, time.monotonic() + 10))
            sides.append(Side(wrap('b') + words(cell, 'b', column, place, count), on_b, environment(cell, 'b', column)))
        await_ends(sides, deadline)
        reader = sides[0 if cell.reader == 'a' else 1]
        output = keys(reader.text(reader.out))
        if cell.key not in output:
            raise Failed(f'printed no {cell.key}')
        done = Run(count, float(output[cell.key]), output)
        messages = count * (cell.matching if cell.b == 'drain' else 1)
        if cell.a == 'idle':
            messages = cell.subs
        for name, side in zip('ab', sides):
            usage = side.usage
            done.cpu_us[name] = (usage.ru_utime + usage.ru_stime) * 1e6 / messages
            done.wakes += usage.ru_nvcsw * 1000 / messages
            done.peak_mb[name] = side.peak_kb / 1024
        return done
    finally:
        for side in sides:
            side.close()
        place.clean()


def calls(cell, column, count, patience_s):
    """System calls a thousand messages of both sides, without those of the start: what a long run
    made above a short one."""
    short = max(1, count // 10)
    more, fewer = (count_calls(cell, column, n, patience_s) for n in (count, short))
    messages = (count - short) * (cell.matching if cell.b == 'drain' else 1)
    names = set(more) | set(fewer)
    per_thousand = {name: (more.get(name, 0) - fewer.get(name, 0)) * 1000 / messages for name in names}
    top = sorted(per_thousand.items(), key=lambda item: -item[1])[:6]
    return sum(per_thousand.values()), {name: round(value, 3) for name, value in top if value > 0.001}


def count_calls(cell, column, count, patience_s):
    with tempfile.TemporaryDirectory() as folder:
        run(cell, column, count, patience_s, lambda side: ['strace', '-f', '-c', '-q', '-o', f'{folder}/{side}'])
        total = {}
        for path in Path(folder).iterdir():
            for line in path.read_text().splitlines():
                columns = line.split()
                if len(columns) >= 5 and columns[0][0].isdigit() and columns[-1] != 'total':
                    total[columns[-1]] = total.get(columns[-1], 0) + int(columns[3])
        return total
