# SPDX-License-Identifier: GPL-2.0-or-later
"""A page for the browser: .html, one file with all data and scripts inside, no network.

The page has each fault, so it counts anew what is in view after each zoom and filter. Most
of a fault is one of few groups (thread, kind of access, file ...), told once; what is its
own are numbers, a column each, packed in as few bytes as they need.
"""

from __future__ import annotations

import argparse
import base64
import json
import zlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from . import recording
from .areas import area_of, find_areas
from .groups import KEYS
from .log import COLUMNS, OUTCOME_HINT, WORD, Log, LogError
from .outputs import Job, libraries, replacing
from .packed import distinct
from .panels import NONE, by_mapping, regions_text
from .rows import SHARED, groups, largest

CHUNK = 1 << 20  # faults packed at a time: few, or one text gets too long for a browser
LEVEL = 3  # of compression
TOP = float(1 << 62)  # no file is larger, whatever a log says of offsets
VIEWS = ("address", "mapping")  # as for a picture
COUNTED_FROM_1 = {
    "latency": "latency_ns",
    "ip": "ip",
    "offset": "offset",
}  # 0: not told
# Keys of tables that are no column of a group: there may be one for each fault.
FINE_KEYS = ("function", "offset", "page")
MAX_AREAS = (
    16  # panels by address: more than in a picture, as gaps within are not folded
)
HERE = Path(__file__).resolve().parent
SCRIPTS = ("view.js", "page.js")  # in this order, as one
MIN_HEIGHT, GAP = (
    0.035,
    0.012,
)  # of panels, and between them; all together have height 1


def columns(_options: argparse.Namespace) -> set[str]:
    """All that a log has."""
    return set(COLUMNS)


def check(options: argparse.Namespace) -> None:
    """Raise LogError for a view that a page has not."""
    if options.view not in (None, *VIEWS):
        raise LogError(f"--view {options.view}: a page has {' and '.join(VIEWS)}")


def prepare() -> None:
    """Import what the page takes with it; raises LogError where it is missing."""
    _library()


def write(job: Job) -> None:
    """Write the page, piece by piece."""
    before, after = (HERE / "page.html").read_text().split("@DATA@")
    title = escape(Path(job.name).name.encode("utf-8", "replace").decode())
    library = _library()
    with replacing(job) as file:
        file.write(before.replace("@TITLE@", title).encode())
        for piece in _pieces(job):
            file.write(piece)
        file.write(_packed("plotly", 0, library))
        script = "\n".join((HERE / name).read_text() for name in SCRIPTS)
        file.write(after.replace("@SCRIPT@", script).encode())


@cache
def _library() -> bytes:
    """Plotly's script, as Debian has it."""
    try:
        with libraries():
            from plotly.offline import get_plotlyjs

            return get_plotlyjs().encode()
    except FileNotFoundError:
        raise LogError("plotly is needed (Debian: apt install python3-plotly)")


def _packed(column: str, chunk: int, data: bytes) -> bytes:
    """Data that the script finds by the name of its column and its number."""
    packer = zlib.compressobj(LEVEL, wbits=31)  # with the head and end of gzip
    text = base64.b64encode(packer.compress(data) + packer.flush())
    return b'<script type="application/gzip" id="%s.%d">%s</script>\n' % (
        column.encode(),
        chunk,
        text,
    )


def _pieces(job: Job) -> Iterator[bytes]:
    """The log's data as elements of the page."""
    log = job.log
    codes, about_codes = _fine_keys(job)
    # Processes with address spaces of their own share no axis of addresses.
    view = job.options.view or ("address" if log.is_of_one_process else "mapping")
    panels, place = _panels(log, view)
    programs, program = log.programs()
    shared = [log.process, *(getattr(log, name) for name in SHARED[1:-1]), program]
    first, group = groups(shared + largest(log, SHARED, slice(None)))
    first_ns = job.whole.time_ns.min()
    # Made chunk by chunk, as all together are larger than the log. 0: not told, where 1 is added.
    own: dict[str, Callable[[slice], np.ndarray]] = {
        "time": lambda part: log.time_ns[part] - first_ns,
        "place": lambda part: place[part],
        "latency": lambda part: log.latency_ns[part] + np.uint64(1),
        "group": lambda part: group[part],
        "address": lambda part: log.address[part],
        "ip": lambda part: log.ip[part] + np.uint64(1),
        "offset": lambda part: log.offset[part] + np.uint64(1),
        **{f"by-{key}": column.__getitem__ for key, column in codes.items()},
    }
    chunks = [slice(at, at + CHUNK) for at in range(0, len(log), CHUNK)]
    widths = {
        name: max(_width(values(part)) for part in chunks)
        for name, values in own.items()
    }
    # With 1 added, the largest number takes a bit more than 64.
    carries = {name: log.largest.get(key) for name, key in COUNTED_FROM_1.items()}
    widths |= {name: 9 for name, carry in carries.items() if carry is not None}
    meta = {
        "name": job.name.encode("utf-8", "replace").decode(),
        "nr_faults": len(log),
        "chunk": CHUNK,
        "widths": widths,
        "first_ns": str(first_ns),
        "page_shift": log.page_shift,
        "view": view,
        "panels": panels,
        "shared": list(SHARED),
        "groups": [
            [
                _plain(log, name, at, int(column[at]))
                for name, column in zip(SHARED, shared)
            ]
            for at in first.tolist()
        ],
        "names": {**log.names, "program": programs, **_names_of_reused(log)},
        **about_codes,
        "is_of_one_process": job.whole.is_of_one_process,
        "filter": job.filters.text(),
        "notes": job.verdict.lines(),
        "outcome_hint": OUTCOME_HINT,
        "complete": job.verdict.says_complete,
        "head": {**log.head, **vars(recording.of_log(log, job.name))},
        "summary": log.summary,
        "events": [vars(event) for event in log.events],
    }
    yield _packed("meta", 0, json.dumps(meta).encode())
    for i, part in enumerate(chunks):
        for name, values in own.items():
            planes = _planes(values(part), min(widths[name], 8))
            if widths[name] > 8:
                planes += carries[name][part].tobytes()
            yield _packed(name, i, planes)


