"""Bar charts, two for each family of cells and transport: the ordinary columns, and the special ones
beside hubless, libzmq and the floor. The machine is named below."""

from .cells import CELLS
from .machine import footer
from .peers import COLUMNS
from .svg import Picture

CELL = {cell.name: cell for cell in CELLS}
TITLES = {
    'thr': 'PUSH → PULL', 'lat': 'REQ ↔ REP round trip, median', 'dealer': 'DEALER → ROUTER',
    'pub': 'PUB to raw subscribers', 'sub': 'PUB → SUB, two processes', 'conn': 'connect, ask, close',
    'idle': 'memory of an idle peer',
}
PLACES = {'split': 'a CPU each', 'same': 'both on one CPU', 'free': 'where the system puts them'}
ALWAYS = ('hubless', 'libzmq', 'floor')
WIDTH, LABEL, VALUE, BAR, GAP = 860, 160, 170, 14, 4


def write_all(results, names, out):
    """Writes the charts and gives their names."""
    groups = {}
    for name in names:
        cell = CELL[name]
        groups.setdefault((cell.family, cell.scheme), []).append(cell)
    written = []
    for (family, scheme), cells in groups.items():
        for special in (False, True):
            columns = [column for column in COLUMNS if column.special == special or column.name in ALWAYS]
            wanted = [cell for cell in cells if any(
                'value' in results['cells'][cell.name].get(column.name, {})
                for column in columns if column.special == special)]
            if wanted:
                file = f'{family}-{scheme}{"-special" if special else ""}.svg'
                title = f'{TITLES.get(family, family)}, {scheme}{": special settings" if special else ""}'
                (out / file).write_text(draw(title, results, wanted, columns))
                written.append(file)
    return written


def colour(column):
    if column.name.startswith('hubless'):
        return 0
    return {'libzmq': 1, 'floor': 2}.get(column.program, 5)


def draw(title, results, cells, columns):
    picture = Picture(WIDTH)
    picture.text(12, 26, title, 18, bold=True)
    picture.y = 40
    for cell in cells:
        found = results['cells'][cell.name]
        bars = [(column, found[column.name]) for column in columns if 'value' in found.get(column.name, {})]
        better = 'more' if cell.per_second else 'less'
        picture.text(12, picture.y + 14, f'{cell.name}', 13, bold=True)
        picture.text(LABEL + 120, picture.y + 14, f'{cell.unit}, {better} is better; {PLACES[cell.place]}', quiet=True)
        picture.y += 24
        # A floor that is far above all would leave nothing to see.
        peers = [f['value'] for column, f in bars if column.program != 'floor'] or [f['value'] for _, f in bars]
        longest = min(max(f['value'] for _, f in bars), 1.6 * max(peers))
        for column, f in sorted(bars, key=lambda one: one[1]['value'], reverse=cell.per_second):
            draw_bar(picture, column, f, longest, cell)
        picture.y += 12
    picture.foot(f'{footer(results["machine"])} · {results["rounds"]} interleaved rounds of {results["seconds"]} s: bars '
                 'are medians, whiskers go from the least to the greatest')
    return picture.document()


def draw_bar(picture, column, found, longest, cell):
    from .report import number
    room = WIDTH - LABEL - VALUE
    scale = lambda value: LABEL + min(value / longest, 1.0 if value == found['value'] else 1.1) * room if longest else LABEL
    end, y = scale(found['value']), picture.y
    picture.text(LABEL - 6, y + BAR - 3, column.name, anchor='end', bold=column.name.startswith('hubless'))
    picture.bar(LABEL, y, end - LABEL, BAR, colour(column))
    low, high = scale(min(found['values'])), scale(max(found['values']))
    cut = found['value'] > longest
    if not cut:
        picture.whisker(low, high, y, BAR)
    lost = f', {found["lost_share"] * 100:.0f} % lost' if found.get('lost_share', 0) >= 0.005 else ''
    more = '… ' if cut else ''
    words = f'{more}{number(found["value"], cell.unit)} ±{found["spread"] * 100:.0f} %{lost}'
    picture.text(max(end, end if cut else high) + 6, y + BAR - 3, words)
    picture.y += BAR + GAP
