"""Round trips while a flood passes, and slow peers beside a fast one: hubless and libzmq in turns."""

import statistics

from .measure import say_lines
from .peers import build, build_bench, program
from .report import number

SCENES = {
    'trips': 'REQ ↔ REP of 64 octets over tcp, two contexts, while PUSH → PULL of 64 octets passes between the same two '
             'as fast as it can',
    'fair': 'one fast PUSH and 100 slow ones (each a message in 10 ms) at one PULL: how long the messages of the slow '
            'ones are on their way',
}


def run(results, rounds, seconds, say, save):
    if 'load' in results:
        return
    missing = build(['load'], say)
    columns = {'hubless': build_bench('load')}
    if not missing:
        columns['libzmq'] = program('load')
    told = {scene: {column: [] for column in columns} for scene in SCENES}
    for _ in range(rounds):
        for scene in SCENES:
            for column, command in columns.items():
                lines = say_lines([command, scene, seconds], 60 + 10 * seconds, say)
                told[scene][column] += [{key: float(value) for key, value in line.items()} for line in lines]
    results['load'] = {scene: {column: medians(lines) for column, lines in by_column.items()}
                       for scene, by_column in told.items()}
    for row in rows(results['load']):
        say(row)
    save()


def medians(lines):
    """Of each key: the median, and (greatest - least) / median."""
    found = {}
    for key in lines[0] if lines else ():
        values = [line[key] for line in lines]
        middle = statistics.median(values)
        found[key] = [middle, (max(values) - min(values)) / middle if middle else 0.0]
    return found


FIGURES = [
    ('trips', 'alone_p50_us', 'round trip alone, p50', 'µs'),
    ('trips', 'alone_p99_us', 'round trip alone, p99', 'µs'),
    ('trips', 'alone_p999_us', 'round trip alone, p99.9', 'µs'),
    ('trips', 'p50_us', 'round trip under load, p50', 'µs'),
    ('trips', 'p99_us', 'round trip under load, p99', 'µs'),
    ('trips', 'p999_us', 'round trip under load, p99.9', 'µs'),
    ('trips', 'flood/s', 'the flood meanwhile', 'msgs/s'),
    ('fair', 'p50_us', 'message of a slow peer, p50', 'µs'),
    ('fair', 'p99_us', 'message of a slow peer, p99', 'µs'),
    ('fair', 'p999_us', 'message of a slow peer, p99.9', 'µs'),
    ('fair', 'least_of_most', 'slow peer that got least, of the one that got most', ''),
    ('fair', 'lost', 'messages of slow peers lost', ''),
    ('fair', 'flood/s', 'the fast peer meanwhile', 'msgs/s'),
]


def rows(found):
    lines = []
    for scene, key, what, unit in FIGURES:
        columns = found[scene]
        values = [columns.get(column, {}).get(key) for column in ('hubless', 'libzmq')]
        texts = [f'{figure(value[0], unit)} ±{value[1] * 100:.0f} %' if value else '–' for value in values]
        ratio = '–'
        if all(values) and all(value[0] for value in values) and unit:
            ours, theirs = (value[0] for value in values)
            ratio = f'{ours / theirs if unit.endswith("/s") else theirs / ours:.2f}'
        lines.append(f'| {what} | {unit} | {texts[0]} | {texts[1]} | {ratio} |')
    return lines


def figure(value, unit):
    return number(value, unit) if unit else f'{value:.2f}'.rstrip('0').rstrip('.')


def sections(results):
    found = results.get('load')
    if not found:
        return []
    return ['## Under load', '', f'{SCENES["trips"]}; and {SCENES["fair"]}. Whatever the system does with two CPUs for '
            'more threads than that is in the figures. Last column: times as good as libzmq.', '',
            '| what | unit | hubless | libzmq | × |', '|---|---|--:|--:|--:|', *rows(found), '']
