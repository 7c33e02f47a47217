"""A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

Charts are SVG within the page, as images of their own, so that nothing in one can meet the names in another.
All text is escaped here. It prints on A4 and on letter paper.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from carbonslurm.cli.report_blocks import Chart, Heading, KeyFigures, Points, Rows, Words
from carbonslurm.cli.report_charts import quiet
from carbonslurm.formats.terminal import cleaned

if TYPE_CHECKING:
    from carbonslurm.cli.report_blocks import Block, Report

WIDTH = 7.4  # inches
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #222; background: #fff;
  max-width: 50rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; border-bottom: 2px solid #0072B2; padding-bottom: .15rem; }
p { margin: .4rem 0; } .sub { color: #555; margin-bottom: 1.2rem; } .small { color: #555; font-size: .87rem; }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: .7rem; margin: 1rem 0; }
dl div { border-top: 3px solid #0072B2; background: #f4f7fa; padding: .5rem .7rem; }
dd { margin: 0; font-size: 1.25rem; font-weight: 600; } dt { font-weight: 600; font-size: .87rem; }
dl small { color: #555; } dl div { display: flex; flex-direction: column; } dl dd { order: -1; }
img { width: 100%; height: auto; display: block; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; margin: .6rem 0; }
th, td { padding: .22rem .4rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd;
  font-variant-numeric: tabular-nums; }
th { color: #555; font-weight: 600; vertical-align: bottom; white-space: normal; } .l { text-align: left; }
tr.sum td { font-weight: 600; border-top: 2px solid #888; border-bottom: 0; }
footer { color: #777; font-size: .8rem; margin: 2.5rem 0 1rem; border-top: 1px solid #ccc; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr 1fr; } }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; padding: 0; }
  h2 { break-after: avoid; } img, table, dl, li { break-inside: avoid; } @page { margin: 16mm 15mm; } }
"""


def page(report: Report) -> str:
    """Return the file."""
    body = "\n".join(_html(block) for block in report.blocks)
    title = escape(cleaned(report.title))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{title}</h1>\n<p class="sub">{_text(report.subtitle)}</p>\n{body}\n'
        f"<footer>{_text(report.foot)}</footer>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(cleaned(text))


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_text(text)}</h2>"
        case Words(text, small):
            return f'<p class="small">{_text(text)}</p>' if small else f"<p>{_text(text)}</p>"
        case Points(texts):
            return "<ul>" + "".join(f"<li>{_text(text)}</li>" for text in texts) + "</ul>"
        case KeyFigures(figures):
            return "<dl>" + "".join(_figure(*figure) for figure in figures) + "</dl>"
        case Rows():
            return _table(block)
        case Chart():
            data = base64.b64encode(drawn(block)).decode("ascii")
            return f'<img alt="{_text(block.text)}" src="data:image/svg+xml;base64,{data}">'


def _figure(value: str, label: str, note: str) -> str:
    return f"<div><dt>{_text(label)}</dt><dd>{_text(value)}</dd><small>{_text(note)}</small></div>"


def _table(rows: Rows) -> str:
    def line(cells: list[str], tag: str, kind: str = "") -> str:
        shown = "".join(
            f'<{tag} class="l">{_text(cell)}</{tag}>'
            if place in rows.left
            else f"<{tag}>{_text(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr{kind}>{shown}</tr>"

    head = line(list(rows.header), "th")
    last = len(rows.cells) - 1 if rows.sum_row else -1
    body = "\n".join(
        line(list(cells), "td", ' class="sum"' if number == last else "")
        for number, cells in enumerate(rows.cells)
    )
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def drawn(chart: Chart) -> bytes:
    """Return a chart as SVG; the same figures make the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with quiet(), rc_context({"svg.hashsalt": "carbonslurm", "text.parse_math": False, "font.size": 9}):
        figure = Figure(figsize=(WIDTH, chart.height), layout="constrained")
        FigureCanvasSVG(figure)
        chart.draw(figure.subplots())
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
