"""Turns results into a Markdown table, a table of goals, and SVG charts."""

from . import chart
from .cells import CELLS
from .machine import footer
from .peers import COLUMNS

SPECIAL = {column.name for column in COLUMNS if column.special}
CELL = {cell.name: cell for cell in CELLS}
LEAD = 1.15
NEAR_FLOOR = 0.90


def number(value, unit):
    """Three digits, with M or k for rates."""
    if unit.endswith('/s'):
        for bound, sign in ((1e6, ' M'), (1e3, ' k')):
            if value >= bound:
                return f'{short(value / bound)}{sign}'
    return short(value)


def short(value):
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def percent(share):
    return f'{share * 100:.0f} %'


def cpu(found):
    return sum(found['cpu_us'].values())


def line(cell, found):
    """What a run of the suite says while it goes on."""
    if 'failed' in found:
        return f'–  ({found["failed"]})'
    calls = f'  {found["calls"]:.1f} calls/1000' if 'calls' in found else ''
    lost = f'  lost {percent(found["lost_share"])}' if 'lost_share' in found else ''
    return (f'{number(found["value"], cell.unit):>7} {cell.unit}  ±{percent(found["spread"])}  '
            f'{cpu(found):.3f} µs CPU  {found["wakes"]:.2f} wakes/1000{calls}{lost}')


def better(cell, one, other):
    """How many times better `one` is than `other`: above 1 is better, whatever is counted."""
    return one / other if cell.per_second else other / one


def value_of(results, name, column):
    found = results['cells'].get(name, {}).get(column, {})
    return found.get('value')


def write(results, out):
    """Writes results.md with its charts beside it."""
    out.mkdir(parents=True, exist_ok=True)
    head = ['# hubless beside its peers', '',
            f'{results["rounds"]} interleaved rounds of {results["seconds"]} s, begun {results["began"]}. '
            f'{footer(results["machine"])}.', '',
            'Each figure is a median; ± is (greatest − least) / median. In brackets: times as good as libzmq.', '']
    (out / 'results.md').write_text('\n'.join(head + sections(results, out, '')) + '\n')


def sections(results, folder, link, deeper=''):
    """Tables as Markdown lines, charts as files in `folder`, which the lines call `link`."""
    names = [name for name in results['cells'] if name in CELL]
    parts = []
    if names:
        parts += goals(results, names)
        for title, special in (('The ordinary API', False), ('Spinning, batched, flushed by hand, exclusive', True)):
            parts += table(results, names, title, special)
        parts += folded('CPU, wake-ups, system calls and memory, cell by cell', costs(results, names))
        charts = chart.write_all(results, names, folder)
        parts += folded('Bars, cell by cell', [f'![{name}]({link}{name})' for name in charts])
        parts += reasons(results, names)
    # They use what is here.
    from . import load, scale
    parts += load.sections(results) + scale.sections(results, folder, link)
    return [f'{deeper}{line}' if line.startswith('#') else line for line in parts]


def folded(title, lines):
    return ['<details>', f'<summary>{title}</summary>', '', *lines, '', '</details>', '']


def goals(results, names):
    """Every goal with what was measured, and the best of the peers in each column of settings."""
    rows = ['## Goals', '', '| cell | hubless | libzmq | floor | goal | measured | met | best ordinary peer | × | '
            'best special peer | × |', '|---|--:|--:|--:|---|--:|---|---|--:|---|--:|']
    for name in names:
        cell = CELL[name]
        own = value_of(results, name, 'hubless')
        if own is None or (cell.goal is None and cell.goal_cpu is None):
            continue
        show = {peer: value_of(results, name, peer) for peer in ('libzmq', 'floor')}
        shown = [number(own, cell.unit)] + [number(v, cell.unit) if v else '–' for v in show.values()]
        rivals = []
        for special in (False, True):
            best = best_peer(results, cell, special)
            ours = max([own] + specials(results, cell, special), key=lambda v: v if cell.per_second else -v)
            if best:
                rivals += [f'{best[0]} {number(best[1], cell.unit)}',
                           verdict(better(cell, ours, best[1]), cell, ours, show['floor'])]
            else:
                rivals += ['–', '–']
        measured, met = judge(results, cell, own)
        rows.append(f'| {name} | {" | ".join(shown)} | {cell.goal.text if cell.goal else ""} | {measured} | {met} | '
                    f'{" | ".join(rivals)} |')
        if cell.goal_cpu:
            ratio = ratio_of_cpu(results, name)
            if ratio:
                met = 'yes' if ratio <= cell.goal_cpu.ratio else '**no**'
                rows.append(f'| … | | | | {cell.goal_cpu.text} | {ratio:.2f} | {met} | | | | |')
    return rows + ['']


