# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions to a log in Python, with pandas (Debian: apt install python3-pandas).

Run it from the tree as PYTHONPATH=. python3 doc/example.py LOG, or after make install with
PYTHONPATH=/usr/local/share/pf_probe. Editors that know # %% show it as a notebook.
"""

# %% Read a log. help(log.to_pandas) lists the columns with their units.
import sys

import faultlog

log = faultlog.read(sys.argv[1] if len(sys.argv) > 1 else "out/pf_probe_B.log")
faults = log.to_pandas()
print(f"{len(faults):,} faults of {log.head.get('comm', 'a process')}")

# %% Which mappings took how long? Without latencies there is nothing to sum.
spent = faults.groupby("map", observed=True)["latency_ns"].sum(min_count=1)
spent_ms = (spent.dropna().astype("float") / 1e6).sort_values(ascending=False)
print("\nTime in faults, in ms", spent_ms.head(10).round(3).to_string(), sep="\n")

# %% How many faults were major, by region?
results = (
    faults.groupby(["region", "result"], observed=True).size().unstack(fill_value=0)
)
print("\nFaults by region and result", results.to_string(), sep="\n")

# %% How many pages were touched for the first time in each hundredth of the run?
pages = faults.assign(page=faults["address"] // (1 << log.page_shift))
pages = pages.sort_values("time_ns").drop_duplicates(["pid", "page"])
begin, end = int(faults["time_ns"].min()), int(faults["time_ns"].max())
part = (pages["time_ns"] - begin) * 100 // max(end - begin, 1)
print("\nNew pages", part.value_counts().sort_index().head(10).to_string(), sep="\n")

# %% A picture; in a notebook it appears below the cell.
# faults.plot.scatter("at_ms", "latency_ns", s=1)
