"""Attributes of operations: frozen dataclasses whose form in a plan follows from their fields, in the fields' order.

Each field is annotated with a `Form`, which writes a value, reads it back and refuses what is outside its limits. Rules
that depend on the operands (whether an axis exists, whether a shift fits the ring) are checked by an operation's
`infer`. To give an operation other attributes: add a class here, of fields with forms, and name it in the table entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Final, Generic, Self, TypeAlias, TypeVar, get_type_hints

from tercet.codec import MAX_INTEGER_BYTES, Reader, Writer
from tercet.errors import PlanError

MAX_NUMBERS: Final = 1 << 16
"""The longest list of numbers in one attribute."""
MAX_NUMBER: Final = 1 << 40
"""The largest length, axis, shift or count."""

T = TypeVar("T")
A = TypeVar("A", bound="Attributes")


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How a value of one field is written, read, and checked before it is written."""

    fits: Callable[[Any], bool]
    write: Callable[[Writer, T], object]
    read: Callable[[Reader], T]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_NUMBER


def _is_integer(value: Any) -> bool:
    return type(value) is int and value.bit_length() < 8 * (MAX_INTEGER_BYTES - 1)


def _several(form: Form[T]) -> Form[tuple[T, ...]]:
    def write(out: Writer, values: tuple[T, ...]) -> None:
        out.count(len(values))
        for value in values:
            form.write(out, value)

    def read(reader: Reader) -> tuple[T, ...]:
        return tuple([form.read(reader) for _ in range(reader.count(MAX_NUMBERS))])

    def fits(values: Any) -> bool:
        return type(values) is tuple and len(values) <= MAX_NUMBERS and all(map(form.fits, values))

    return Form(fits, write, read)


def _write_range(out: Writer, value: tuple[int, int, int]) -> None:
    start, count, step = value
    out.count(start).count(count).integer(step)


def _read_range(reader: Reader) -> tuple[int, int, int]:
    return reader.count(MAX_NUMBER), reader.count(MAX_NUMBER), reader.integer()


def _is_range(value: Any) -> bool:
    return type(value) is tuple and len(value) == 3 and all(map(_is_count, value[:2])) and _is_integer(value[2])


_COUNT: Form[int] = Form(_is_count, Writer.count, lambda reader: reader.count(MAX_NUMBER))
_INTEGER: Form[int] = Form(_is_integer, Writer.integer, Reader.integer)
_FLAG: Form[bool] = Form(lambda value: type(value) is bool, Writer.count, lambda reader: reader.count(1) == 1)
_COUNTS = _several(_COUNT)
_INTEGERS = _several(_INTEGER)
_RANGES: Form[tuple[tuple[int, int, int], ...]] = _several(Form(_is_range, _write_range, _read_range))

Count = Annotated[int, _COUNT]
"""From 0 to 2^40: an axis, a shift, a number of passes."""
Integer = Annotated[int, _INTEGER]
"""Of up to 23 bytes: a bound on stored integers."""
Integers = Annotated[tuple[int, ...], _INTEGERS]
Flag = Annotated[bool, _FLAG]
Counts = Annotated[tuple[int, ...], _COUNTS]
"""A shape, axes, or a permutation of axes."""
RangeList = Annotated[tuple[tuple[int, int, int], ...], _RANGES]
"""Start, count and step for every axis."""


@cache
def forms(attributes: Any) -> tuple[tuple[str, Form[Any]], ...]:
    """Name and form of every field of a class of attributes, in their order."""
    hints = get_type_hints(attributes, include_extras=True)
    return tuple((field.name, hints[field.name].__metadata__[0]) for field in fields(attributes))


@cache
def _readers(attributes: Any) -> tuple[Callable[[Reader], Any], ...]:
    return tuple(form.read for _, form in forms(attributes))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Of an operation that has none; the base of all others."""

    def write(self, out: Writer) -> None:
        """Append the fields. Raises PlanError for a value outside the limits of its field."""
        kind: Any = type(self)
        for name, form in forms(kind):
            value = getattr(self, name)
            if not form.fits(value):
                raise PlanError(f"the attribute {name} cannot be {str(value)[:80]}")
            form.write(out, value)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the fields. Raises PlanError with the offset for anything that `write` does not write."""
        kind: Any = cls
        return cls(*[read(reader) for read in _readers(kind)])

    def of(self, kind: type[A]) -> A:
        """These attributes, which are known to be of a class. TypeError if they are of another."""
        if isinstance(self, kind):
            return self
        raise TypeError(f"attributes of the class {kind.__name__} are expected, not {type(self).__name__}")


