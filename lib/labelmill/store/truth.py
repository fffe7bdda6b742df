"""The rule that turns annotations into one true class per image, as SQL.

A person's word counts more than an import's, the latest person's most (at the same instant: the
source that sorts last). Imports count when all of them agree; an image whose imports disagree and
that no person has looked at has no truth, and is listed in ``truth_conflicts``.
"""

from __future__ import annotations

# One scan and one aggregation: a self-join would read `annotations` twice.
_GATHERED = """
SELECT collection, image_id,
    max(CASE WHEN source LIKE 'person/%' THEN struct(annotated_at, source, class) END) AS person,
    min(CASE WHEN source NOT LIKE 'person/%' THEN class END) AS class_low,
    max(CASE WHEN source NOT LIKE 'person/%' THEN class END) AS class_high,
    min(CASE WHEN source NOT LIKE 'person/%' THEN source END) AS import_source,
    sort_array(collect_set(CASE WHEN source NOT LIKE 'person/%' THEN class END)) AS classes,
    sort_array(collect_set(CASE WHEN source NOT LIKE 'person/%' THEN source END)) AS sources
FROM annotations
GROUP BY collection, image_id
"""

TRUTH = f"""
SELECT collection, image_id,
    coalesce(person.class, class_low) AS class,
    coalesce(person.source, import_source) AS source
FROM ({_GATHERED})
WHERE person IS NOT NULL OR class_low = class_high
"""
"""View ``truth(collection, image_id, class, source)``."""

CONFLICTS = f"""
SELECT collection, image_id, classes, sources
FROM ({_GATHERED})
WHERE person IS NULL AND class_low <> class_high
"""
"""View ``truth_conflicts(collection, image_id, classes array, sources array)``."""

VIEWS = {"truth": TRUTH, "truth_conflicts": CONFLICTS}
"""View name → SQL over the view ``annotations``."""
