"""A picture of a few series of numbers as SVG, in colours that can be told apart without seeing red or green."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 760, 380, 70, 56, 52, 20
_COLOURS = ("#0072B2", "#E69F00", "#CC79A7")  # Okabe and Ito 2008


def chart(title: str, x_name: str, y_name: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """An SVG document. `series`: name -> points (x, y), y >= 0; y has a scale of log10(1 + y), so that 0, 1 and 100,000
    can be read in one picture.
    """
    points = [point for line in series.values() for point in line]
    most_x = max(x for x, _ in points) or 1
    most_y = max(log10(1 + y) for _, y in points) or 1
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + inner_width * x / most_x, _TOP + inner_height * (1 - log10(1 + y) / most_y)

    parts = [_text(_LEFT, 22, title, 16)]
    for tick in (0, 1, 10, 100, 1000, 10_000, 100_000):
        if log10(1 + tick) <= most_y * 1.001:
            _, y = place(0, tick)
            parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(_text(_LEFT - 8, y + 4, f"{tick:,}", 11, "end"))
    for part in range(5):
        x, _ = place(most_x * part / 4, 0)
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{most_x * part / 4:,.0f}", 11, "middle"))
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for x, y in line:
            cx, cy = place(x, y)
            parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3" fill="{colour}"/>')
        parts.append(f'<circle cx="{_LEFT + 6 + 300 * number}" cy="40" r="5" fill="{colour}"/>')
        parts.append(_text(_LEFT + 16 + 300 * number, 44, name, 12))
    parts.append(_text(_LEFT + inner_width / 2, _HEIGHT - 10, x_name, 12, "middle"))
    parts.append(f'<g transform="rotate(-90 16 {_HEIGHT / 2})">{_text(16, _HEIGHT / 2, y_name, 12, "middle")}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, size: int, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
