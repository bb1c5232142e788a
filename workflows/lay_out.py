"""Lays out the templates on a screen of 1440x900: sections from left to right, and wires where nothing lies.

    python workflows/lay_out.py            # all of them
    python workflows/lay_out.py swap blend # those with one of these words in their names

Which section a node is in is read from the groups as they are. Each section becomes one group of one or more columns;
two that are one column each, and fit, share it. Where that would make everything too small to read, sections flow from
column to column, and one that is broken has a group in each, the second called "... (2)". A wire that passes a column
does so in a lane: above, below or between what stands in it, never over a group's title.
tests/browser/workflows.test.mjs looks whether this is so in the page.
"""

import copy
import itertools
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).resolve().parent
Node = dict[str, Any]

# All lengths in units of the graph, but the screen's.
WIDTH, GUTTER, PADDING = 242, 46, 8
TITLE, GAP, BAND = 30, 16, 36  # a node's title; between nodes of a column; a group's title
LANES, BELOW_NOTE, LANE = 60, 90, 11  # room for wires above groups, and below a note; from one wire to the next
SECTION_GAP = 30
MARGIN = 10  # between a wire and what it passes
STEEP = 60  # by which a wire may rise or fall in a gutter without points that keep it there
PAGE = (1440, 900)
SCREEN, CORNER = (1345, 690), (72, 96)  # what the page's bars leave free, and where that begins
SCALES = (0.8, 0.75, 0.7, 0.66, 0.63, 0.603)  # legible ones
FLOWING_COLUMNS = 6
FITTED = 0.75  # of the screen is what the page fits a template into that it opens, whatever scale the file has
ABOVE_MAP = 260  # by which the last of columns that flow is shorter
MINIMAP = (255, 215)  # pixels at the lower right
# By how much Nodes 2.0 makes a node taller than the classic canvas, with the bar of an error: ours have a badge, too,
# but where advanced inputs are folded away.
TALLER, TALLER_OURS, FOLDED = 38, 64, 30
FOLDING = ("CFLDPromptEncoder", "CFLDPoseConditioning", "CFLDApplyHGA")
WIDE = {"CFLDPoseEditor": 300}
COLOURS = ("#3f789e", "#8A8", "#b58b2a", "#a1309b", "#88A")


@dataclass
class Column:
    left: float
    width: float
    nodes: list[Node] = field(default_factory=list)
    blocked: list[tuple[float, float]] = field(default_factory=list)  # from top to bottom, where no wire passes

    @property
    def right(self) -> float:
        return self.left + self.width


def height_of(node: Node) -> float:
    """As Nodes 2.0 shows it, with its title and an error."""
    kind = node["type"]
    taller = FOLDED if kind in FOLDING else TALLER_OURS if kind.startswith("CFLD") else TALLER
    return node["size"][1] + TITLE + taller


def stack_height(nodes: Sequence[Node]) -> float:
    return sum(height_of(node) for node in nodes) + GAP * (len(nodes) - 1)


def sections_of(workflow: dict) -> dict[str, list[Node]]:
    """By title, in the order of their names; the nodes as they follow from each other."""
    sections: dict[str, list[Node]] = {title: [] for title in sorted(map(whole_title, workflow["groups"]))}
    for node in in_order(workflow):
        centre = [place + size / 2 for place, size in zip(node["pos"], node["size"], strict=True)]
        title = next((whole_title(group) for group in workflow["groups"] if is_inside(centre, group["bounding"])), None)
        if title is not None:
            sections[title].append(node)
        elif node["type"] != "MarkdownNote":
            sys.exit(f"{node['type']} ({node['id']}) is in no group")
    return {title: nodes for title, nodes in sections.items() if nodes}


def whole_title(group: dict) -> str:
    """Of the section that a group is a part of."""
    return re.sub(r" \(\d+\)$", "", group["title"])


def is_inside(point: Sequence[float], box: Sequence[float]) -> bool:
    """box: left, top, width, height."""
    return all(0 <= point[axis] - box[axis] <= box[axis + 2] for axis in (0, 1))


def in_order(workflow: dict) -> list[Node]:
    """Sources before targets."""
    nodes = {node["id"]: node for node in sorted(workflow["nodes"], key=lambda node: node["id"])}
    before = {number: {link[1] for link in workflow["links"] if link[3] == number} for number in nodes}
    order: list[int] = []
    while len(order) < len(nodes):
        order.append(next(number for number in nodes if number not in order and before[number] <= set(order)))
    return [nodes[number] for number in order]


def in_columns(nodes: list[Node], room: float) -> list[list[Node]] | None:
    """As few columns as fit, of as even heights as may be."""
    for count in range(1, len(nodes) + 1):
        splits = itertools.combinations(range(1, len(nodes)), count - 1)
        cuts = ([0, *split, len(nodes)] for split in splits)
        columns = [[nodes[a:b] for a, b in itertools.pairwise(cut)] for cut in cuts]
        best = min(columns, key=lambda some: max(map(stack_height, some)))
        if max(map(stack_height, best)) <= room:
            return best
    return None


