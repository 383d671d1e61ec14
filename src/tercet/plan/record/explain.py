"""What a plan costs and reveals, before anything runs."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tercet.errors import ConfigError
from tercet.plan.bounds.prove import is_proven
from tercet.plan.bounds.terms import PlanTerm
from tercet.plan.network import PROFILES, Network
from tercet.plan.plan import OutputKind, Plan, PlanOperation, maker_of, result_of
from tercet.plan.record.compile import critical_path, largest_ring, operation_costs
from tercet.plan.rows.memory import peak_bytes
from tercet.plan.table.attributes import Bounds, reason_of
from tercet.plan.table.operation import Algebra, Bounding, Flow
from tercet.plan.table.reasons import ASSUMED, BUILT_IN, Reasons
from tercet.plan.types import Type
from tercet.protocols.cost import Cost

_FIRST = 3


@dataclass(frozen=True)
class Narrowed:
    """Values whose bounds rest on one reason that nothing proves; `assumed` if the analyst vouches for them."""

    reason: str
    assumed: bool
    types: tuple[str, ...]
    """Each once, in the order of the plan."""

    def __str__(self) -> str:
        shown = "; ".join(self.types[:_FIRST])
        return f"{shown}; and {len(self.types) - _FIRST} more" if len(self.types) > _FIRST else shown


def narrowed(plan: Plan, reasons: Reasons = BUILT_IN) -> list[Narrowed]:
    """The values of a plan, and of its loops, whose bounds are claims, by reason.

    Called by `explain` and by each node's policy. Bounds that `plan.bounds.prove` finds proven are not among them, and
    neither are those that a `clip` enforces at once.
    """
    types: dict[tuple[str, bool], dict[str, None]] = {}
    for op in _stated(plan):
        number = reason_of(op.attrs)
        types.setdefault((reasons.text(number), number == ASSUMED.number), {})[str(op.type)] = None
    return [Narrowed(reason, assumed, tuple(found)) for (reason, assumed), found in types.items()]


def _stated(plan: Plan) -> Iterator[PlanOperation]:
    if not any(op.operation.bounds is Bounding.STATED or op.body is not None for op in plan.operations):
        return
    terms: dict[int, PlanTerm] = {}
    trusted = {output.value for output in plan.outputs}
    """Values that something else than a clip to the same bounds uses."""
    for index, op in enumerate(plan.operations):
        inputs = tuple([terms[value] for value in op.inputs])
        for place, t in enumerate(op.types):
            terms[result_of(index, place)] = PlanTerm(op.operation, inputs, op.attrs, t, op.data)
        for value in op.inputs:
            stated = terms[value].type
            if op.operation.bounds is not Bounding.ENFORCED or op.attrs != Bounds(stated.lo, stated.hi):
                trusted.add(value)
    for index, op in enumerate(plan.operations):
        if op.body is not None:
            yield from _stated(op.body)
        elif (
            op.operation.bounds is Bounding.STATED
            and index in trusted
            and not is_proven(op.operation, terms[index].inputs, op.attrs)
        ):
            yield op


if TYPE_CHECKING:
    from rich.table import Table

ANALYST = "the analyst"
_MOVING = (Flow.BROADCAST, Flow.RESHAPE, Flow.PERMUTE, Flow.WINDOWS)
MAX_ROWS = 30


@dataclass(frozen=True, slots=True)
class Revealed:
    """A value that becomes plain."""

    shape: tuple[int, ...]
    type: Type
    to: str

    def __str__(self) -> str:
        return f"{self.type} to {self.to}"


@dataclass(frozen=True, slots=True)
class Row:
    """Operations of one name, shape and ring together."""

    name: str
    count: int
    shape: tuple[int, ...]
    ring: int
    rounds: int
    bytes_per_party: float


@dataclass(frozen=True)
class Explanation:
    """Rounds, bytes and seconds of a plan, what it computes and what it makes plain; nothing has run.

    `rounds` are those of the critical path, `bytes_per_party` the mean over the three parties. Neither counts the
    parties' result messages to the analyst.
    """

    plan: Plan
    network: Network
    reasons: Reasons = field(default=BUILT_IN, kw_only=True, repr=False)
    """Reasons for bounds whose texts are known."""

    @cached_property
    def costs(self) -> list[Cost]:
        """What each operation of the plan costs; of a loop, all its passes."""
        return operation_costs(self.plan)

    @cached_property
    def rounds(self) -> int:
        return critical_path(self.plan, [cost.rounds for cost in self.costs])

    @cached_property
    def bytes_per_party(self) -> float:
        return sum(cost.total_bytes for cost in self.costs) / 3

    def seconds(self, network: Network | str | None = None) -> float:
        """Time on the wire in this network ("lan", "wan" or a Network; else the session's); without computing."""
        if isinstance(network, str):
            if network not in PROFILES:
                raise ConfigError(f"network {network!r} is not known", hint=f"known are {', '.join(PROFILES)}")
            network = PROFILES[network]
        cost = Cost(self.rounds, round(3 * self.bytes_per_party))
        return (network or self.network).seconds(cost)

    @cached_property
    def memory_bytes(self) -> int:
        """About how much a party needs while it runs the plan whole; nodes run what they can in partitions of rows."""
        return peak_bytes(self.plan)

    @property
    def reveals(self) -> list[Revealed]:
        """What becomes plain, and to whom."""
        outputs = [output for output in self.plan.outputs if output.kind is OutputKind.REVEAL]
        types = [self.plan.type_of(output.value) for output in outputs]
        return [Revealed(type.shape, type, ANALYST) for type in types]

    @cached_property
    def operations(self) -> list[Row]:
        """Rows in the order in which their first operation stands in the plan; those of a loop as often as they run.

        Stored and public arrays, and the loops themselves, are left out."""
        rows: dict[tuple[str, tuple[int, ...], int], Row] = {}
        for op, times, cost in _walk(self.plan, self.costs):
            key = op.operation.name, op.type.shape, op.type.ring
            known = rows.get(key, Row(key[0], 0, key[1], key[2], 0, 0.0))
            rows[key] = replace(
                known,
                count=known.count + times,
                rounds=max(known.rounds, cost.rounds),
                bytes_per_party=known.bytes_per_party + times * cost.total_bytes / 3,
            )
        return list(rows.values())

    @property
    def ring(self) -> int:
        """Bits of the widest ring that the plan computes in."""
        return largest_ring(self.plan)

    @property
    def assumptions(self) -> list[str]:
        """Bounds that are claims, as nothing in the plan proves them; one line for each reason."""
        return [f"{one}: {one.reason}" for one in narrowed(self.plan, self.reasons)]

    @property
    def bounds(self) -> list[str]:
        """On what bounds rest, and what that costs, in sentences."""
        found = narrowed(self.plan, self.reasons)
        if not found:
            said = ["bounds: proven from the types of the inputs and from the plan"]
        else:
            count = sum(len(one.types) for one in found)
            what = "1 bound is" if count == 1 else f"{count:,} bounds are"
            said = [
                f"{what} claimed and not proven ({'; '.join(map(str, found))}): where a claim is false the result is "
                "wrong, but nothing more is revealed"
            ]
        if self.lifted_bytes:
            said.append(
                f"factors are lifted because a bound behind them is claimed and not proven: {self.lifted_bytes:,} "
                'bytes a party; bounds that tc.array.clip, or a session with bounds="enforced", enforces cost no lifts'
            )
        return said

    @cached_property
    def lifted_bytes(self) -> int:
        """Bytes that each party sends to lift factors of sums of products whose bounds are claims."""
        sums = [op for op in self.plan.operations if op.operation.rows in (Flow.CONTRACT, Flow.MATRIX, Flow.CONVOLVE)]
        lifts = {self._source(value) for op in sums for value in op.inputs}
        claimed = [
            self.costs[maker_of(at)].total_bytes
            for at in lifts
            if self.plan.maker(at).operation.algebra is Algebra.RING and self.plan.type_of(at).claimed
        ]
        return sum(claimed) // 3

    def _source(self, value: int) -> int:
        """The value that this one shows in another arrangement."""
        while self.plan.maker(value).operation.rows in _MOVING:
            value = self.plan.maker(value).inputs[0]
        return value

    def _summary(self) -> Iterator[tuple[str, str]]:
        yield "rounds", f"{self.rounds:,}"
        yield "bytes a party", f"{self.bytes_per_party:,.0f}"
        for name, network in PROFILES.items():
            yield f"seconds on a {name.upper()}", f"{self.seconds(network):.4g}"
        yield "memory a party", f"about {max(1, round(self.memory_bytes / 1e6)):,} MB"
        yield "widest ring", f"2^{self.ring}"
        for revealed, count in Counter(map(str, self.reveals)).items():
            yield "becomes plain", f"{revealed} ({count:,} times)" if count > 1 else revealed
        for said in self.bounds:
            yield "rests on", said

    def _cells(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            (
                row.name,
                f"{row.count:,}",
                "x".join(map(str, row.shape)) or "1",
                f"2^{row.ring}" if row.ring else "bits",
                f"{row.rounds:,}",
                f"{row.bytes_per_party:,.0f}",
            )
            for row in self.operations[:MAX_ROWS]
        ]
        left = len(self.operations) - MAX_ROWS
        return [*rows, (f"... {left} rows more", "", "", "", "", "")] if left > 0 else rows

    def __str__(self) -> str:
        heads = [f"{name:>18}: {value}" for name, value in self._summary()]
        table = [_HEADER, *self._cells()]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        return "\n".join([*heads, "", *(line.rstrip() for line in lines)])

    def __repr__(self) -> str:
        return f"Explanation({self.rounds} rounds, {self.bytes_per_party:,.0f} bytes a party)"

    def __rich__(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        caption = "\n".join(f"{escape(name)}: {escape(value)}" for name, value in self._summary())
        table = Table(title="Nothing has run yet", caption=caption, caption_justify="left")
        for column, name in enumerate(_HEADER):
            table.add_column(name, justify="left" if column == 0 else "right")
        for row in self._cells():
            table.add_row(*(escape(cell) for cell in row))
        return table

    def _repr_html_(self) -> str:
        style = "text-align:left;padding:0.15em 1em 0.15em 0"
        number = "text-align:right;padding:0.15em 0 0.15em 1em;font-variant-numeric:tabular-nums"
        summary = "".join(
            f'<tr><th style="{style};font-weight:normal;opacity:.7">{html.escape(name)}</th>'
            f'<td style="{style}">{html.escape(value)}</td></tr>'
            for name, value in self._summary()
        )

        def line(tag: str, row: tuple[str, ...]) -> str:
            cells = (
                f'<{tag} style="{number if column else style}">{html.escape(cell)}</{tag}>'
                for column, cell in enumerate(row)
            )
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join(line("td", row) for row in self._cells())
        return (
            f'<div><table style="border-collapse:collapse"><tbody>{summary}</tbody></table>'
            f'<table style="border-collapse:collapse;margin-top:.6em"><thead>{line("th", _HEADER)}</thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _walk(plan: Plan, costs: Sequence[Cost], times: int = 1) -> Iterator[tuple[PlanOperation, int, Cost]]:
    """Every operation that runs, how often, and what it costs once; those of a loop's body in its place."""
    for op, cost in zip(plan.operations, costs, strict=True):
        if op.body is not None:
            yield from _walk(op.body, operation_costs(op.body), times * op.passes)
        elif not op.is_leaf:
            yield op, times, cost


_HEADER = ("operation", "count", "shape", "ring", "rounds", "bytes a party")
