# SPDX-License-Identifier: GPL-2.0-or-later
"""A page for the browser: .html, one file that contains all data and scripts; no network.

The page has every fault, so after each zoom and filter it recounts what is in view. Most of
a fault's properties (thread, kind of access, file ...) are shared by many faults: each such
combination, a group, is stored once. The rest are columns of numbers, each packed into as few
bytes as it needs.
"""

from __future__ import annotations

import argparse
import base64
import json
import zlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np

from ..analyse import threads
from ..analyse.groups import KEYS
from ..analyse.runs import MAX_MARKED, changes, numbered, owners
from ..base import progress
from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.libraries import libraries
from ..base.packed import distinct, number
from ..draw.areas import area_of, find_areas
from ..draw.panels import NONE, by_mapping, regions_text
from ..parse import recording
from ..parse.log import COLUMNS, NO_PAGE, OF_OTHERS, WORD, Log
from .outputs import Job, replacing
from .rows import SHARED, largest, shared_columns

CHUNK = 1 << 20  # faults packed at a time; with more, a text gets too long for browsers
LEVEL = 3  # of compression
TOP = float(1 << 62)  # larger offsets are drawn here; no file is larger
VIEWS = ("address", "mapping")  # as for a picture
COUNTED_FROM_1 = {
    "latency": "latency_ns",
    "ip": "ip",
    "offset": "offset",
}  # columns in which 1 is added to each value; 0: not recorded
# Keys of tables that are stored for each fault, as they may have as many values as faults.
FINE_KEYS = ("function", "offset", "page")
# Panels by address: more than in a picture, because gaps within a panel are not folded.
MAX_AREAS = 16
HERE = Path(__file__).resolve().parent
SCRIPTS = ("view.js", "page.js")  # in this order, as one
# Of each panel, and between panels; without gaps all panels together are 1 high.
MIN_HEIGHT, GAP = 0.035, 0.012


def columns(_options: argparse.Namespace) -> set[str]:
    """All columns of a log."""
    return set(COLUMNS) - {*OF_OTHERS}


def check(options: argparse.Namespace) -> None:
    """Raise LogError for a view that pages do not have."""
    if options.view not in (None, *VIEWS):
        raise LogError(f"--view {options.view}: a page has {' and '.join(VIEWS)}")


def prepare() -> None:
    """Read plotly's script, which each page contains; raises LogError if it is missing."""
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
    """Plotly's script, from Debian's package."""
    try:
        with libraries():
            from plotly.offline import get_plotlyjs

            return get_plotlyjs().encode()
    except FileNotFoundError as err:
        text = "plotly is needed (Debian: apt install python3-plotly)"
        raise LogError(text) from err


