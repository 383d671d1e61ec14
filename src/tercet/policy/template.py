"""Texts of a first `policy.toml`: one that allows nothing and explains every field, and one for trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TEMPLATE = """\
# What this node takes part in. Nothing is allowed that is not allowed here. The node reads the file anew when it
# changes; if it cannot be used, the one before stays in force and `tercet node status` says so.

version = 1

# ---- people ---------------------------------------------------------------------------------------------------------
# Compare a fingerprint with its owner over another way (telephone) before you write it here. Roles:
#   owner     uploads, appends and withdraws data, as far as [[owners]] lets them
#   analyst   asks questions, as far as [[rules]] let them
#   operator  approves held jobs, reads the audit and the state of this node

# [[people]]
# name = "ada"
# fingerprint = "3f0c...64 hexadecimal digits..."
# roles = ["analyst"]

# [[people]]
# name = "hospital-a"
# fingerprint = "91be..."
# roles = ["owner"]
# organisation = "hospital-a"         # people of one organisation know each other's rows: those of all of them hide
#                                     # nobody from any of them. Not set: nobody else's

# ---- who may change which datasets ----------------------------------------------------------------------------------
# may: create, append, columns (bring further columns of the same rows), withdraw (their own rows), widen (agree to
# wider bounds), refresh, drop.
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
# denied_operations = []              # an operation with a narrow twin (matmul) means both
#
# # Every number that is revealed must treat at least so many rows of every dataset alike (a sum over them, say), not
# # counting, for everybody who asks or receives it, the rows that they or their organisation have brought.
# # This does not stop an analyst who asks for many sums and takes their differences, or who writes a plan for the sum
# # over those whom a condition selects, few as they may be: budgets, `hold` and approved plans are there for that.
# min_rows = 20
#
# # What SQL and groupby say of a group, or under a condition, is shown only where at least so many rows meet it.
# # This is found out under sharing, by the query's own plan: how many rows there are in a group that is not shown stays
# # secret. It protects from questions that are asked in the ordinary way, not from plans written to get round it.
# cohort = 5
#
# per_row = []                        # columns whose single rows may be revealed, such as ["patients/age"]; think twice
# row_weights = false                 # true: public weights along the rows may differ from row to row; whoever may
#                                     # weigh rows as they like can single one out
# combine_datasets = false            # true: a result may depend on rows of several of these datasets. Careful if an
#                                     # analyst can upload one of them: with it they mark the row that they want
# mix_versions = false                # true: a result may depend on two versions of a dataset, whose difference may
#                                     # be one row
# recipients = ["self"]               # who may get results: "self" is who asks; else names; or ["*"]
# keep = true                         # results may stay here as shares, with all they were made of written beside them:
#                                     # whatever is made of them later is judged as if it were made in one job, and
#                                     # must satisfy the rules under which they were kept, too
# hold = false                        # true: each job waits for `tercet node approve`
#
# # What somebody may have had of each dataset behind their jobs (also through kept results), under all rules together
# # and as recipient of others' results, for this rule to allow more. Not set is not limited, but for `kept`.
# [rules.budget]
# days = 30
# jobs = 200
# bits = 20000                        # that revealed results can carry: of a number in [lo, hi] as many as hi - lo
#                                     # has, whatever it turns out to be (7 of 0..100, up to 128 of a large one, 1 of a
#                                     # bool). When they are used up, nothing is kept any more either
# kept = 1000                         # arrays kept

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
rounding = "coin"                     # "exact": no result may rest on a rounding by a coin that the nodes know. For
                                      # where somebody at a node is an analyst, too; analysts then connect with
                                      # rounding="exact"
unchecked = "check"                   # data that nobody has checked against its declared ranges (docs: range checks):
                                      # "check" before the first job, and refuse what does not pass; "allow"; a strict
                                      # policy says "refuse"
asserted_bounds = "any"               # bounds that a plan does not prove are claims: "any" accepts them, as
                                      # a false one makes nothing but the analyst's own result wrong; "proven" takes
                                      # only what this node finds proven in the plan, or enforced under sharing, which
                                      # costs two comparisons a value: analysts then connect with bounds="enforced"
"""


_TRIAL = """\
# For trying things: everybody below may do everything in their roles. No policy for data that matter;
# `tercet node init` writes one that lets nobody in, with everything explained.

version = 1
{people}
[[owners]]
people = ["*"]
datasets = ["*"]
may = ["create", "append", "columns", "withdraw", "widen", "refresh", "drop"]

[[rules]]
name = "trial"
analysts = ["*"]
datasets = ["*"]
min_rows = 5
cohort = 5
combine_datasets = true
mix_versions = true
"""


def trial(people: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """A policy under which these people (name: fingerprint, roles) may do everything in their roles, from 5 rows on.

    Called by `tercet up` and the demonstration; no policy for data that matter.
    """
    people_ = ""
    for name, (fingerprint, roles) in people.items():
        listed = ", ".join(f'"{role}"' for role in roles)
        people_ += f'\n[[people]]\nname = "{name}"\nfingerprint = "{fingerprint}"\nroles = [{listed}]\n'
    return _TRIAL.format(people=people_)
