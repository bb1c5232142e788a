"""`augment`: samples people in other poses, leaves out who is lost, and saves a set for person re-identification.

Each person is one piece of work: their pictures are drawn up, made, looked at, made again where the person was lost,
and written; last of all a record says that the person is done. Whoever has a record is not made again.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from PIL import Image
from tqdm import tqdm

from ..checkpoints.atomic_files import written_whole
from ..data.pairs import Photograph
from ..data.people import Person
from ..data.pose_files import NamedPose
from ..data.reid import FOLDERS, GALLERY, QUERY, TRAIN, ReIDLayout, layout_for, person_numbers
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.framing import Fit, frame_pose, pose_distance
from .generate import generate_pictures, truth_picture
from .identity_filter import Confidence

POSES_LOOKED_AT = 1000  # a person
MANIFEST_COLUMNS = ("file", "person", "source", "pose", "seed", "attempt", "confidence")


class AugmentError(ValueError):
    """A set cannot be made as asked for; names what is in the way."""


@dataclass(frozen=True)
class AugmentSettings:
    """What is made of each person, and how.

    Attributes:
        pictures: of each person and seed.
        seeds: each draws sources, poses and noise anew.
        width, height: of the pictures in pixels.
        least_distance: of a target pose from the source's, see `pose_distance`.
        least_confidence: that the same person is shown; 0 keeps everything.
        retries: how often a picture of somebody else is made again, with other noise.
        test_share: of the people, for the folders that are tested on; the readers want some there.
        batch_size: pictures at a time.
        made_with: what else decides the pictures, such as the checkpoint's path; noted, and compared on going on.
    """

    pictures: int = 8
    seeds: tuple[int, ...] = (3407,)
    width: int = 176
    height: int = 256
    fit: Fit = "pad"
    least_distance: float = 0.05
    least_confidence: float = 0.5
    retries: int = 3
    test_share: float = 0.1
    batch_size: int = 16
    steps: int = 50
    guidance_type: str = "uc_down_full"
    scales: dict[str, float] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Transfer:
    """One picture to be made. `sequence` and `frame`, from 0, tell it from the person's others."""

    source: Photograph
    target: NamedPose
    sequence: int
    frame: int


@dataclass(frozen=True)
class Result:
    """A picture that shows the person, at which attempt it did, from 1, and how sure that is (None: nobody looked)."""

    transfer: Transfer
    picture: np.ndarray
    attempt: int
    confidence: float | None


def augment(
    pipeline: CFLDPipeline, people: Sequence[Person], poses: Sequence[NamedPose], confidence: Confidence | None,
    out: Path, settings: AugmentSettings,
) -> dict[str, Any]:
    """Make the set below `out`, over as many processes as accelerate has; go on where an earlier run stopped.

    Writes Market-1501's folders, or DukeMTMC's form of names for more people, `manifest.csv` with a row a picture, and
    `summary.json`. `people/` holds a record of everybody who is done, `settings.json` what the set was begun with.

    Args:
        confidence: that two pictures show the same person; None keeps everything.

    Returns:
        The summary: how many pictures were wanted, made and kept, the share kept, and the mean confidence.

    Raises:
        AugmentError: when too few poses are different enough, or `out` holds another set.
    """
    accelerator = Accelerator()
    pipeline.to(accelerator.device)
    numbers = person_numbers([person.name for person in people])
    layout = layout_for(numbers)
    if accelerator.is_main_process:
        _begin(out, people, poses, settings)
    accelerator.wait_for_everyone()
    test_people = _test_people(len(people), settings.test_share)
    own_places = range(len(people))[accelerator.process_index :: accelerator.num_processes]
    for place in tqdm(own_places, desc="augment", unit="person", disable=not accelerator.is_main_process):
        record = out / "people" / f"{numbers[place]:06d}.json"
        if not record.exists():
            transfers = draw_transfers(people[place], numbers[place], poses, settings)
            results, made_count = make_results(pipeline, transfers, numbers[place], confidence, settings)
            rows = _write_pictures(out, layout, numbers[place], results, place in test_people, settings.seeds)
            _write_whole(record, json.dumps({"rows": rows, "made": made_count}))
    accelerator.wait_for_everyone()
    records = [json.loads((out / "people" / f"{number:06d}.json").read_text(encoding="utf-8")) for number in numbers]
    summary = {"layout": layout.name} | _summary(records, len(settings.seeds) * settings.pictures)
    if accelerator.is_main_process:
        _write_manifest(out / "manifest.csv", [row for record in records for row in record["rows"]])
        _write_whole(out / "summary.json", json.dumps(summary, indent=2))
    return summary


def draw_transfers(
    person: Person, number: int, poses: Sequence[NamedPose], settings: AugmentSettings
) -> list[Transfer]:
    """What is made of a person: for each seed, each picture of one of their photographs, in a pose of its own.

    Raises:
        AugmentError: when too few of the poses are far enough from the photograph's own.
    """
    transfers = []
    for sequence, seed in enumerate(settings.seeds):
        random = np.random.default_rng([seed, number])
        order = random.choice(len(poses), size=min(len(poses), POSES_LOOKED_AT), replace=False)
        unused = [poses[int(place)] for place in order]
        for frame in range(settings.pictures):
            source = person.photographs[int(random.integers(len(person.photographs)))]
            start = source.pose()
            distant = (
                pose for pose in unused if pose_distance(start, pose.pose(), settings.fit) >= settings.least_distance
            )
            if (target := next(distant, None)) is None:
                raise AugmentError(
                    f"of {len(poses)} poses only {frame} are {settings.least_distance} or further from those of "
                    f"'{person.name}', and {settings.pictures} are wanted; give more poses, or ask for less"
                )
            unused.remove(target)
            transfers.append(Transfer(source, target, sequence, frame))
    return transfers


