"""The policy of the nodes of these tests: the analyst may ask at once, owner2 after an operator has looked."""

from __future__ import annotations

from tercet.federation.identity import Member

ROLES = {
    "owner": ["owner"],
    "owner2": ["owner", "analyst"],
    "analyst": ["analyst", "owner"],
    "both": ["analyst"],
    "operator": ["operator"],
}


def policy(people: dict[str, Member]) -> str:
    lines = ["version = 1"]
    for name, roles in ROLES.items():
        lines += ["[[people]]", f'name = "{name}"', f'fingerprint = "{people[name].card.fingerprint}"']
        lines += [f"roles = {roles}".replace("'", '"')]
    lines += ["[[owners]]", 'people = ["*"]', 'datasets = ["*"]']
    lines += ['may = ["create", "append", "columns", "withdraw", "widen", "refresh", "drop"]']
    rules = (
        ("open", "analyst", '["*"]', ""),
        ("looked-at", "owner2", '["*"]', "hold = true"),
        # of a handful of rows everything is shown: what is tested there is what comes out
        ("tiny", "both", '["lacking", "brought", "money", "literals"]', "cohort = 0"),
        ("cents", "both", '["cents", "gaps"]', ""),
    )
    for name, analyst, datasets, more in rules:
        lines += [
            "[[rules]]",
            f'name = "{name}"',
            f'analysts = ["{analyst}"]',
            f"datasets = {datasets}",
            "min_rows = 5",
        ]
        lines += ["combine_datasets = true", "mix_versions = true", more]
    return "\n".join(lines)
