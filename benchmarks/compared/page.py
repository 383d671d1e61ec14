"""Writes the page from its numbers. Words that compare are made of numbers, so that they cannot say the contrary."""

from __future__ import annotations

from typing import Any

from compared.questions import QUESTIONS
from compared.words import ENCLAVES, HOW, INTRODUCTION, PROPERTIES, READ_BACK, SHORT, WORSE

NAMES = {
    "tercet": "Tercet",
    "spu": "SPU",
    "crypten": "CrypTen",
    "ckks": "CKKS (TenSEAL)",
    "paillier": "Paillier (phe)",
    "federated": "federated",
    "plain": "NumPy, one machine that sees all",
}
SLOW = "tercet, slow line"
SLOW_BITS_S, SLOW_TRIP_S = 100e6, 0.04
SHARING = ("tercet", "spu", "crypten")
PLAIN = {
    ("mean", "tercet"): "nothing",
    ("mean", "spu"): "nothing",
    ("mean", "crypten"): "nothing",
    ("mean", "ckks"): "nothing",
    ("mean", "paillier"): "nothing",
    ("mean", "federated"): "each owner's sums, to the coordinator",
    ("moments", "tercet"): "the 78 sums, to who asks",
    ("moments", "spu"): "the 78 sums",
    ("moments", "crypten"): "the 78 sums",
    ("moments", "ckks"): "the 78 sums, to the key holder",
    ("moments", "federated"): "each owner's 78 sums, to the coordinator",
    ("regression", "tercet"): "nothing",
    ("step", "tercet"): "nothing",
    ("step", "spu"): "nothing",
    ("step", "crypten"): "nothing",
    ("step", "ckks"): "nothing",
    ("step", "federated"): "each owner's gradient, to the coordinator; the weights, to all",
    ("comparison", "tercet"): "nothing",
    ("comparison", "spu"): "nothing",
    ("comparison", "crypten"): "nothing",
    ("comparison", "ckks"): "digits behind the point, which tell of near pairs",
}
"""What becomes plain beside the answer."""
UNANSWERED = {
    "mean": "",
    "moments": "Paillier multiplies no ciphertexts. The owners could encrypt sums that they make themselves; then "
    "this is federated learning whose coordinator sees totals only.",
    "regression": "With CKKS the division has to be approximated too, which TenSEAL does not offer; nobody measured "
    "here does without opening the sums.",
    "step": "Paillier multiplies no ciphertexts. CKKS takes a polynomial of degree 7 for the sigmoid, good between -8 "
    "and 8.",
    "comparison": "a and b lie with two owners. Neither CKKS nor Paillier has an exact comparison. CKKS took three "
    "polynomials for the sign, which leave {pairs} of {rows} pairs off by more than a tenth, all of them nearer than "
    "{within:.1%} of the range; in the count such errors cancel in part. Schemes like TFHE compare exactly; none was "
    "measured. Federated learning has no answer: one owner would have to show their numbers to the other.",
}


def page(numbers: dict[str, Any]) -> str:
    """The whole page."""
    facts = facts_of(numbers)
    return (
        "\n\n".join(
            [
                "# Beside other ways",
                INTRODUCTION.format(**facts),
                "## What can be said, and what cannot",
                SHORT.format(**facts),
                "## Who learns what, and who must be trusted",
                PROPERTIES.format(**facts),
                "## Measured",
                measured(numbers),
                "## On a slow line",
                slow(numbers),
                "## A record, read back from a gradient",
                READ_BACK.format(**facts),
                "## What noise costs",
                noise(numbers),
                "## Hardware enclaves",
                ENCLAVES.format(**facts),
                "## What secret sharing is worse at",
                WORSE.format(**facts),
                "## How this was measured",
                HOW.format(**facts, missing=missing(numbers)),
            ]
        ).rstrip("\n")
        + "\n"
    )


def measured(numbers: dict[str, Any]) -> str:
    parts = []
    for question, words in QUESTIONS.items():
        rows = [
            "| | to bring the data | to answer | sent to answer | largest error | becomes plain beside the answer |",
            "|---|---:|---:|---:|---:|---|",
        ]
        for way, name in NAMES.items():
            one = numbers["answers"].get(way, {}).get(question)
            if one is None:
                continue
            cells = [name, brought(way, one), shown_seconds(one["answer_s"]), shown_bytes(one["answer_bytes"])]
            cells += [shown_error(one["error"]), PLAIN.get((question, way), "everything, to that machine")]
            rows.append("| " + " | ".join(cells) + " |")
        note = UNANSWERED[question].format(rows=f"{numbers['rows']:,}", **numbers["undecided"])
        parts += [f"### {words[0].upper()}{words[1:]}", "\n".join(rows), *([note] if note else [])]
    return "\n\n".join(parts)


def brought(way: str, one: dict[str, Any]) -> str:
    if way in ("spu", "crypten"):
        return "not measured"
    if not one["bring_bytes"]:
        return "stays"
    text = f"{shown_seconds(one['bring_s'])}, {shown_bytes(one['bring_bytes'])}"
    if one["key_bytes"]:
        text += f"; keys once {shown_seconds(one['key_s'])}, {shown_bytes(one['key_bytes'])}"
    return text + (f" (by proportion, from {one['part']} rows)" if one["part"] else "")


