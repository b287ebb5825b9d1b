"""A picture as text: shapes, words, and colours that hold on light and on dark pages."""

from html import escape

STYLE = '''<style>
text { font-family: system-ui, sans-serif; fill: #1f2328 }
.page { fill: #ffffff } .quiet { fill: #59636e } .line { stroke: #1f2328; fill: none } .grid { stroke: #d1d9e0; fill: none }
.c0 { fill: #c2410c; stroke: #c2410c } .c1 { fill: #1d4ed8; stroke: #1d4ed8 } .c2 { fill: #8c959f; stroke: #8c959f }
.c3 { fill: #0f766e; stroke: #0f766e } .c4 { fill: #7e22ce; stroke: #7e22ce } .c5 { fill: #64748b; stroke: #64748b }
.curve { fill: none; stroke-width: 2 } .theory { fill: none; stroke-width: 1.5; stroke-dasharray: 5 4 } .bar { stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .page { fill: #0d1117 } .quiet { fill: #9198a1 } .line { stroke: #e6edf3 } .grid { stroke: #30363d }
.c0 { fill: #f97316; stroke: #f97316 } .c1 { fill: #6098ff; stroke: #6098ff } .c2 { fill: #6e7681; stroke: #6e7681 }
.c3 { fill: #2dd4bf; stroke: #2dd4bf } .c4 { fill: #c084fc; stroke: #c084fc } .c5 { fill: #94a3b8; stroke: #94a3b8 }
.curve, .theory { fill: none }
}
</style>'''


class Picture:
    """Grows downwards: `y` is where the next thing goes."""

    def __init__(self, width):
        self.width, self.y, self.parts = width, 0.0, []

    def text(self, x, y, words, size=11, anchor='start', bold=False, quiet=False):
        weight = ' font-weight="bold"' if bold else ''
        tone = ' class="quiet"' if quiet else ''
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{weight}{tone}>'
                          f'{escape(words)}</text>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect class="bar c{colour}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{height}"/>')

    def path(self, points, kind):
        """A line through points; `kind` is the classes of its style."""
        steps = 'L'.join(f'{x:.1f} {y:.1f}' for x, y in points)
        self.parts.append(f'<path class="{kind}" d="M{steps}"/>')

    def whisker(self, low, high, y, height):
        middle, top, bottom = y + height / 2, y + 3, y + height - 3
        self.parts.append(f'<path class="line" d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {top:.1f}V{bottom:.1f}'
                          f'M{high:.1f} {top:.1f}V{bottom:.1f}"/>')

    def dot(self, x, y, colour):
        self.parts.append(f'<circle class="c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')

    def foot(self, words):
        """Small print across the whole width."""
        for line in wrapped(words, int(self.width / 5.4)):
            self.y += 14
            self.text(12, self.y, line, 10, quiet=True)

    def document(self):
        height = self.y + 14
        return '\n'.join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height:.0f}" width="{self.width}">',
            STYLE, f'<rect class="page" width="{self.width}" height="{height:.0f}" rx="6"/>', *self.parts, '</svg>', ''])


def wrapped(line, most):
    lines, now = [], ''
    for word in line.split(' '):
        if now and len(now) + len(word) > most:
            lines.append(now)
            now = ''
        now += word + ' '
    return lines + [now]