def _packed(column: str, chunk: int, data: bytes) -> bytes:
    """An element of the page: a column's chunk, compressed; its id is COLUMN.CHUNK."""
    packer = zlib.compressobj(LEVEL, wbits=31)  # in the format of gzip
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
    # An axis of addresses makes sense for a single address space only.
    can_be_by_address = log.is_of_one_process and bool(log.known("address").all())
    view = job.options.view or ("address" if can_be_by_address else "mapping")
    panels, place = _panels(log, view)
    columns_of, texts = shared_columns(log)
    columns_of["pid"] = log.process
    # Faults of a group are in one address space: of that number in their process.
    columns_of["run"] = numbered(log, job.whole)
    names_of_shared = (*SHARED, "run")
    shared = [columns_of[name] for name in names_of_shared]
    group, first = number(*shared, *largest(log, SHARED, slice(None)))
    whole_owner = owners(job.whole)
    first_ns = job.whole.time_ns.min()
    # Made chunk by chunk: all together are larger than the log. See COUNTED_FROM_1.
    own: dict[str, Callable[[slice], NDArray[Any]]] = {
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
    # With 1 added, the largest number of 64 bits needs 65: the last byte plane has this bit.
    carries = {name: log.largest.get(key) for name, key in COUNTED_FROM_1.items()}
    widths |= {name: 9 for name, carry in carries.items() if carry is not None}
    names: dict[str, object] = {**texts}
    names.update(_names_of_reused(log))
    names.update(_names_of_threads(log))
    execs = (changes(log) - first_ns).tolist()
    meta = {
        "name": job.name.encode("utf-8", "replace").decode(),
        "nr_faults": len(log),
        "chunk": CHUNK,
        "widths": widths,
        "first_ns": str(first_ns),
        "page_shift": log.page_shift,
        "view": view,
        "panels": panels,
        "shared": list(names_of_shared),
        "groups": [
            [
                _plain(log, name, at, int(column[at]))
                for name, column in zip(names_of_shared, shared)
            ]
            for at in first.tolist()
        ],
        "names": names,
        **about_codes,
        "pageless": _pageless(log, codes["page"]),
        "is_of_one_space": bool((whole_owner == whole_owner[0]).all()),
        "filter": job.filters.text(),
        "notes": job.verdict.lines(),
        "outcome_hint": log.outcome_hint,
        "recorder": log.recorder,
        "complete": job.verdict.says_complete,
        "head": {**log.head, **vars(recording.of_log(log, job.name))},
        "summary": log.summary,
        "execs": execs if len(execs) <= MAX_MARKED else [],
        "nr_execs": len(execs),
        "events": [vars(event) for event in log.events],
    }
    yield _packed("meta", 0, json.dumps(meta).encode())
    for i, part in enumerate(chunks):
        for name, values in own.items():
            planes = _planes(values(part), min(widths[name], 8))
            carry = carries.get(name)
            if carry is not None:
                planes += carry[part].tobytes()
            yield _packed(name, i, planes)
            progress.add(min(CHUNK, len(log)) // len(own))


def _pageless(log: Log, code: NDArray[np.int64]) -> list[int]:
    """The codes, by the key page, of faults of which no page is known."""
    return distinct(code[log.page == NO_PAGE]).tolist() if log.recorder else []


def _names_of_reused(log: Log) -> dict[str, dict[int, str]]:
    """The processes' names in the page, if pids alone are ambiguous."""
    processes = distinct(log.process).tolist()
    return {"pid": {p: log.process_text(p) for p in processes}} if log.reused else {}


def _names_of_threads(log: Log) -> dict[str, dict[int, str]]:
    """Each thread's number and last name in the page, if names are known."""
    tids, which = np.unique(log.tid, return_inverse=True)
    names = threads.last_names(log, which, len(tids))
    if not any(names):
        return {}
    texts = {t: f"{t} {name}".rstrip() for t, name in zip(tids.tolist(), names)}
    return {"tid": texts | {-1: ""}}


def _fine_keys(job: Job) -> tuple[dict[str, NDArray[Any]], dict[str, dict]]:
    """Each fault's code for each of FINE_KEYS, uint32 (n,); and metadata about the codes."""
    codes, nr_codes, labels, notes = {}, {}, {}, {}
    for key in FINE_KEYS:
        keyed = KEYS[key].groups(job.log, job.whole)
        codes[key] = keyed.codes.astype(np.uint32)
        nr_codes[key], notes[key] = keyed.count, keyed.notes
        if key == "function":  # the page makes the labels of the others
            labels[key] = [keyed.plain(i) for i in range(keyed.count)]
    return codes, {"nr_codes": nr_codes, "labels": labels, "tables_notes": notes}


def _plain(log: Log, name: str, row: int, value: int) -> int:
    """The value of a fault (row) in a column: a number or a name's code; -1: not recorded."""
    is_number = name in COLUMNS and COLUMNS[name].form != WORD
    is_known = not is_number or log.known(name, slice(row, row + 1))[0]
    return value if is_known else -1


def _width(values: NDArray[Any]) -> int:
    """How many bytes the largest value needs, at least 1."""
    return max((int(values.max()).bit_length() + 7) // 8, 1)


def _planes(values: NDArray[Any], width: int) -> bytes:
    """The lowest bytes of all values, then the next bytes ...: this compresses best."""
    octets = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return octets.T[:width].tobytes()


def _panels(log: Log, view: str) -> tuple[list[dict], NDArray[np.uint8]]:
    """The panels, lowest first, and each fault's place in them; uint64 (n,).

    Places are pages, counted through all panels from the first page of the lowest one.
    """
    find = _of_mappings if view == "mapping" else _of_areas
    which, above, panels = find(log)
    starts = np.cumsum([0] + [panel["pages"] for panel in panels[:-1]], dtype=np.uint64)
    place = starts[which] + above
    bottom = 0.0
    heights = _heights(which, place, len(panels))
    for panel, start, height in zip(panels, starts.tolist(), heights):
        panel.update(place=start, bottom=bottom, height=height)
        bottom += height + GAP
    return panels, place


def _of_areas(log: Log) -> tuple[NDArray[np.uint8], NDArray[np.uint64], list[dict]]:
    """Panels of touched areas: each fault's panel and its page in it, (n,); the panels."""
    if not log.known("address").all():
        raise LogError("--view address: the file does not have all addresses")
    pages = log.address >> np.uint64(log.page_shift)
    areas = find_areas(log.pages, MAX_AREAS)
    which = area_of(pages, areas)
    firsts = np.array([area.first for area in areas], dtype=np.uint64)
    panels = [
        {
            "first": str(area.first),  # 64 bits: JSON's numbers have 53 in a browser
            "pages": area.nr_pages,
            "unit": "address",
            "label": regions_text(log, which == i) or "unknown",
        }
        for i, area in enumerate(areas)
    ]
    return which, pages - firsts[which], panels


def _of_mappings(log: Log) -> tuple[NDArray[np.uint8], NDArray[np.uint64], list[dict]]:
    """As _of_areas(), for panels by mapping; faults without a place get a panel of one line."""
    found = by_mapping(log)
    shift = log.page_shift
    which = found.where.copy()
    above = np.zeros(len(log), dtype=np.uint64)
    panels = []
    for i, panel in enumerate(found.panels):
        rows = np.flatnonzero(which == i)
        height = np.minimum(found.heights(log, panel, rows), TOP)
        above[rows] = height.astype(np.uint64) >> np.uint64(shift)
        pages = max(panel.size >> shift, int(above[rows].max(initial=0)) + 1)
        panels.append(
            {"first": "0", "pages": pages, "unit": panel.unit, "label": panel.title}
        )
    lost = which == NONE
    if lost.any():
        panels.insert(0, {"first": "0", "pages": 1, "unit": "", "label": "no offset"})
        which += 1  # NONE, the largest, becomes 0
    return which, above, panels


def _heights(
    which: NDArray[np.uint8], place: NDArray[np.uint64], nr_panels: int
) -> list[float]:
    """Heights of panels: by the square root of the pages touched, so small ones stay visible."""
    rows = np.unique(place, return_index=True)[1]
    touched = np.bincount(which[rows], minlength=nr_panels)
    share = np.sqrt(touched) / np.sqrt(touched).sum()
    return (MIN_HEIGHT + (1 - MIN_HEIGHT * nr_panels) * share).tolist()
