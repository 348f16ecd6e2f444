"""Line charts as SVG, for dark and light pages, with nothing but the standard library."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"]
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 44, 56


def chart(title, x_label, y_label, series, log_x=False, log_y=False, y_range=None, x_ticks=None, y_ticks=None):
    """SVG of `series`: pairs of a name and its points (x, y), in order of x."""
    points = [point for _, line in series for point in line]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_place = scale(min(xs), max(xs), LEFT, WIDTH - RIGHT, log_x)
    low, high = y_range or (min(ys), max(ys))
    y_place = scale(low, high, HEIGHT - BOTTOM, TOP, log_y)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        "<style>text{font:13px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:15px}"
        ".g{stroke:#bbb;stroke-width:.5}.b{fill:#fff}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#555}.b{fill:#15181c}}</style>",
        f'<rect class="b" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="t" x="{LEFT}" y="24">{escape(title)}</text>',
    ]
    for x in x_ticks or sorted(set(xs)):
        at = x_place(x)
        out.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(x)}</text>')
    for y in y_ticks or ticks(low, high, log_y):
        at = y_place(y)
        out.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(y)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>')
    turn = f'translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)'
    out.append(f'<text transform="{turn}" text-anchor="middle">{escape(y_label)}</text>')
    labels = []
    for (name, line), colour in zip(series, COLOURS):
        path = " ".join(f"{x_place(x):.1f},{y_place(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in line:
            out.append(f'<circle cx="{x_place(x):.1f}" cy="{y_place(y):.1f}" r="3" fill="{colour}"/>')
        labels.append([y_place(line[-1][1]), name, colour])
    # Names at the ends of their lines, pushed apart where these meet.
    labels.sort()
    for before, label in zip(labels, labels[1:]):
        label[0] = max(label[0], before[0] + 16)
    for y, name, colour in labels:
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
    return "\n".join(out + ["</svg>", ""])


def scale(low, high, start, end, log):
    turn = math.log10 if log else float
    low, high = turn(low), turn(high)
    return lambda value: start + (turn(value) - low) / ((high - low) or 1) * (end - start)


def ticks(low, high, log):
    if log:
        return [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= 5 if (high - low) / step > 10 else 2 if (high - low) / step > 5 else 1
    first = math.ceil(low / step)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value):
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    if value >= 1e4:
        return f"{value / 1e3:g} k"
    return f"{value:g}"