def _names_of_reused(log: Log) -> dict[str, dict[int, str]]:
    """What processes are called, if their pids do not tell them apart."""
    processes = distinct(log.process).tolist()
    return {"pid": {p: log.process_text(p) for p in processes}} if log.reused else {}


def _fine_keys(job: Job) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """What each fault is by FINE_KEYS, uint32 (n,) each; and what is told of these numbers."""
    codes, nr_codes, labels, notes = {}, {}, {}, {}
    for key in FINE_KEYS:
        keyed = KEYS[key].group(job.log, job.whole)
        codes[key] = keyed.codes.astype(np.uint32)
        nr_codes[key], notes[key] = keyed.count, keyed.notes
        if key == "function":  # the page makes the others
            labels[key] = [keyed.plain(i) for i in range(keyed.count)]
    return codes, {"nr_codes": nr_codes, "labels": labels, "tables_notes": notes}


def _plain(log: Log, name: str, row: int, value: int) -> int:
    """A value of a group, which row is of: a number or a name's code; -1: none is told."""
    is_number = name in COLUMNS and COLUMNS[name].form != WORD
    is_told = not is_number or log.told(name, slice(row, row + 1))[0]
    return value if is_told else -1


def _width(values: np.ndarray) -> int:
    """How many bytes the largest of them takes, at least 1."""
    return max((int(values.max()).bit_length() + 7) // 8, 1)


def _planes(values: np.ndarray, width: int) -> bytes:
    """First all values' lowest bytes, then their next ...: that packs best."""
    octets = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return octets.T[:width].tobytes()


def _panels(log: Log, view: str) -> tuple[list[dict], np.ndarray]:
    """The panels, lowest first, and each fault's place in them; uint64 (n,).

    Place 0 is the first page of the lowest panel; what is between panels takes no place.
    """
    find = _of_mappings if view == "mapping" else _of_areas
    which, above, told = find(log)
    starts = np.cumsum([0] + [panel["pages"] for panel in told[:-1]], dtype=np.uint64)
    place = starts[which] + above
    bottom = 0.0
    heights = _heights(which, place, len(told))
    for panel, start, height in zip(told, starts.tolist(), heights):
        panel.update(place=start, bottom=bottom, height=height)
        bottom += height + GAP
    return told, place


def _of_areas(log: Log) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Panels of touched areas: each fault's panel, its page in that; and what they are."""
    pages = log.address >> np.uint64(log.page_shift)
    areas = find_areas(log.pages, MAX_AREAS)
    which = area_of(pages, areas)
    firsts = np.array([area.first for area in areas], dtype=np.uint64)
    told = [
        {
            "first": str(area.first),  # 64 bits
            "pages": area.nr_pages,
            "unit": "address",
            "label": regions_text(log, which == i) or "not told",
        }
        for i, area in enumerate(areas)
    ]
    return which, pages - firsts[which], told


def _of_mappings(log: Log) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """As _of_areas(), of panels by mapping; what has no place in one has a line below."""
    panels = by_mapping(log)
    shift = log.page_shift
    which = panels.where.copy()
    above = np.zeros(len(log), dtype=np.uint64)
    told = []
    for i, panel in enumerate(panels.panels):
        rows = np.flatnonzero(which == i)
        height = np.minimum(panels.heights(log, panel, rows), TOP)
        above[rows] = height.astype(np.uint64) >> np.uint64(shift)
        pages = max(panel.size >> shift, int(above[rows].max(initial=0)) + 1)
        told.append(
            {"first": "0", "pages": pages, "unit": panel.unit, "label": panel.title}
        )
    lost = which == NONE
    if lost.any():
        told.insert(0, {"first": "0", "pages": 1, "unit": "", "label": "no offset"})
        which += 1  # NONE, the largest, becomes 0
    return which, above, told


def _heights(which: np.ndarray, place: np.ndarray, nr_panels: int) -> list[float]:
    """Heights of panels: by the root of the pages touched, so small ones can be seen."""
    rows = np.unique(place, return_index=True)[1]
    touched = np.bincount(which[rows], minlength=nr_panels)
    share = np.sqrt(touched) / np.sqrt(touched).sum()
    return (MIN_HEIGHT + (1 - MIN_HEIGHT * nr_panels) * share).tolist()
