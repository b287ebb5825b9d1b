"""How cost grows: runs benches/scale, and draws each series beside what the theory says."""

import statistics
from dataclasses import dataclass
from math import log10

from .machine import footer
from .measure import say_lines
from .peers import build_bench
from .svg import Picture


@dataclass(frozen=True)
class Series:
    name: str
    title: str
    x: str
    unit: str                   # what one is: a message, a delivery
    clock: str                  # cpu_ns or wall_ns: which of them is drawn
    law: str                    # flat; line: a + b x; falls: a + b / x; bound: only a greatest value
    theory: str
    slack: float = 2.0          # how far above the law a point may lie
    bound_ns: float = 0.0       # of a bound: the greatest value


SERIES = [
    Series('peers-one-active', 'PULL: one peer floods, the others are silent', 'peers', 'message', 'cpu_ns', 'flat',
           'constant: the system tells who is ready, nobody else is looked at'),
    Series('peers-fan-in', 'PULL: all peers send, 16 messages at a time', 'peers', 'message', 'cpu_ns', 'flat',
           'constant once each peer has a read of its own: a read and a readiness for 16 messages; caches add to it', 4.0),
    Series('peers-round-robin', 'PUSH: every message to the next peer', 'peers', 'message', 'cpu_ns', 'bound',
           'between a share of a write and a whole one: each of n peers gets 1/n of what is sent between two sweeps',
           bound_ns=6000),
    Series('peers-publish', 'PUB: every message to all peers', 'peers', 'delivery', 'cpu_ns', 'bound',
           'encoded and matched once, then a copy into each lane and a share of a write: constant while many messages '
           'share a write, never more than a write each', bound_ns=6000),
    Series('topics-subscribe', 'SUB → PUB: one more subscription', 'topics', 'subscription', 'cpu_ns', 'flat',
           'the length of the topic, however many there are; the first few pay for the start'),
    Series('topics-publish', 'PUB → SUB: one of so many topics matches', 'topics', 'message', 'cpu_ns', 'bound',
           'the length of the topic in steps, however many there are; each step becomes a cache miss on both sides once the '
           'tree has outgrown the caches', bound_ns=5000),
    Series('sockets-open', 'one more bound socket in a context', 'sockets', 'socket', 'cpu_ns', 'flat',
           'constant; the first pays for the I/O thread'),
    Series('sockets-one-active', 'PUSH → PULL while other sockets of the context are silent', 'sockets', 'message',
           'cpu_ns', 'flat', 'constant'),
    Series('io-threads', 'four PUSH → PULL pairs, all on this machine\'s CPUs', 'I/O threads', 'message', 'wall_ns',
           'flat', 'constant once there are as many busy threads as CPUs: who waits drives, and eight threads do'),
    Series('size', 'PUSH → PULL by the size of messages', 'octets', 'message', 'wall_ns', 'line',
           'a cost for each message and a cost for each octet: a + b · octets', 2.5),
    Series('hwm', 'PUSH → PULL by the mark of both ends', 'messages', 'message', 'wall_ns', 'falls',
           'a round of wake-ups for each half mark: a + b / mark', 2.5),
]
BY_NAME = {series.name: series for series in SERIES}


def run(results, wanted, rounds, say, save):
    """Measures what results do not have yet; saves after each series."""
    program, found = build_bench('scale'), results.setdefault('scale', {})
    for series in SERIES:
        if series.name in found or wanted not in series.name:
            continue
        say(series.name)
        points = {}
        for _ in range(rounds):
            for told in say_lines([program, series.name], 300, say):
                point = points.setdefault(told['x'], {'cpu_ns': [], 'wall_ns': []})
                for clock in point:
                    point[clock].append(float(told[clock]))
        found[series.name] = [{'x': int(x), **point} for x, point in points.items()]
        for point in found[series.name]:
            say(f'  {point["x"]:>9}  {text_ns(middle(point, series))} a {series.unit}')
        save()


def middle(point, series):
    return statistics.median(point[series.clock])


def law(series, points):
    """What the theory says at each point, anchored in as few of the points as it has unknowns."""
    xs, ys = [point['x'] for point in points], [middle(point, series) for point in points]
    if series.law == 'flat':
        return [statistics.median(ys)] * len(xs)
    if series.law == 'line':
        slope = ys[-1] / xs[-1]
        return [ys[0] + slope * x for x in xs]
    if series.law == 'falls':
        return [ys[-1] + (ys[0] - ys[-1]) * xs[0] / x for x in xs]
    return [series.bound_ns] * len(xs)


