// Elementwise kernels, fused products, truncation pieces, sums.
#include <cstring>

#include "bind.hpp"
#include "parallel.hpp"

namespace tercet {

static constexpr std::size_t GRAIN = 1 << 16;     // words a thread works on at the least

// Runs body(begin, end) without the GIL when the array is large.
template <class Body> static void run(std::size_t count, unsigned threads, Body body) {
    const Unlocked unlocked(count);
    if (count < GRAIN) return body(std::size_t(0), count);
    parallel(count, threads, GRAIN, body);
}

template <class... Ins> static void same_shapes(const Buffer& out, const Ins&... ins) {
    require((out.same_shape(ins) && ...), "arrays differ in shape or ring");
}

static const char* offset(const In& in, std::size_t i) { return in.data<char>() + i * std::size_t(in.word_bytes()); }
static char* offset(const Out& out, std::size_t i) { return out.data<char>() + i * std::size_t(out.word_bytes()); }

static void require_shift(int s, const Buffer& like, int last) {
    require(s >= 0 && s <= int(like.word_bytes()) * 8 - last, "number of bits outside the ring");
}

// a op b; where b is a single word it is repeated through a small buffer
template <WordKernels::Two WordKernels::* KERNEL>
static void two(const Handle& self, nb::handle a_, nb::handle b_, nb::handle out_) {
    const In a(a_), b(b_);
    const Out out(out_);
    same_shapes(out, a);
    const auto kernel = self.words(out).*KERNEL;
    if (!out.same_shape(b) && b.count() == 1 && b.word_bytes() == out.word_bytes()) {
        constexpr std::size_t step = 256;
        std::uint64_t repeated[2 * step];
        const std::size_t word = std::size_t(b.word_bytes()), count = std::size_t(out.count());
        for (std::size_t i = 0; i < step; ++i) std::memcpy(reinterpret_cast<char*>(repeated) + i * word, b.data(), word);
        return run(count, 1, [&](std::size_t i, std::size_t end) {
            for (; i < end; i += step) kernel(end - i < step ? end - i : step, offset(a, i), repeated, offset(out, i));
        });
    }
    same_shapes(out, b);
    run(out.count(), 1, [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), offset(b, i), offset(out, i)); });
}

template <WordKernels::Shift WordKernels::* KERNEL, int LAST>
static void shift(const Handle& self, nb::handle a_, int s, nb::handle out_) {
    const In a(a_);
    const Out out(out_);
    same_shapes(out, a);
    require_shift(s, a, LAST);
    const auto kernel = self.words(out).*KERNEL;
    run(out.count(), 1, [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), s, offset(out, i)); });
}

static void neg(const Handle& self, nb::handle a_, nb::handle out_) {
    const In a(a_);
    const Out out(out_);
    same_shapes(out, a);
    const auto kernel = self.words(out).neg;
    run(out.count(), 1, [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), offset(out, i)); });
}

static void scale(const Handle& self, nb::handle a_, std::uint64_t k_lo, std::uint64_t k_hi, nb::handle out_) {
    const In a(a_);
    const Out out(out_);
    same_shapes(out, a);
    const auto kernel = self.words(out).scale;
    run(out.count(), 1,
        [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), k_lo, k_hi, offset(out, i)); });
}

static void to_float(const Handle& self, nb::handle a_, double unit, nb::handle out_) {
    const In a(a_);
    const Out out(out_, Kind::f64);
    require(a.count() == out.count(), "arrays differ in shape");
    const auto kernel = self.words(a).to_float;
    run(out.count(), 1,
        [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), unit, out.data<double>() + i); });
}

static void from_float(const Handle& self, nb::handle a_, nb::handle out_) {
    const In a(a_, Kind::f64);
    const Out out(out_);
    require(a.count() == out.count(), "arrays differ in shape");
    const auto kernel = self.words(out).from_float;
    run(out.count(), 1,
        [&](std::size_t i, std::size_t end) { kernel(end - i, a.data<double>() + i, offset(out, i)); });
}

static void mul_add(const Handle& self, nb::handle a_, nb::handle b_, nb::handle c_, nb::handle out_, unsigned threads) {
    const In a(a_), b(b_), c(c_);
    const Out out(out_);
    same_shapes(out, a, b, c);
    const auto kernel = self.words(out).mul_add;
    run(out.count(), threads, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(a, i), offset(b, i), offset(c, i), offset(out, i));
    });
}

static void product_a(const Handle& self, nb::handle x_ad_, nb::handle x_ab_, nb::handle y_ad_, nb::handle y_ab_,
                      nb::handle mask_, nb::handle out_, unsigned threads) {
    const In x_ad(x_ad_), x_ab(x_ab_), y_ad(y_ad_), y_ab(y_ab_), mask(mask_);
    const Out out(out_);
    same_shapes(out, x_ad, x_ab, y_ad, y_ab, mask);
    const auto kernel = self.words(out).product_a;
    run(out.count(), threads, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(x_ad, i), offset(x_ab, i), offset(y_ad, i), offset(y_ab, i), offset(mask, i),
               offset(out, i));
    });
}

