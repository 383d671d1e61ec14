"""The policy of the nodes of these tests: the analyst may ask at once, owner2 after an operator has looked."""

from __future__ import annotations

from tercet.federation.identity import Member

ROLES = {
    "owner": ["owner"],
    "owner2": ["owner", "analyst"],
    "analyst": ["analyst", "owner"],
    "operator": ["operator"],
}


def policy(people: dict[str, Member]) -> str:
    lines = ["version = 1"]
    for name, roles in ROLES.items():
        lines += ["[[people]]", f'name = "{name}"', f'fingerprint = "{people[name].card.fingerprint}"']
        lines += [f"roles = {roles}".replace("'", '"')]
    lines += ["[[owners]]", 'people = ["*"]', 'datasets = ["*"]']
    lines += ['may = ["create", "append", "columns", "withdraw", "refresh", "drop"]']
    for name, analyst, more in (("open", "analyst", ""), ("looked-at", "owner2", "hold = true")):
        lines += ["[[rules]]", f'name = "{name}"', f'analysts = ["{analyst}"]', 'datasets = ["*"]', "min_rows = 5"]
        lines += ["combine_datasets = true", "mix_versions = true", more]
    return "\n".join(lines)