def make_results(
    pipeline: CFLDPipeline, transfers: Sequence[Transfer], number: int, confidence: Confidence | None,
    settings: AugmentSettings,
) -> tuple[list[Result], int]:
    """The results that show the person, in the order of `transfers`, and how many were made for them."""
    results: list[Result] = []
    pending, made_count = list(transfers), 0
    for attempt in range(1, 2 + settings.retries):
        rejected = []
        for batch, noise_seed in _batches(pending, number, attempt, settings):
            pictures = generate_pictures(
                pipeline, [(transfer.source, transfer.target) for transfer in batch], settings.fit, settings.width,
                settings.height, steps=settings.steps, seed=noise_seed, guidance_type=settings.guidance_type,
                scales=settings.scales,
            )
            made_count += len(batch)
            for transfer, picture in zip(batch, pictures, strict=True):
                sure = None if confidence is None else _confidence(confidence, transfer, picture, settings)
                if sure is None or sure >= settings.least_confidence:
                    results.append(Result(transfer, picture, attempt, sure))
                else:
                    rejected.append(transfer)
        pending = rejected
    return sorted(results, key=lambda result: (result.transfer.sequence, result.transfer.frame)), made_count


def _batches(
    transfers: Sequence[Transfer], number: int, attempt: int, settings: AugmentSettings
) -> Iterator[tuple[Sequence[Transfer], int]]:
    """Batches, and the seed of the noise that a batch shares: of its first picture's seed, person and attempt."""
    for first in range(0, len(transfers), settings.batch_size):
        leader = transfers[first]
        key = [settings.seeds[leader.sequence], number, attempt, leader.frame]
        yield transfers[first : first + settings.batch_size], int(np.random.default_rng(key).integers(2**63))


def _confidence(confidence: Confidence, transfer: Transfer, picture: np.ndarray, settings: AugmentSettings) -> float:
    source = truth_picture(transfer.source, settings.fit, settings.width, settings.height)
    poses = [frame_pose(photograph.pose(), settings.fit) for photograph in (transfer.target, transfer.source)]
    return confidence((picture, poses[0]), (source, poses[1]))


def _test_people(count: int, share: float) -> range:
    """The last of them; one at least, if there are two and any is wanted."""
    test_count = max(round(count * share), 1) if share > 0 and count > 1 else 0
    return range(count - test_count, count)


def _write_pictures(
    out: Path, layout: ReIDLayout, number: int, results: Sequence[Result], is_tested: bool, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Each whole or not at all; rows of the manifest. Of somebody to test on the first picture is the query."""
    rows = []
    for place, result in enumerate(results):
        folder = TRAIN if not is_tested else GALLERY if place else QUERY
        transfer = result.transfer
        file = out / folder / layout.file_name(number, transfer.sequence, transfer.frame)
        with written_whole(file) as stream:
            Image.fromarray(result.picture).save(stream, "JPEG", quality=95)
        rows.append({
            "file": f"{folder}/{file.name}", "person": number, "source": transfer.source.name,
            "pose": transfer.target.name, "seed": seeds[transfer.sequence], "attempt": result.attempt,
            "confidence": result.confidence,
        })
    return rows


def _begin(out: Path, people: Sequence[Person], poses: Sequence[NamedPose], settings: AugmentSettings) -> None:
    """The folders, and what this set is made of; an error where `out` was begun with something else."""
    names = [[photograph.name for photograph in person.photographs] for person in people]
    content = hashlib.sha256(json.dumps([names, [pose.name for pose in poses]]).encode()).hexdigest()
    settings_text = json.dumps(asdict(settings) | {"people and poses": content}, indent=2)
    file = out / "settings.json"
    if file.exists() and file.read_text(encoding="utf-8") != settings_text:
        raise AugmentError(f"'{out}' holds a set that was begun with other people, poses or settings")
    for folder in (*FOLDERS, "people"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write_whole(file, settings_text)


def _summary(records: Sequence[dict[str, Any]], wanted_of_each: int) -> dict[str, Any]:
    kept_count = sum(len(record["rows"]) for record in records)
    demand = len(records) * wanted_of_each
    sure = [row["confidence"] for record in records for row in record["rows"] if row["confidence"] is not None]
    return {
        "people": len(records), "wanted": demand, "made": sum(record["made"] for record in records), "kept": kept_count,
        "left_out": demand - kept_count, "share_kept": kept_count / demand,
        "mean_confidence": float(np.mean(sure)) if sure else None,
    }  # fmt: skip


def _write_manifest(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    lines = io.StringIO()
    writer = csv.DictWriter(lines, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write_whole(file, lines.getvalue())


def _write_whole(file: Path, text: str) -> None:
    with written_whole(file) as stream:
        stream.write(text.encode())
