"""The cells of the table: who talks to whom, how, where, and what we want to see there.

A cell has two sides. `a` binds and runs on the first CPU, `b` connects and runs on the second
(`split`), on the same (`same`), or both run where the system puts them (`free`). inproc cells have
one process with two threads, so there is `same` and `free` only.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Goal:
    """What hubless must reach against `against` ('libzmq', 'floor', or '' for a plain bound)."""
    against: str
    ratio: float
    text: str


@dataclass(frozen=True)
class Cell:
    name: str
    a: str                      # the role that binds
    b: str                      # the role that connects; '' for one process
    scheme: str                 # tcp, ipc, inproc
    size: int
    place: str                  # same, split, free
    key: str                    # which figure of the output counts
    unit: str
    per_second: bool            # whether more is better and the count follows the rate
    first_count: int            # for the first, calibrating run
    count_max: int
    reader: str = 'b'           # which side prints the figure
    raw_side: str = ''          # a side that is always the floor's: 'b' for drains and crowds
    subs: int = 1               # how many subscribers, connections
    matching: int = 1           # how many of them want what is published
    goal: Goal | None = None
    goal_cpu: Goal | None = None
    label: str = ''
    only: tuple = ()            # the columns that can; all, if empty
    env: dict = field(default_factory=dict, hash=False)

    @property
    def family(self):
        return self.name.split('/')[0]


def throughput(scheme, size, place, goal=None, roles=('pull', 'push'), name='thr', goal_cpu=None):
    count = 2000 if size > 8192 else 50000
    return Cell(f'{name}/{scheme}/{size}/{place}', *roles, scheme, size, place, 'msgs/s', 'msgs/s', True,
                count, 30_000_000, reader='b' if name == 'sub' else 'a', goal=goal, goal_cpu=goal_cpu)


def latency(scheme, size, place, goal=None):
    return Cell(f'lat/{scheme}/{size}/{place}', 'rep', 'req', scheme, size, place, 'p50_us', 'µs', False,
                1000, 400_000, goal=goal)


def sealed(scheme, size, ratio):
    """PUSH to PULL by CURVE: both sides with the same keys, everything encrypted."""
    return replace(throughput(scheme, size, 'split', of('libzmq', ratio, f'≥ {ratio} × libzmq'), name='curve'),
                   only=('hubless', 'libzmq'), env={'CURVE': '1'})


def inproc(kind, size, place, goal=None):
    thr = kind == 'thr'
    return Cell(f'{kind}/inproc/{size}/{place}', f'inproc-{kind}', '', 'inproc', size, place,
                'msgs/s' if thr else 'p50_us', 'msgs/s' if thr else 'µs', thr, 50000 if thr else 2000,
                30_000_000, reader='a', goal=goal)


def fan_out(subs, goal=None, matching=None, place='split'):
    """A publisher and one thread of raw subscribers, all counted together."""
    matching = subs if matching is None else matching
    name = f'pub/tcp/64/{subs}' if matching == subs else f'pub/tcp/64/{matching}of{subs}'
    return Cell(f'{name}/{place}', 'pub', 'drain', 'tcp', 64, place, 'msgs/s', 'deliveries/s', True,
                20000, 20_000_000, raw_side='b', subs=subs, matching=matching, goal=goal)


def idle(peers, goal):
    """Raw peers that send one message each and stay."""
    return Cell(f'idle/tcp/8/{peers}', 'idle', 'peers', 'tcp', 8, 'free', 'per_peer_kb', 'kB/peer', False, peers, peers,
                reader='a', raw_side='b', subs=peers, goal=goal)


def of(against, ratio, text):
    return Goal(against, ratio, text)


CELLS = [
    throughput('tcp', 8, 'split', of('libzmq', 2.8, '≥ 2.8 × libzmq')),
    throughput('tcp', 64, 'split', of('libzmq', 3.3, '≥ 3.3 × libzmq'),
               goal_cpu=of('libzmq', 0.3, 'CPU of both sides ≤ 0.3 × libzmq')),
    throughput('tcp', 1024, 'split', of('libzmq', 2.2, '≥ 2.2 × libzmq')),
    throughput('tcp', 65536, 'split', of('libzmq', 1.05, '≥ 1.05 × libzmq')),
    throughput('ipc', 64, 'split', of('libzmq', 3.5, '≥ 3.5 × libzmq')),
    throughput('ipc', 1024, 'split', of('libzmq', 4.5, '≥ 4.5 × libzmq')),
    inproc('thr', 64, 'free', of('libzmq', 4.0, '≥ 4 × libzmq')),
    inproc('lat', 64, 'same', of('floor', 1.47, '≤ 1.47 × floor (2.2 µs where the floor is 1.5)')),
    latency('tcp', 64, 'same', of('floor', 1.24, '≤ 1.24 × floor (6.3 µs where the floor is 5.1)')),
    latency('tcp', 64, 'split', of('floor', 1.0, '≤ the floor that blocks')),
    latency('ipc', 64, 'same', of('floor', 1.40, '≤ 1.4 × floor (4.9 µs where the floor is 3.5)')),
    latency('ipc', 64, 'split'),
    throughput('tcp', 64, 'split', of('own', 0.85, '≥ 85 % of our PUSH→PULL'), ('router', 'dealer'), 'dealer'),
    fan_out(1, of('libzmq', 3.5, '≥ 3.5 × libzmq')),
    fan_out(8, of('libzmq', 3.0, '≥ 3 × libzmq')),
    fan_out(64, of('libzmq', 2.5, '≥ 2.5 × libzmq')),
    fan_out(1000, of('pub1', 0.9, '≥ 90 % of what 1 subscriber of 1 gets'), matching=1),
    throughput('tcp', 64, 'split', None, ('pub', 'sub'), 'sub'),
    Cell('conn/tcp/64/same', 'rep', 'conn', 'tcp', 64, 'same', 'conns/s', 'conns/s', True, 200, 20_000,
         goal=of('libzmq', 1.8, '≥ 1.8 × libzmq'), env={'MODE': 'conn'}),
    idle(1000, of('', 3.0, '≤ 3 kB a peer')),
    idle(10_000, of('', 4.19, '10 000 peers within 40 MiB, 4.19 kB a peer')),
    *(sealed(scheme, size, 1.5) for scheme in ('tcp', 'ipc') for size in (8, 64, 256)),
    *(sealed(scheme, size, 1.3) for scheme in ('tcp', 'ipc') for size in (1024, 8192, 65536)),
    Cell('curve-conn/tcp/64/same', 'rep', 'conn', 'tcp', 64, 'same', 'conns/s', 'conns/s', True, 200, 20_000,
         goal=of('libzmq', 1.0, 'handshakes: ≥ libzmq'), only=('hubless', 'libzmq'), env={'MODE': 'conn', 'CURVE': '1'}),
    # Further sizes.
    throughput('ipc', 8, 'split'),
    throughput('ipc', 65536, 'split'),
    inproc('thr', 8, 'free'),
    inproc('thr', 1024, 'free'),
    inproc('thr', 65536, 'free'),
    latency('tcp', 65536, 'same'),
    latency('ipc', 65536, 'same'),
    inproc('lat', 65536, 'same'),
    # The same where it is harder to say what is measured: on one CPU, or left to the system.
    throughput('tcp', 64, 'same'),
    throughput('tcp', 1024, 'same'),
    throughput('ipc', 64, 'same'),
    throughput('tcp', 8, 'free'),
    throughput('tcp', 64, 'free'),
    throughput('tcp', 1024, 'free'),
    throughput('tcp', 65536, 'free'),
    throughput('ipc', 64, 'free'),
    throughput('ipc', 1024, 'free'),
    latency('tcp', 64, 'free'),
    latency('ipc', 64, 'free'),
    inproc('thr', 64, 'same'),
    inproc('lat', 64, 'free'),
]
