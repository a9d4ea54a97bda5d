"""Pieces of HTML: tables, figures, and the page around them."""

from html import escape

_CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto;
  max-width: 1180px; padding: 0 1rem 4rem; }
h1 { margin: 1.5rem 0 0; } h2 { margin: 2.5rem 0 .5rem; border-bottom: 2px solid #eee; }
h3 { margin: 0 0 .25rem; font-size: 1rem; }
p { max-width: 46rem; margin: .4rem 0; }
nav { display: flex; flex-wrap: wrap; gap: 0 1rem; } nav a { white-space: nowrap; }
.figures { display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
  gap: 1.5rem; margin: 1rem 0; }
figure { margin: 0; min-width: 0; } figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #eee; vertical-align: top; }
th { font-weight: 600; background: #f6f6f6; white-space: normal; vertical-align: bottom; }
td:first-child, th:first-child { position: sticky; left: 0; white-space: normal;
  min-width: 8.5rem; }
td:first-child { background: #fff; } td.text, th.text { text-align: left; }
td.wide { white-space: normal; min-width: 16rem; }
td small, th small { color: #666; font-weight: normal; }
tr.ours td, tr.ours td:first-child { background: #fdf1f1; }
tr.floor td, tr.floor td:first-child { background: #f4f4f4; }
summary { cursor: pointer; color: #0645ad; margin: .4rem 0; }
.ok { color: #17722b; font-weight: 600; } .short { color: #b3261e; font-weight: 600; }
"""


class Text(str):
    """A cell that is text: left-aligned, and wrapped if it is long."""


class Raw(str):
    """A cell that is HTML already."""


def _cell(tag, value):
    content = value if isinstance(value, Raw) else escape(str(value))
    left = isinstance(value, Text)
    names = (["text"] if left else []) + (["wide"] if left and len(value) > 45 else [])
    style = ' class="%s"' % " ".join(names) if names else ""
    return "<%s%s>%s</%s>" % (tag, style, content, tag)


def table(head, rows, row_classes=None):
    """`rows` are lists of cells; the head of a column is aligned like its first cell."""
    first = rows[0] if rows else []
    aligned = [
        Text(title) if i < len(first) and isinstance(first[i], Text) else title
        for i, title in enumerate(head)
    ]
    html = ["<tr>" + "".join(_cell("th", title) for title in aligned) + "</tr>"]
    for number, row in enumerate(rows):
        name = row_classes[number] if row_classes else ""
        style = ' class="%s"' % name if name else ""
        html.append("<tr%s>%s</tr>" % (style, "".join(_cell("td", cell) for cell in row)))
    return '<div class="scroll"><table>\n%s\n</table></div>\n' % "\n".join(html)


def figure(title, svg):
    return "<figure><h3>%s</h3>%s</figure>\n" % (escape(title), svg)


def figures(pieces):
    return '<div class="figures">\n%s</div>\n' % "".join(pieces) if pieces else ""


def details(title, content):
    """Shown when it is opened."""
    return "<details><summary>%s</summary>%s</details>\n" % (escape(title), content)


def section(name, title, *content):
    return '<h2 id="%s">%s</h2>\n%s' % (name, escape(title), "".join(content))


def paragraph(text):
    return "<p>%s</p>\n" % escape(text)


def page(title, sections, body):
    links = "".join('<a href="#%s">%s</a>' % (name, escape(text)) for name, text in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n<h1>%s</h1>\n<nav>%s</nav>\n%s"
        "</body>\n</html>\n" % (escape(title), _CSS, escape(title), links, body)
    )