def verdict(ratio, cell, own, floor):
    """The lead over the best peer, and whether it is what we want: 15 %, or near the floor."""
    enough = ratio >= LEAD or (floor and better(cell, own, floor) >= NEAR_FLOOR)
    return f'{ratio:.2f}' if enough else f'**{ratio:.2f}**'


def specials(results, cell, special):
    if not special:
        return []
    found = results['cells'][cell.name]
    return [f['value'] for name, f in found.items() if name.startswith('hubless-') and 'value' in f]


def best_peer(results, cell, special):
    found = [(name, f['value']) for name, f in results['cells'][cell.name].items()
             if 'value' in f and (name in SPECIAL) == special and not name.startswith(('hubless', 'floor'))
             and f.get('lost_share', 0) < 0.01]
    return max(found, key=lambda item: item[1] if cell.per_second else -item[1], default=None)


def judge(results, cell, own):
    if cell.goal is None:
        return '', ''
    goal = cell.goal
    against = {
        'own': value_of(results, cell.name.replace('dealer/', 'thr/'), 'hubless'),
        'pub1': value_of(results, 'pub/tcp/64/1/split', 'hubless'),
        '': 1.0,
    }.get(goal.against, value_of(results, cell.name, goal.against))
    if not against:
        return '–', '–'
    ratio = own / against
    met = ratio >= goal.ratio if cell.per_second else ratio <= goal.ratio
    return f'{ratio:.2f}', 'yes' if met else '**no**'


def ratio_of_cpu(results, name):
    found = results['cells'][name]
    both = [found.get(column, {}) for column in ('hubless', 'libzmq')]
    if any('cpu_us' not in f for f in both):
        return None
    return cpu(both[0]) / cpu(both[1])


def table(results, names, title, special):
    """Cells by columns."""
    columns = [c.name for c in COLUMNS if c.special == special
               and any(c.name in results['cells'][name] for name in names)]
    if not columns:
        return []
    rows = [f'## {title}', '', f'| cell | unit | {" | ".join(columns)} |', '|---|---|' + '--:|' * len(columns)]
    for name in names:
        cell, found = CELL[name], results['cells'][name]
        base = value_of(results, name, 'libzmq')
        texts = [entry(cell, found.get(column, {}), base) for column in columns]
        if any(text != '–' for text in texts):
            rows.append(f'| {name} | {cell.unit} | {" | ".join(texts)} |')
    return rows + ['']


def entry(cell, found, base):
    if 'value' not in found:
        return '–'
    text = f'{number(found["value"], cell.unit)} ±{percent(found["spread"])}'
    if base:
        text += f' ({better(cell, found["value"], base):.2f})'
    if 'lost_share' in found:
        text += f', {percent(found["lost_share"])} lost'
    return text


def costs(results, names):
    """CPU, wake-ups, system calls and memory of every column that ran."""
    rows = ['CPU of a (binds) and b (connects) in µs a message; wake-ups (voluntary switches) and system '
            'calls a thousand messages, both sides; peak memory in MB.', '',
            '| cell | column | figure | CPU a | CPU b | wake-ups | calls | most called | p99 µs | peak a | peak b |',
            '|---|---|--:|--:|--:|--:|--:|---|--:|--:|--:|']
    for name in names:
        cell = CELL[name]
        for column, found in results['cells'][name].items():
            if 'value' not in found:
                continue
            used, peak = found['cpu_us'], found['peak_mb']
            most = ', '.join(f'{call} {short(count)}' for call, count in list(found.get('calls_top', {}).items())[:3])
            rows.append(
                f'| {name} | {column} | {number(found["value"], cell.unit)} | {used["a"]:.3f} | '
                f'{used.get("b", 0):.3f} | {found["wakes"]:.2f} | '
                f'{format(found["calls"], ".2f") if "calls" in found else "–"} | {most} | '
                f'{format(found["p99_us"], ".1f") if "p99_us" in found else ""} | '
                f'{peak["a"]:.1f} | {peak.get("b", 0):.1f} |')
    return rows + ['']


def reasons(results, names):
    rows = []
    for name in names:
        for column, found in results['cells'][name].items():
            text = found.get('failed') or found.get('remark')
            if text:
                rows.append(f'| {name} | {column} | {text.splitlines()[0][:160]} |')
    if not rows:
        return []
    return folded('Why there is no figure, or not of every round', ['| cell | column | reason |', '|---|---|---|'] + rows)
