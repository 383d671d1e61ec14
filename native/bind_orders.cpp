// Orders of lines and what is moved by them.
#include <memory>

#include "bind.hpp"
#include "parallel.hpp"

namespace tercet {

static constexpr std::size_t GRAIN = 1 << 16;  // elements a thread moves at the least

static bool draw_orders(const Handle& self, nb::handle words_, std::size_t lines, nb::handle out_) {
    const In words(words_, Kind::u32);
    const Out out(out_, Kind::u32);
    require(lines > 0 && out.count() % lines == 0, "an order of lines of one length");
    if (out.count() == 0) return true;  // of however many lines
    const Unlocked unlocked(out.count());
    return self.table->draw_orders(lines, out.count() / lines, words.count(), words.data<std::uint32_t>(),
                                   out.data<std::uint32_t>());
}

// An index array is checked before it is used: one that is no order would read or write outside the arrays.
static void require_inside(const Handle& self, const In& order, std::size_t count) {
    const std::size_t n = order.count();
    require(n == 0 || self.table->greatest_place(n, order.data<std::uint32_t>()) < count, "places outside the array");
}

static void invert_order(const Handle& self, nb::handle order_, nb::handle out_) {
    const In order(order_, Kind::u32);
    const Out out(out_, Kind::u32);
    require(order.count() == out.count(), "arrays differ in size");
    require_inside(self, order, out.count());
    const Unlocked unlocked(out.count());
    self.table->invert_order(out.count(), order.data<std::uint32_t>(), out.data<std::uint32_t>());
}

static bool flat_orders(const Handle& self, nb::handle within_, std::size_t lines, nb::handle out_) {
    const In within(within_);
    const Out out(out_, Kind::u32);
    const std::size_t count = out.count();
    require(lines > 0 && count % lines == 0 && std::size_t(within.count()) == count && within.word_bytes() <= 8,
            "places of lines of one length, in words of 4 or 8 bytes");
    if (count == 0) return true;
    const Unlocked unlocked(count);
    const auto seen = std::make_unique<std::uint64_t[]>(count / 64 + 1);
    const auto kernel = within.word_bytes() == 4 ? self.table->flat_orders32 : self.table->flat_orders64;
    return kernel(lines, count / lines, within.data(), seen.get(), out.data<std::uint32_t>());
}

// (rows, n) by one order of n, or (n) elements
static void gather(const Handle& self, nb::handle in_, nb::handle order_, nb::handle out_, unsigned threads) {
    const In in(in_), order(order_, Kind::u32);
    const Out out(out_);
    require(in.ndim() == 2 && out.ndim() == 2 && in.shape(0) == out.shape(0) && in.word_bytes() == out.word_bytes() &&
                out.shape(1) == order.count(),
            "arrays differ in shape or ring");
    const std::size_t have = in.shape(1), n = order.count(), word = in.word_bytes();
    require_inside(self, order, have);
    const auto kernel = self.words(in).gather;
    const Unlocked unlocked(out.count());
    for (Py_ssize_t row = 0; row < in.shape(0); ++row)
        parallel(n, threads, GRAIN, [&](std::size_t i, std::size_t end) {
            kernel(end - i, in.data<char>() + row * have * word, order.data<std::uint32_t>() + i,
                   out.data<char>() + (row * n + i) * word);
        });
}

// Over masks (rows, n): the elements at the places of one order, plus or less what is there.
static void gather_masked(const Handle& self, nb::handle in_, nb::handle order_, bool negative, nb::handle masks_,
                          unsigned threads) {
    const In in(in_), order(order_, Kind::u32);
    const Out masks(masks_);
    require(in.ndim() == 2 && masks.ndim() == 2 && in.shape(0) == masks.shape(0) &&
                in.word_bytes() == masks.word_bytes() && masks.shape(1) == order.count(),
            "arrays differ in shape or ring");
    const std::size_t have = in.shape(1), n = order.count(), word = in.word_bytes();
    require_inside(self, order, have);
    const auto kernel = self.words(in).gather_masked;
    const Unlocked unlocked(masks.count());
    for (Py_ssize_t row = 0; row < in.shape(0); ++row)
        parallel(n, threads, GRAIN, [&](std::size_t i, std::size_t end) {
            char* const out = masks.data<char>() + (row * n + i) * word;
            kernel(end - i, in.data<char>() + row * have * word, order.data<std::uint32_t>() + i, out, negative, out);
        });
}

static void gather_rows(const Handle& self, nb::handle in_, nb::handle order_, nb::handle out_, unsigned threads) {
    const In in(in_), order(order_, Kind::u32);
    const Out out(out_);
    require(in.ndim() == 2 && out.ndim() == 2 && in.shape(1) == out.shape(1) && in.word_bytes() == out.word_bytes() &&
                out.shape(0) == order.count(),
            "arrays differ in shape or ring");
    require_inside(self, order, in.shape(0));
    const std::size_t bytes = std::size_t(in.shape(1)) * in.word_bytes();
    const Unlocked unlocked(out.count());
    parallel(order.count(), threads, GRAIN, [&](std::size_t i, std::size_t end) {
        self.table->gather_rows(end - i, bytes, in.data<char>(), order.data<std::uint32_t>() + i,
                                out.data<char>() + i * bytes);
    });
}

// `order` is one: two elements for one place would leave another as it was
static void scatter(const Handle& self, nb::handle in_, nb::handle order_, nb::handle out_, unsigned threads) {
    const In in(in_), order(order_, Kind::u32);
    const Out out(out_);
    require(in.ndim() == 2 && out.same_shape(in) && out.shape(1) == order.count(), "arrays differ in shape or ring");
    const std::size_t n = order.count(), word = in.word_bytes();
    require_inside(self, order, n);
    const auto kernel = self.words(in).scatter;
    const Unlocked unlocked(out.count());
    for (Py_ssize_t row = 0; row < in.shape(0); ++row)
        parallel(n, threads, GRAIN, [&](std::size_t i, std::size_t end) {
            kernel(end - i, in.data<char>() + (row * n + i) * word, order.data<std::uint32_t>() + i,
                   out.data<char>() + row * n * word);
        });
}

static void destinations(const Handle& self, nb::handle own_, nb::handle next_, bool one_own, bool one_next,
                         nb::handle zero_, nb::handle mine_, nb::handle first_, nb::handle second_) {
    const In own(own_), next(next_), zero(zero_);
    const Out mine(mine_), first(first_), second(second_);
    require(own.ndim() == 3 && own.same_shape(next) && zero.ndim() == 2 && zero.same_shape(mine) &&
                zero.same_shape(first) && zero.same_shape(second) && zero.word_bytes() == own.word_bytes() &&
                own.shape(1) == zero.shape(0) && own.shape(2) == zero.shape(1),
            "arrays differ in shape or ring");
    const Py_ssize_t sets = own.shape(0);
    require((sets == 1 || sets == 3 || sets == 7) && own.word_bytes() <= 8, "digits of 1 to 3 bits, in words of 4 or 8 bytes");
    if (zero.count() == 0) return;
    const auto kernel = own.word_bytes() == 4 ? self.table->destinations32 : self.table->destinations64;
    const Unlocked unlocked(own.count());
    kernel(sets == 1 ? 1 : sets == 3 ? 2 : 3, own.shape(1), own.shape(2), own.data(), next.data(), one_own, one_next,
           zero.data(), mine.data(), first.data(), second.data());
}

void bind_orders(nb::class_<Handle>& handle) {
    handle.def("draw_orders", &draw_orders)
        .def("invert_order", &invert_order)
        .def("flat_orders", &flat_orders)
        .def("gather", &gather)
        .def("gather_masked", &gather_masked)
        .def("gather_rows", &gather_rows)
        .def("scatter", &scatter)
        .def("destinations", &destinations);
}

}  // namespace tercet
