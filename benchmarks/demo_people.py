"""docs/demo_people.webp: the first ten bundled people, as they stand, waving and from behind, by the demo model.

    python -m benchmarks.demo_people
"""

from pathlib import Path

from cfld_modules.evaluation.demo import DEMO_COLUMNS, SCHEDULER, demo_rows, load_few_step_pipeline
from cfld_modules.evaluation.sheet import contact_sheet

SHEET = Path(__file__).parents[1] / "docs" / "demo_people.webp"
PEOPLE, WAVING, BEHIND = 10, 4, 6
STEPS, SEED = 2, 3407


def main() -> None:
    pipeline = load_few_step_pipeline(SCHEDULER, STEPS)
    rows = []
    for person in range(PEOPLE):
        (photo, _, *waving), (_, _, *behind) = demo_rows(pipeline, person, (WAVING, BEHIND), STEPS, SEED)
        rows.append([photo, *waving, *behind])
    contact_sheet(rows, (DEMO_COLUMNS[0], *2 * DEMO_COLUMNS[2:])).save(SHEET, quality=85)


if __name__ == "__main__":
    main()