def worst(series, points):
    """How far above the law a point lies at most: the first of a series also pays for the start."""
    laws = law(series, points)
    later = 1 if len(points) > 2 else 0
    return max(middle(point, series) / said for point, said in list(zip(points, laws))[later:])


def sections(results, folder, link):
    """A table, and the plots."""
    found = results.get('scale')
    if not found:
        return []
    rows = ['## Scale', '', 'A message, delivery, subscription or socket costs, from the least to the most of what is counted; CPU of this '
            'process, or time where it says so. "Worst" is how many times what the theory says the worst point lies, where the '
            'theory is a curve through the fewest points it needs, or, where it is only a bound, a share of that.', '',
            '| series | from | to | cost at the least | at the most | theory | worst |', '|---|--:|--:|--:|--:|---|--:|']
    charts = []
    for name, points in found.items():
        series = BY_NAME.get(name)
        if not series or not points:
            continue
        file = f'scale-{name}.svg'
        (folder / file).write_text(draw(series, points, results))
        charts.append(f'![{series.title}]({link}{file})')
        ends = [text_ns(middle(point, series)) for point in (points[0], points[-1])]
        over = worst(series, points)
        said = f'{over:.2f}' if over <= series.slack else f'**{over:.2f}**'
        time = ' (time)' if series.clock == 'wall_ns' else ''
        rows.append(f'| {series.title}{time} | {points[0]["x"]} | {points[-1]["x"]} {series.x} | {ends[0]} | {ends[1]} | '
                    f'{series.theory} | {said} |')
    return rows + ['', '<details>', '<summary>How cost grows, as plots</summary>', '', *charts, '', '</details>', '']


WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 620, 260, 80, 56, 24, 44


def draw(series, points, results):
    picture = Picture(WIDTH)
    picture.text(12, 24, series.title, 16, bold=True)
    what = 'CPU' if series.clock == 'cpu_ns' else 'time'
    picture.text(12, 42, f'{what} a {series.unit}, by {series.x}; dots: median of {len(points[0][series.clock])}, '
                 'bars: least to greatest; dashed: theory', quiet=True)
    ys = [value for point in points for value in point[series.clock] if value > 0]
    laws = law(series, points)
    low, high = log10(min(ys + laws)) - 0.15, log10(max(ys + laws)) + 0.15
    if high - low < 1:
        low, high = (low + high - 1) / 2, (low + high + 1) / 2
    first, last = log10(points[0]['x']), log10(points[-1]['x'])
    at_x = lambda x: LEFT + (log10(x) - first) / max(last - first, 1e-9) * (WIDTH - LEFT - RIGHT)
    at_y = lambda y: TOP + (high - log10(max(y, 1e-3))) / (high - low) * HEIGHT
    for power in range(int(low) - 1, int(high) + 2):
        for step in (1, 2, 5):
            value = step * 10.0 ** power
            if low <= log10(value) <= high:
                picture.path([(LEFT, at_y(value)), (WIDTH - RIGHT, at_y(value))], 'grid')
                picture.text(LEFT - 6, at_y(value) + 4, text_ns(value), 10, anchor='end', quiet=True)
    for point in points:
        picture.text(at_x(point['x']), TOP + HEIGHT + 16, text_count(point['x']), 10, anchor='middle', quiet=True)
    picture.path([(at_x(point['x']), at_y(said)) for point, said in zip(points, laws)], 'theory c1')
    picture.path([(at_x(point['x']), at_y(middle(point, series))) for point in points], 'curve c0')
    for point in points:
        x, values = at_x(point['x']), point[series.clock]
        picture.path([(x, at_y(min(values))), (x, at_y(max(values)))], 'line')
        picture.dot(x, at_y(middle(point, series)), 0)
    picture.y = TOP + HEIGHT + BOTTOM - 16
    bound = 'Bound: ' if series.law == 'bound' else 'Theory: '
    picture.foot(bound + series.theory + '.')
    picture.foot(footer(results['machine']))
    return picture.document()


def text_ns(ns):
    for bound, unit in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')):
        if ns >= bound:
            return f'{ns / bound:.3g} {unit}'
    return f'{ns:.3g} ns'


def text_count(count):
    for bound, unit in ((1 << 20, 'Mi'), (1 << 10, 'Ki')):
        if count >= bound and count % bound == 0:
            return f'{count // bound} {unit}'
    return f'{count:,}'.replace(',', ' ')
