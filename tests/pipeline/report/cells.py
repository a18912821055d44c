"""Reading a section's tables: what a person would read, by column."""

from pipeline.records.report import ReportData
from pipeline.report.document import Badge, Bar, Code, Details, Figures, Table


def told(data):
    """Return the record of plain data that a test changed."""
    return ReportData.from_json(data)


def plain(cell):
    """Return a cell's words; a badge's with its state."""
    if isinstance(cell, Badge):
        return f"{cell.text} [{cell.state}]"
    return cell.text if isinstance(cell, (Bar, Code)) else cell


def tables(section):
    """Return every table of a section in order, those behind details too."""
    found = []
    waiting = list(section.blocks)
    while waiting:
        block = waiting.pop(0)
        if isinstance(block, Details):
            waiting[:0] = block.blocks
        elif isinstance(block, Table):
            found.append(block)
    return found


def rows(table):
    """Return one mapping per row, from column to words."""
    names = [name.lstrip(">") for name in table.columns]
    return [dict(zip(names, map(plain, row), strict=True)) for row in table.rows]


def table_with(section, column):
    """Return the rows of the first table that has this column."""
    chosen = (t for t in tables(section) if column in [c.lstrip(">") for c in t.columns])
    return rows(next(chosen))


def captions(section):
    """Return the captions of a section's figures."""
    return [
        f.caption for block in section.blocks if isinstance(block, Figures) for f in block.items
    ]


def details(section):
    """Return the lines that open something."""
    return [block.summary for block in section.blocks if isinstance(block, Details)]


def texts(section):
    """Return (text, state) of the section's paragraphs."""
    return [(b.text, b.state) for b in section.blocks if type(b).__name__ == "Text"]
