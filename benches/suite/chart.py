"""Bar charts as plain SVG, one for each family of cells, the machine named below."""

from html import escape

from .cells import CELLS
from .machine import footer
from .peers import COLUMNS

CELL = {cell.name: cell for cell in CELLS}
TITLES = {
    'thr': 'PUSH → PULL', 'lat': 'REQ ↔ REP round trip, median', 'dealer': 'DEALER → ROUTER',
    'pub': 'PUB to raw subscribers', 'sub': 'PUB → SUB, two processes', 'conn': 'connect, ask, close',
    'idle': 'memory of an idle peer',
}
WIDTH, LABEL, VALUE, BAR, GAP, HEAD = 900, 150, 190, 14, 4, 34


def write_all(results, names, out):
    """Writes the charts and gives their names."""
    families = {}
    for name in names:
        families.setdefault(CELL[name].family, []).append(name)
    written = []
    for family, members in families.items():
        file = f'{family}.svg'
        (out / file).write_text(draw(TITLES.get(family, family), results, members))
        written.append(file)
    return written


def colour(column):
    if column.name.startswith('hubless'):
        return '#c2410c'
    if column.program == 'libzmq':
        return '#1d4ed8'
    return '#9ca3af' if column.program == 'floor' else '#64748b'


def draw(title, results, names):
    body, y = [], 46
    for name in names:
        cell, found = CELL[name], results['cells'][name]
        bars = [(column, found[column.name]) for column in COLUMNS
                if 'value' in found.get(column.name, {})]
        if not bars:
            continue
        better = 'more' if cell.per_second else 'less'
        body.append(text(12, y + 16, f'{name}: {cell.unit}, {better} is better', 13, 'bold'))
        y += HEAD - 8
        longest = max(f['value'] for _, f in bars)
        for column, f in sorted(bars, key=lambda bar: bar[1]['value'], reverse=cell.per_second):
            y = bar(body, y, column, f, longest, cell)
        y += 14
    head = [text(12, 26, title, 18, 'bold')]
    foot = wrapped(footer(results['machine']) + f' · {results["rounds"]} rounds of {results["seconds"]} s, '
                   f'medians, whiskers least to greatest · hatched: spins, flushes by hand or is exclusive')
    for part in foot:
        body.append(text(12, y + 10, part, 10, fill='#555'))
        y += 14
    height = y + 14
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        '<defs><pattern id="special" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="3" height="6" fill="#fff" opacity="0.5"/></pattern></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *head, *body, '</svg>', ''])


def bar(body, y, column, found, longest, cell):
    from .report import number
    room = WIDTH - LABEL - VALUE
    scale = lambda value: min(value / longest, 1.25) * room * 0.85 if longest else 0
    width = max(scale(found['value']), 1)
    body.append(text(LABEL - 6, y + BAR - 3, column.name, 11, anchor='end'))
    body.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour(column)}"/>')
    if column.special:
        body.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="url(#special)"/>')
    low, high = LABEL + scale(min(found['values'])), LABEL + scale(max(found['values']))
    middle = y + BAR / 2
    body.append(f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {y + 3}V{y + BAR - 3}'
                f'M{high:.1f} {y + 3}V{y + BAR - 3}" stroke="#111" fill="none"/>')
    lost = f', {found["lost_share"] * 100:.0f} % lost' if 'lost_share' in found else ''
    label = f'{number(found["value"], cell.unit)}  ±{found["spread"] * 100:.0f} %{lost}'
    body.append(text(max(LABEL + width, high) + 6, y + BAR - 3, label, 11))
    return y + BAR + GAP


def text(x, y, words, size, weight='normal', anchor='start', fill='#111'):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{fill}">{escape(words)}</text>')


def wrapped(line, most=150):
    lines, now = [], ''
    for word in line.split(' '):
        if len(now) + len(word) > most:
            lines.append(now)
            now = ''
        now += word + ' '
    return lines + [now]
