// Places of a sort in two halves, as tight fields.
#include <memory>

#include "bind.hpp"

namespace tercet {

static void require_fields(const Buffer& fields, std::size_t count, unsigned bits) {
    require(std::size_t(fields.count()) == field_bytes(count, bits), "the fields do not take that many bytes");
}

static void require_width(unsigned width, unsigned w) {
    require(width >= 1 && width <= 3 && w >= 1 && w <= 32, "digits of 1 to 3 bits, fields of 1 to 32");
}

// words (n), or bytes of n fields, in and out; `mask` is empty or has a field for each that goes out
static void move_fields(const Handle& self, nb::handle in_, std::size_t have, nb::handle order_, nb::handle mask_,
                        unsigned w, unsigned bits, bool negative, nb::handle out_, bool packed_in, bool packed_out) {
    const In in(in_, packed_in ? Kind::byte : Kind::u32), order(order_, Kind::u32), mask(mask_, Kind::byte);
    const Out out(out_, packed_out ? Kind::byte : Kind::u32);
    const std::size_t n = order.count();
    require(bits >= 1 && bits <= 32 && w <= bits, "fields of 1 to 32 bits");
    if (packed_in) require_fields(in, have, bits);
    else require(std::size_t(in.count()) == have, "arrays differ in size");
    if (packed_out) require_fields(out, n, bits);
    else require(std::size_t(out.count()) == n, "arrays differ in size");
    if (mask.count()) require_fields(mask, n, bits);
    require(n == 0 || self.table->greatest_place(n, order.data<std::uint32_t>()) < have, "places outside the array");
    const Unlocked unlocked(n);
    self.table->move_fields(n, w, bits, negative, have, packed_in ? nullptr : in.data<std::uint32_t>(),
                            packed_in ? in.data<std::uint8_t>() : nullptr, order.data<std::uint32_t>(),
                            mask.count() ? mask.data<std::uint8_t>() : nullptr,
                            packed_out ? nullptr : out.data<std::uint32_t>(),
                            packed_out ? out.data<std::uint8_t>() : nullptr);
}

static void digits_deal(const Handle& self, unsigned width, unsigned w, nb::handle digits_, nb::handle a_,
                        nb::handle v_, nb::handle x_, nb::handle mask_, nb::handle b_, nb::handle rest_) {
    const In digits(digits_, Kind::u32), a(a_, Kind::byte), v(v_, Kind::byte), x(x_, Kind::byte),
        mask(mask_, Kind::byte);
    const Out b(b_, Kind::byte), rest(rest_, Kind::byte);
    require_width(width, w);
    const std::size_t n = digits.count(), sets = (std::size_t(1) << width) - 1;
    require_fields(a, sets * n, w);
    require_fields(v, sets * n, w);
    require_fields(x, sets * n, w);
    require_fields(b, sets * n, w);
    require_fields(mask, n, w);
    require_fields(rest, n, w);
    const Unlocked unlocked(n);
    self.table->digits_deal(width, n, w, digits.data<std::uint32_t>(), a.data<std::uint8_t>(), v.data<std::uint8_t>(),
                            x.data<std::uint8_t>(), mask.data<std::uint8_t>(), b.data<std::uint8_t>(),
                            rest.data<std::uint8_t>());
}

static void digits_table(const Handle& self, unsigned width, unsigned w, bool one, std::size_t lines,
                         nb::handle turns_, nb::handle entries_, nb::handle mask_, nb::handle sent_, nb::handle kept_) {
    const In turns(turns_, Kind::u32), entries(entries_, Kind::byte), mask(mask_, Kind::byte);
    const Out sent(sent_, Kind::byte), kept(kept_, Kind::u32);
    require_width(width, w);
    const std::size_t n = turns.count(), sets = (std::size_t(1) << width) - 1;
    require(lines > 0 && n % lines == 0 && std::size_t(kept.count()) == n, "words for lines of one length");
    require_fields(entries, sets * n, w);
    require_fields(mask, sets * n, w);
    require_fields(sent, sets * n, w);
    if (n == 0) return;
    const Unlocked unlocked(n);
    const auto totals = std::make_unique<std::uint32_t[]>(lines << width);
    self.table->digits_table(width, lines, n / lines, w, one, turns.data<std::uint32_t>(),
                             entries.data<std::uint8_t>(), mask.data<std::uint8_t>(), totals.get(),
                             sent.data<std::uint8_t>(), kept.data<std::uint32_t>());
}

static void digits_join(const Handle& self, unsigned width, unsigned w, nb::handle entries_, nb::handle theirs_,
                        nb::handle rest_, nb::handle kept_) {
    const In entries(entries_, Kind::byte), theirs(theirs_, Kind::byte), rest(rest_, Kind::byte);
    const Out kept(kept_, Kind::u32);
    require_width(width, w);
    const std::size_t n = kept.count(), sets = (std::size_t(1) << width) - 1;
    require_fields(entries, sets * n, w);
    require_fields(theirs, sets * n, w);
    require_fields(rest, n, w);
    const Unlocked unlocked(n);
    self.table->digits_join(width, n, w, entries.data<std::uint8_t>(), theirs.data<std::uint8_t>(),
                            rest.data<std::uint8_t>(), kept.data<std::uint32_t>());
}

void bind_halves(nb::class_<Handle>& handle) {
    handle.def("move_fields", &move_fields)
        .def("digits_deal", &digits_deal)
        .def("digits_table", &digits_table)
        .def("digits_join", &digits_join);
}

}  // namespace tercet