def slow(numbers: dict[str, Any]) -> str:
    rows = ["| | Tercet, measured | rounds | CKKS, computed | of that, keys |", "|---|---:|---:|---:|---:|"]
    for question, words in QUESTIONS.items():
        ours, theirs = numbers["answers"][SLOW][question], numbers["answers"]["ckks"].get(question)
        cells = [words, shown_seconds(ours["answer_s"] + sending(ours["bring_bytes"])), str(ours["rounds"])]
        if theirs:
            keys = theirs["key_s"] + sending(theirs["key_bytes"])
            rest = theirs["bring_s"] + theirs["answer_s"]
            rest += sending(theirs["bring_bytes"]) + sending(theirs["answer_bytes"])
            cells += [shown_seconds(keys + rest), shown_seconds(keys)]
        else:
            cells += ["", ""]
        rows.append("| " + " | ".join(cells) + " |")
    return (
        "The three servers of one machine have no distance between them, which favours a way that talks much. The same "
        "with a line of 40 ms there and back and 100 Mbit/s laid between the parties, in seconds from the data at "
        "their owners to the answer. What brings the data is computed from its bytes; all of CKKS is computed from the "
        "times and bytes above, as it sends each thing once. Its keys are sent once for many questions, and a system "
        "that needs fewer rotations sends smaller ones.\n\n"
    ) + "\n".join(rows)


def sending(size: float) -> float:
    """Seconds for bytes to arrive over the slow line."""
    return 8 * size / SLOW_BITS_S + SLOW_TRIP_S / 2


def noise(numbers: dict[str, Any]) -> str:
    rows = ["| | exact, by Tercet | epsilon 10 | 1 | 0.1 |", "|---|---:|---:|---:|---:|"]
    for question, by_epsilon in numbers["noise"].items():
        exact = numbers["answers"]["tercet"][question]["error"]
        cells = [QUESTIONS[question], *map(shown_error, (exact, *(by_epsilon[name] for name in ("10", "1", "0.1"))))]
        rows.append("| " + " | ".join(cells) + " |")
    return (
        "OpenDP, on the same data: the median over 200 draws of the largest error in an answer. Epsilon is that of the "
        "whole answer. Means and counts have Laplace noise, sums and gradients Gaussian noise with a delta of 1e-6 and "
        "rows shortened to a length that was chosen for these data, which favours the noise.\n\n"
        + "\n".join(rows)
        + "\n\nEvery further question costs as much again, or makes both noisier; a logistic regression takes many "
        "steps. In return noise keeps a promise that nothing else here makes: what one person's row says hardly "
        "changes any answer, whatever else is known. The two can be joined, noise drawn under sharing; "
        "**Tercet has no such noise**."
    )


def missing(numbers: dict[str, Any]) -> str:
    return "".join(f"- Not measured: *{NAMES.get(name, name)}* ({why}).\n" for name, why in numbers["missing"].items())


def facts_of(numbers: dict[str, Any]) -> dict[str, Any]:
    """What the words need, as they show it."""
    answers, machine = numbers["answers"], numbers["machine"]
    ours, ckks, plain = answers["tercet"], answers["ckks"], answers["plain"]
    facts: dict[str, Any] = {
        "date": numbers["date"],
        "processor": machine["processor"],
        "cores": machine["cores"],
        "in_class": " in the real-time class (`chrt -r 1`), so that other work does not count" * machine["real_time"],
        "rows": f"{numbers['rows']:,}",
        "columns": numbers["columns"],
        "seed": numbers["seed"],
        "versions": ", ".join(f"{name} {version}" for name, version in numbers["versions"].items()),
        "slow_regression": shown_seconds(answers[SLOW]["regression"]["answer_s"]),
        "rounds": answers[SLOW]["regression"]["rounds"],
        "labels": f"{numbers['read_back']['labels']:,}",
        "records": f"{numbers['read_back']['records']:,}",
        "read_error": shown_error(numbers["read_back"]["largest_error"]),
        "mean_noise": shown_error(numbers["noise"]["mean"]["1"]),
        "count_noise": shown_error(numbers["noise"]["comparison"]["1"]),
        "slowest_plain": f"{max(times(ours, plain, name) for name in plain):,.0f}",
        "fastest_plain": f"{min(times(ours, plain, name) for name in plain):,.0f}",
        "paillier_s": shown_seconds(answers["paillier"]["mean"]["bring_s"]),
    }
    for question, one in ours.items():
        facts[f"{question}_s"], facts[f"{question}_error"] = shown_seconds(one["answer_s"]), shown_error(one["error"])
        facts[f"{question}_bytes"] = shown_bytes(one["answer_bytes"])
        if question in ckks:
            whole = [each["bring_bytes"] + each["answer_bytes"] for each in (ckks[question], one)]
            facts[f"{question}_times"] = ratio(times(ckks, ours, question))
            facts[f"{question}_bytes_times"] = ratio(whole[0] / whole[1])
            facts[f"{question}_ckks_s"] = shown_seconds(ckks[question]["answer_s"])
            facts[f"{question}_ckks_error"] = shown_error(ckks[question]["error"])
    return facts


def times(dividend: dict[str, Any], divisor: dict[str, Any], question: str) -> float:
    return float(dividend[question]["answer_s"] / divisor[question]["answer_s"])


def ratio(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def shown_seconds(seconds: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.1:
        return f"{seconds * 1e3:.2g} ms"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s"


def shown_bytes(size: float) -> str:
    for unit, least in (("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            number = size / least
            return f"{number:.1f} {unit}" if number < 100 else f"{number:,.0f} {unit}"
    return f"{size:.0f} B" if size else "0"


def shown_error(error: float) -> str:
    if error == 0:
        return "0"
    return f"{error:.1e}" if error < 0.001 else f"{error:.2g}"
