"""What all benchmarks write: JSON with the machine in words, and a Markdown table of the same figures."""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

TOLERANCE = 1.2


def benchmark_parser(doc: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """With --out for the report, and --rounds where there are any."""
    parser = argparse.ArgumentParser(description=doc)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("output/benchmarks"))
    return parser


def machine() -> str:
    """Such as 'Linux x86_64, 2 CPU cores, torch 2.13.0, 1 thread'."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{cores} CPU cores"
    threads = torch.get_num_threads()
    return f"{platform.system()} {platform.machine()}, {device}, torch {torch.__version__}, {threads} threads"


def write_report(out: Path, title: str, command: str, rows: Sequence[Mapping[str, Any]], notes: str = "") -> None:
    """`out`.json and `out`.md; the columns are the keys of the first row."""
    out.parent.mkdir(parents=True, exist_ok=True)
    report = {"title": title, "command": command, "machine": machine(), "notes": notes, "rows": list(rows)}
    out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}", "", f"`{command}`, {machine()}. {notes}".rstrip(), "", *markdown_table(rows), ""]
    out.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


def against(figure: float, stated: float | None) -> dict[str, Any]:
    """Two columns: what is stated of a figure of which less is better, flagged where it is behind by a fifth."""
    return {"stated": stated, "behind": "RED" if stated is not None and figure > TOLERANCE * stated else ""}


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = list(rows[0])
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *cells)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