def place_note(workflow: dict) -> float:
    """Puts the note over the first two columns, and says how far down it reaches."""
    (note,) = [node for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    note["pos"], note["size"][0] = [0, TITLE], 2 * WIDTH + GUTTER
    return note["size"][1] + TITLE


def stack(column: Column, top: float, nodes: list[Node]) -> float:
    """Puts nodes below each other under a group's title that begins at `top`; where the last ends."""
    column.blocked.append((top, top + BAND))
    y = top + BAND
    for node in nodes:
        node["pos"], node["size"][0] = [column.left, y + TITLE], column.width
        column.blocked.append((y, y + height_of(node)))
        y += height_of(node) + GAP
    column.nodes += nodes
    return y - GAP


def place(workflow: dict, room: float) -> list[Column] | None:
    """Puts the note, the nodes and the groups where they belong; None where a node is taller than the room."""
    note_height = place_note(workflow)
    columns: list[Column] = []
    groups: list[dict] = []
    split: list[list[Node]] | None = []
    for title, nodes in sections_of(workflow).items():
        top = note_height + LANES if len(columns) < 2 else 0
        below = columns[-1].blocked[-1][1] + SECTION_GAP if len(split) == 1 else room
        if below + BAND + stack_height(nodes) <= room:
            split, first, top = [nodes], len(columns) - 1, below
        else:
            split, first = in_columns(nodes, room - top - BAND), len(columns)
            if split is None:
                return None
        for number, column_nodes in enumerate(split):
            if first + number == len(columns):
                add_column(columns, column_nodes)
            stack(columns[first + number], top, column_nodes)
        bottom = top + BAND + max(map(stack_height, split)) + PADDING
        add_group(groups, title, columns[first : first + len(split)], top, bottom, len(groups))
    for column in columns[:2]:
        column.blocked.append((-math.inf, note_height + 3 * MARGIN))  # no way leads above the note
    workflow["groups"] = groups
    return columns


def add_column(columns: list[Column], nodes: list[Node]) -> None:
    left = columns[-1].right + GUTTER if columns else 0
    columns.append(Column(left, max(WIDE.get(node["type"], WIDTH) for node in nodes)))


def add_group(groups: list[dict], title: str, over: list[Column], top: float, bottom: float, colour: int) -> None:
    box = [over[0].left - PADDING, top, over[-1].right - over[0].left + 2 * PADDING, bottom - top]
    groups.append({
        "id": len(groups) + 1, "title": title, "bounding": box, "color": COLOURS[colour % len(COLOURS)], "flags": {},
    })


Run = tuple[str, list[Node]]  # what of a section stands in one column


def flow(sections: dict[str, list[Node]], tops: Sequence[float]) -> list[list[Run]]:
    """Columns of even heights, one for each of `tops`, where they begin; sections go on in the next. The last ends
    above the page's map.
    """
    items = [(title, node) for title, nodes in sections.items() for node in nodes]

    def runs(first: int, last: int) -> list[Run]:
        return [
            (title, [node for _, node in some])
            for title, some in itertools.groupby(items[first:last], lambda item: item[0])
        ]

    best: list[dict[int, tuple[float, list[list[Run]]]]] = [{0: (0.0, [])}]
    for taken in (*tops[:-1], tops[-1] + ABOVE_MAP):
        best.append({
            last: min((
                (max(height, taken + column_height(runs(first, last))), [*columns, runs(first, last)])
                for first, (height, columns) in best[-1].items() if first < last
            ), key=lambda one: one[0])
            for last in range(len(best), len(items) + 1)
        })
    return best[-1][len(items)][1]


def column_height(runs: Sequence[Run]) -> float:
    return sum(BAND + stack_height(nodes) for _, nodes in runs) + SECTION_GAP * (len(runs) - 1) + PADDING


def place_flowing(workflow: dict, count: int) -> list[Column]:
    """As `place`, with sections that flow through so many columns."""
    note_height = place_note(workflow)
    tops = [note_height + BELOW_NOTE if number < 2 else 0 for number in range(count)]
    columns: list[Column] = []
    groups: list[dict] = []
    seen: Counter[str] = Counter()
    for top, runs in zip(tops, flow(sections_of(workflow), tops), strict=True):
        add_column(columns, [node for _, nodes in runs for node in nodes])
        y = top
        for title, nodes in runs:
            seen[title] += 1
            begin, y = y, stack(columns[-1], y, nodes) + PADDING
            part = title if seen[title] == 1 else f"{title} ({seen[title]})"
            add_group(groups, part, columns[-1:], begin, y, len(seen) - 1)
            y += SECTION_GAP - PADDING
    for column in columns[:2]:
        column.blocked.append((-math.inf, note_height + TALLER + MARGIN))
    workflow["groups"] = groups
    return columns


def lanes_of(column: Column) -> Iterator[float]:
    """Where wires may pass, near what they pass."""
    def is_free(y: float) -> bool:
        return all(y <= top - MARGIN or y >= bottom + MARGIN for top, bottom in column.blocked)

    for top, bottom in column.blocked:
        for number in range(8):
            for y in (top - MARGIN - LANE * number, bottom + MARGIN + LANE * number):
                if is_free(y):
                    yield y


def route(workflow: dict, columns: list[Column]) -> None:
    """Gives the wires that pass columns, or go back, points to pass."""
    where = {node["id"]: number for number, column in enumerate(columns) for node in column.nodes}
    slots = {node["id"]: node["pos"][1] for column in columns for node in column.nodes}
    taken: dict[tuple[int, float], tuple] = {}  # by column and lane: the output whose wire is there
    reroutes: list[dict] = []
    extensions: list[dict] = []

    def length(link: list) -> int:
        return abs(where[link[3]] - where[link[1]])

    for link in sorted((link for link in workflow["links"] if link[3] in where), key=lambda link: -length(link)):
        number, source, output, target, slot, _ = link
        start, end = where[source], where[target]
        passed = list(range(start + 1, end)) if end > start else list(range(start, end - 1, -1))
        ends = slots[source] + 14 + 20 * output, slots[target] + 14 + 20 * slot
        choices = [
            sorted({y for y in lanes_of(columns[one]) if taken.get((one, y), (source, output)) == (source, output)})
            for one in passed
        ]
        costs: list[dict[float, tuple[float, list[float]]]] = [{ends[0]: (0.0, [])}]
        for lanes in choices:
            before = costs[-1].items()
            costs.append({y: min((cost + abs(y - last), [*path, y]) for last, (cost, path) in before) for y in lanes})
        _, path = min((cost + abs(ends[1] - y), path) for y, (cost, path) in costs[-1].items())
        points: list[list[float]] = []
        for one, y in zip(passed, path, strict=True):
            taken |= {(one, near): (source, output) for near in (y - LANE / 2, y, y + LANE / 2)}
            sides = [columns[one].left - PADDING - 2, columns[one].right + PADDING + 2]
            points += [[x, y] for x in (sides if end > start else reversed(sides))]
        ways = [ends[0], *path, ends[1]]
        if abs(ways[1] - ways[0]) > STEEP:
            points.insert(0, [columns[start].right + PADDING + 2, ends[0]])
        if abs(ways[-1] - ways[-2]) > STEEP:
            points.append([columns[end].left - PADDING - 2, ends[1]])
        for place_number, point in enumerate(points):
            before = {"parentId": len(reroutes)} if place_number else {}
            reroutes.append({"id": len(reroutes) + 1, "pos": point, "linkIds": [number]} | before)
        if points:
            extensions.append({"id": number, "parentId": len(reroutes)})
    workflow["extra"] |= {"linkExtensions": extensions, "reroutes": reroutes}


def extent(workflow: dict) -> tuple[float, float]:
    """Width and height of all nodes as the page fits them into its screen, with the margin that it leaves around."""
    nodes = workflow["nodes"]
    right, bottom = (max(node["pos"][axis] + node["size"][axis] for node in nodes) for axis in (0, 1))
    left, top = (min(node["pos"][axis] for node in nodes) for axis in (0, 1))
    return right - left + 2 * MARGIN, bottom - top + TITLE + 2 * MARGIN


def lay_out(workflow: dict) -> None:
    for scale in SCALES:
        trial = copy.deepcopy(workflow)
        columns = place(trial, SCREEN[1] / scale - LANES / 2)
        if columns and all(scale * side <= FITTED * whole for side, whole in zip(extent(trial), PAGE, strict=True)):
            workflow.update(trial)
            break
    else:
        columns = place_flowing(workflow, FLOWING_COLUMNS)
        scale = min(FITTED * whole / side for side, whole in zip(extent(workflow), PAGE, strict=True))
    route(workflow, columns)
    width, height = (side / scale for side in SCREEN)
    bottom = max(bottom for column in columns for _, bottom in column.blocked)
    across, down = (width - columns[-1].right) / 2, max(0, (height - bottom) / 3)
    offset = [CORNER[0] / scale + across, CORNER[1] / scale + down]
    workflow["extra"]["ds"] = {"scale": round(scale, 3), "offset": [round(one, 1) for one in offset]}
    last = max(bottom for _, bottom in columns[-1].blocked)
    if last > height - down - MINIMAP[1] / scale:
        sys.stdout.write("the last column reaches below the map\n")


def main(words: Sequence[str]) -> None:
    for file in sorted(WORKFLOWS.glob("*.json")):
        if not words or any(word in file.stem for word in words):
            workflow = json.loads(file.read_text(encoding="utf-8"))
            sys.stdout.write(f"{file.stem}\n")
            lay_out(workflow)
            file.write_text(written(workflow), encoding="utf-8")


def written(workflow: dict) -> str:
    """A line for each node and each wire, so that a change can be read."""
    parts = []
    for key, value in workflow.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in value) + "\n  ]"
        parts.append(f'  "{key}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
