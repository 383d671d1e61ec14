"""The texts of a first `policy.toml`: one that lets nobody in, with everything explained, and one for trying things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TEMPLATE = """\
# What this node takes part in. Nothing is allowed that is not allowed here. The node reads the file anew when it
# changes; if it cannot be used, the one before stays in force and `tercet node status` says so.

version = 1

# ---- people ---------------------------------------------------------------------------------------------------------
# Compare a fingerprint with its owner over another way (telephone) before you write it here. Roles:
#   owner     uploads, appends and withdraws data, as far as [[owners]] lets him
#   analyst   asks questions, as far as [[rules]] let him
#   operator  approves held jobs, reads the audit and the state of this node

# [[people]]
# name = "ada"
# fingerprint = "3f0c...64 hexadecimal digits..."
# roles = ["analyst"]

# [[people]]
# name = "hospital-a"
# fingerprint = "91be..."
# roles = ["owner"]

# ---- who may change which datasets ----------------------------------------------------------------------------------
# may: create, append, columns (bring further columns of the same rows), withdraw (his own rows), refresh, drop.
# Whatever stands here, nobody withdraws the rows of another, and nobody appends to a dataset with another schema.

# [[owners]]
# people = ["hospital-a"]
# datasets = ["patients"]             # or ["*"]
# may = ["create", "append", "withdraw"]

# ---- what may be computed and revealed ------------------------------------------------------------------------------
# A job runs if one rule allows all of it. Everything that a field does not mention has the value shown here.

# [[rules]]
# name = "research"
# analysts = ["ada"]                  # or ["*"]: every analyst among the people
# datasets = ["patients"]             # or ["*"]
# columns = ["patients/age", "patients/bmi"]   # else all columns of these datasets; "patients/*" works as well
# operations = ["*"]                  # names from the list of operations; ["*"] is all of them
# denied_operations = []
#
# # Every number that is revealed must treat at least so many rows of every dataset alike (a sum over them, say).
# # This does not stop an analyst who asks for many sums and takes their differences, or for the sum over those whom
# # a condition selects, few as they may be: budgets and `hold` are there for that.
# min_rows = 20
#
# per_row = []                        # columns whose single rows may be revealed, such as ["patients/age"]; think twice
# row_weights = false                 # true: public weights along the rows may differ from row to row; whoever may
#                                     # weigh rows as he likes can single one out
# combine_datasets = false            # true: a result may depend on rows of several of these datasets. Careful if an
#                                     # analyst can upload one of them: with it he marks the row that he wants
# mix_versions = false                # true: a result may depend on two versions of a dataset, whose difference may
#                                     # be one row
# recipients = ["self"]               # who may get results: "self" is who asks; else names; or ["*"]
# keep = true                         # results may stay here as shares, with what they disclose written beside them
# hold = false                        # true: each job waits for `tercet node approve`
#
# [rules.budget]                      # of each analyst, on each dataset, under this rule; not set is not limited
# days = 30
# jobs = 200
# numbers = 20000                     # numbers revealed

# ---- plans that somebody has read -----------------------------------------------------------------------------------
# Allowed as they are, whatever they reveal. `tercet node jobs JOB` shows the hash of a job's plan.

# [[approved]]
# name = "monthly-report"
# plan = "7a51...64 hexadecimal digits..."
# analysts = ["ada"]
# kept_by = []                        # jobs, by their whole numbers, whose kept results may go in: a name may stand for
#                                     # something else later. Columns go in by dataset and name, in whichever version
#                                     # has as many rows
# recipients = ["self"]
# note = "read by the board on 3 May"

# ---- limits of every job --------------------------------------------------------------------------------------------

[limits]
operations = 100_000                  # in the plan
runs = 10_000_000                     # operations that run, loops counted as often as they pass
revealed_numbers = 1_000_000          # of one job
deadline_s = 86_400.0                 # seconds that a job may ask for
asserted_bounds = "any"               # bounds that the types do not prove are the analyst's word: "any" is taken,
                                      # "reasoned" only with a reason of the list (also unchecked), "none" is refused
"""


def trial(people: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """A policy under which these people (name: fingerprint, roles) may do everything in their roles, from 5 rows on.

    Called by `tercet up` and the demonstration; no policy for data that matter.
    """
    lines = [
        "# For trying things: everybody below may do everything in his roles. No policy for data that matter;",
        "# `tercet node init` writes one that lets nobody in, with everything explained.",
        "",
        "version = 1",
    ]
    for name, (fingerprint, roles) in people.items():
        listed = ", ".join(f'"{role}"' for role in roles)
        lines += ["", "[[people]]", f'name = "{name}"', f'fingerprint = "{fingerprint}"', f"roles = [{listed}]"]
    lines += [
        "",
        "[[owners]]",
        'people = ["*"]',
        'datasets = ["*"]',
        'may = ["create", "append", "columns", "withdraw", "refresh", "drop"]',
        "",
        "[[rules]]",
        'name = "trial"',
        'analysts = ["*"]',
        'datasets = ["*"]',
        "min_rows = 5",
        "combine_datasets = true",
        "mix_versions = true",
    ]
    return "\n".join([*lines, ""])