NONE: Final = Attributes()


@dataclass(frozen=True, slots=True)
class Shift(Attributes):
    """A number of bits."""

    shift: Count = 0


@dataclass(frozen=True, slots=True)
class Axes(Attributes):
    """Axes that are summed."""

    axes: Counts


@dataclass(frozen=True, slots=True)
class Axis(Attributes):
    """The one axis along which an operation works."""

    axis: Count


@dataclass(frozen=True, slots=True)
class Contraction(Attributes):
    """Axes over which products are summed; the sum is divided by 2^shift, or computed modulo 2^128 (`wide`)."""

    axes: Counts
    shift: Count = 0
    wide: Flag = False
    """Factors are modulo 2^64, their sum modulo 2^128."""


@dataclass(frozen=True, slots=True)
class MatrixProduct(Attributes):
    """A matrix product divided by 2^shift, or computed modulo 2^128 (`wide`, as for `Contraction`)."""

    shift: Count = 0
    wide: Flag = False


@dataclass(frozen=True, slots=True)
class PublicMatrix(Attributes):
    """On which side the public matrix stands: in front, or behind."""

    in_front: Flag = False


@dataclass(frozen=True, slots=True)
class NewShape(Attributes):
    """The shape of the result."""

    shape: Counts


@dataclass(frozen=True, slots=True)
class AxisOrder(Attributes):
    """For every axis of the result, the axis of the input that it is."""

    axes: Counts


@dataclass(frozen=True, slots=True)
class Ranges(Attributes):
    """Start, count and step of what is taken along every axis."""

    ranges: RangeList


@dataclass(frozen=True, slots=True)
class Windows(Attributes):
    """Windows over the last axes, of which each list says something: the elements of a window, from one window to the
    next, elements added before and after, and from one element of a window to the next. `fill` is the stored integer
    that stands outside."""

    kernel: Counts
    stride: Counts
    before: Counts
    after: Counts
    dilation: Counts
    fill: Integer = 0


@dataclass(frozen=True, slots=True)
class Convolving(Attributes):
    """Sums of products over windows. `mode`: which of three arrays is the result (`tercet.ring.ConvolutionArray`).
    `sides`: the lengths that the operands do not tell, of the input or of the kernel, where that is the result."""

    mode: Count
    stride: Counts
    before: Counts
    after: Counts
    dilation: Counts
    groups: Count = 1
    sides: Counts = ()


@dataclass(frozen=True, slots=True)
class Convolution(Convolving):
    """The same, divided by 2^shift."""

    shift: Count = 0


@dataclass(frozen=True, slots=True)
class PublicConvolution(Convolving):
    """The same with a public array, which is the first of the two in the order input, kernel, output if `in_front`."""

    in_front: Flag = False


@dataclass(frozen=True, slots=True)
class Scale(Attributes):
    """The scale at which integers are read: fractional bits stored, and fractional bits meant."""

    frac_bits: Count
    nominal: Count


@dataclass(frozen=True, slots=True)
class Bounds(Attributes):
    """Bounds on stored integers, both included."""

    lo: Integer
    hi: Integer


@dataclass(frozen=True, slots=True)
class StatedBounds(Bounds):
    """Bounds on stored integers, and the number of the reason for them (`plan.table.reasons`)."""

    reason: Count = 0


@dataclass(frozen=True, slots=True)
class Rounding(Attributes):
    """By how many bits is rounded: down, or to the nearest."""

    shift: Count
    nearest: Flag = False


@dataclass(frozen=True, slots=True)
class RingBits(Attributes):
    """The ring of the result, 2^ring."""

    ring: Count = 64