static void product_b(const Handle& self, nb::handle x_ab_, nb::handle x_bd_, nb::handle y_ab_, nb::handle y_bd_,
                      nb::handle mask_, nb::handle out_, unsigned threads) {
    const In x_ab(x_ab_), x_bd(x_bd_), y_ab(y_ab_), y_bd(y_bd_), mask(mask_);
    const Out out(out_);
    same_shapes(out, x_ab, x_bd, y_ab, y_bd, mask);
    const auto kernel = self.words(out).product_b;
    run(out.count(), threads, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(x_ab, i), offset(x_bd, i), offset(y_ab, i), offset(y_bd, i), offset(mask, i),
               offset(out, i));
    });
}

static void product_d(const Handle& self, nb::handle x_bd_, nb::handle x_ad_, nb::handle y_bd_, nb::handle y_ad_,
                      nb::handle m1_, nb::handle m2_, nb::handle m3_, nb::handle out_, unsigned threads) {
    const In x_bd(x_bd_), x_ad(x_ad_), y_bd(y_bd_), y_ad(y_ad_), m1(m1_), m2(m2_), m3(m3_);
    const Out out(out_);
    same_shapes(out, x_bd, x_ad, y_bd, y_ad, m1, m2, m3);
    const auto kernel = self.words(out).product_d;
    run(out.count(), threads, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(x_bd, i), offset(x_ad, i), offset(y_bd, i), offset(y_ad, i), offset(m1, i),
               offset(m2, i), offset(m3, i), offset(out, i));
    });
}

static void require_truncation(int m, const Buffer& like) {
    require(m >= 1 && m + 3 <= int(like.word_bytes()) * 8, "truncation takes 1 to bits - 3 bits away");
}

static void trunc_d(const Handle& self, nb::handle r_, int m, nb::handle y_ad0_, nb::handle a_, nb::handle y_bd0_,
                    nb::handle e_) {
    const In r(r_), y_ad0(y_ad0_), a(a_);
    const Out y_bd0(y_bd0_), e(e_);
    same_shapes(y_bd0, r, y_ad0, a, e);
    require_truncation(m, r);
    const auto kernel = self.words(r).trunc_d;
    run(r.count(), 1, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(r, i), m, offset(y_ad0, i), offset(a, i), offset(y_bd0, i), offset(e, i));
    });
}

template <bool CROSS>
static void trunc_ab(const Handle& self, nb::handle c_, int m, bool nonnegative, nb::handle a_, nb::handle b_,
                     nb::handle out_) {
    const In c(c_), a(a_), b(b_);
    const Out out(out_);
    same_shapes(out, c, a, b);
    require_truncation(m, c);
    const auto kernel = CROSS ? self.words(c).trunc_cross : self.words(c).trunc_pair;
    run(c.count(), 1, [&](std::size_t i, std::size_t end) {
        kernel(end - i, offset(c, i), m, nonnegative, offset(a, i), offset(b, i), offset(out, i));
    });
}

static void add_shl(const Handle& self, nb::handle a_, nb::handle b_, int s, nb::handle out_) {
    const In a(a_), b(b_);
    const Out out(out_);
    same_shapes(out, a, b);
    require_shift(s, a, 1);
    const auto kernel = self.words(a).add_shl;
    run(a.count(), 1,
        [&](std::size_t i, std::size_t end) { kernel(end - i, offset(a, i), offset(b, i), s, offset(out, i)); });
}

// a is (outer, n, inner)
static void sum(const Handle& self, nb::handle a_, nb::handle out_) {
    const In a(a_);
    const Out out(out_);
    require(a.ndim() == 3 && out.count() == a.shape(0) * a.shape(2) && a.word_bytes() == out.word_bytes(),
            "arrays differ in shape or ring");
    const Unlocked unlocked(a.count());
    self.words(a).sum(a.shape(0), a.shape(1), a.shape(2), a.data(), out.data());
}

static void cumsum(const Handle& self, nb::handle a_, nb::handle out_) {
    const In a(a_);
    const Out out(out_);
    require(a.ndim() == 3, "three axes");
    same_shapes(out, a);
    const Unlocked unlocked(a.count());
    self.words(a).cumsum(a.shape(0), a.shape(1), a.shape(2), a.data(), out.data());
}

void bind_words(nb::class_<Handle>& handle) {
    handle.def("add", &two<&WordKernels::add>)
        .def("sub", &two<&WordKernels::sub>)
        .def("mul", &two<&WordKernels::mul>)
        .def("neg", &neg)
        .def("scale", &scale)
        .def("shl", &shift<&WordKernels::shl, 1>)
        .def("shr", &shift<&WordKernels::shr, 1>)
        .def("low", &shift<&WordKernels::low, 0>)
        .def("to_float", &to_float)
        .def("from_float", &from_float)
        .def("mul_add", &mul_add)
        .def("product_a", &product_a)
        .def("product_b", &product_b)
        .def("product_d", &product_d)
        .def("trunc_d", &trunc_d)
        .def("trunc_cross", &trunc_ab<true>)
        .def("trunc_pair", &trunc_ab<false>)
        .def("add_shl", &add_shl)
        .def("sum", &sum)
        .def("cumsum", &cumsum);
}

}  // namespace tercet
