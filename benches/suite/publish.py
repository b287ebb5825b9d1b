"""Puts a run into benches/README.md, between two markers, and its charts into benches/charts."""

from . import report
from .machine import footer
from .peers import ROOT

README = ROOT / 'benches/README.md'
CHARTS = ROOT / 'benches/charts'
BEGIN, END = '<!-- run: written by benches/run --publish -->', '<!-- run: end -->'


def publish(results):
    CHARTS.mkdir(exist_ok=True)
    for old in CHARTS.glob('*.svg'):
        old.unlink()
    parts = report.sections(results, CHARTS, 'charts/', deeper='#')
    text = README.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f'{README} has not exactly one of each: {BEGIN} and {END}')
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    said = (f'{results["rounds"]} interleaved rounds of {results["seconds"]} s, begun {results["began"]}. '
            f'{footer(results["machine"])}. Each figure is a median; ± is (greatest − least) / median. In brackets: '
            'times as good as libzmq.')
    README.write_text('\n'.join([before + BEGIN, '', said, '', *parts, END + after]))