@dataclass(frozen=True, slots=True)
class Powering(Attributes):
    """Of a power with a secret whole exponent: the base's fractional bits, and how many bits the exponent has."""

    base_bits: Count
    exponent_bits: Count


@dataclass(frozen=True, slots=True)
class PublicBase(Attributes):
    """A public integer that is raised to secret powers, and how many bits the exponent has."""

    base: Integer
    exponent_bits: Count


@dataclass(frozen=True, slots=True)
class Normalisation(Attributes):
    """Whether the power of two is a square, and its complement is given in place of the product."""

    even: Flag = False


@dataclass(frozen=True, slots=True)
class Approximation(Attributes):
    """Of a function of real numbers: fractional bits that its argument has, and that its result is meant to have."""

    argument_bits: Count
    frac_bits: Count
    exact: Flag = False
    """Whether its truncations are exact inside, and not by coins."""


@dataclass(frozen=True, slots=True)
class Height(Approximation):
    """The same of a function that tends to 0 and to a public height, as stored with `out_bits` fractional bits."""

    out_bits: Count = 0
    height: Integer = 0


@dataclass(frozen=True, slots=True)
class PieceTable(Approximation):
    """Of a piecewise polynomial: where pieces begin and the last ends, as stored integers, and for each the
    coefficients of its Chebyshev polynomials, times 2^out_bits."""

    out_bits: Count = 0
    ends: Integers = ()
    coefficients: Integers = ()


@dataclass(frozen=True, slots=True)
class DrawNumber(Attributes):
    """Which draw of a plan it is: those of different numbers are independent."""

    number: Count


@dataclass(frozen=True, slots=True)
class DrawnLines(Attributes):
    """So many lines of one length, and which draw of a plan it is."""

    lines: Count
    length: Count
    number: Count


@dataclass(frozen=True, slots=True)
class DrawnBits(Attributes):
    """The shape of random bools, and which draw of a plan it is."""

    shape: Counts
    number: Count


@dataclass(frozen=True, slots=True)
class DrawnIntegers(DrawnBits):
    """The shape of random integers below 2^bits, which draw of a plan it is, and the ring that they are in."""

    bits: Count
    ring: Count


@dataclass(frozen=True, slots=True)
class Undoing(Attributes):
    """Whether a permutation is undone, and not applied."""

    back: Flag = False


@dataclass(frozen=True, slots=True)
class Dividing(Attributes):
    """Of a quotient: fractional bits of dividend and divisor, and those that the result is meant to have."""

    dividend_bits: Count
    divisor_bits: Count
    frac_bits: Count
    exact: Flag = False
    """Whether its truncations are exact inside, and not by coins."""


@dataclass(frozen=True, slots=True)
class DividingWithin(Dividing):
    """The same with a limit that the quotient of the stored integers does not pass in magnitude, and its reason."""

    limit: Integer = 0
    reason: Count = 0


@dataclass(frozen=True, slots=True)
class LoopCount(Attributes):
    """How many passes a loop makes, and how many values it carries from one to the next."""

    count: Count
    carried: Count


@dataclass(frozen=True, slots=True)
class BitCount(Attributes):
    """How many of the low bits of numbers are wanted."""

    bits: Count


@dataclass(frozen=True, slots=True)
class BitRange(Attributes):
    """Which bits of numbers are wanted: from `start` on and below `stop`."""

    start: Count
    stop: Count


Approximating: TypeAlias = Approximation | Dividing
"""Attributes of operations that truncate inside."""


def exact_inside(attrs: Attributes) -> bool:
    """Whether an operation that truncates inside does so without coins."""
    assert isinstance(attrs, Approximating)
    return attrs.exact


def reason_of(attrs: Attributes) -> int:
    """The number of the reason that attributes state for bounds."""
    return attrs.reason if isinstance(attrs, DividingWithin) else attrs.of(StatedBounds).reason


Shifting: TypeAlias = Shift | Contraction | MatrixProduct | Convolution
"""Attributes of operations whose results may be divided by 2^shift, to a neighbour by a coin."""


def shift_of(attrs: Attributes) -> int:
    """By how many bits a result is divided; 0 where the attributes say nothing of it."""
    return attrs.shift if isinstance(attrs, Shifting | Rounding) else 0
