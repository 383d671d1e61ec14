// Powers and sines of halves of phases: what share-wise functions compute at each party.
#include "bind.hpp"

namespace tercet {

// rows of one length, as many as the phases
static void require_rows(const Buffer& phase, const Buffer& rows, std::size_t count) {
    require(rows.ndim() == 2 && std::size_t(rows.shape(0)) == count && rows.shape(1) == phase.count(),
            "an array of the wrong shape");
}

static std::size_t rows_of(unsigned whole, unsigned low) {
    require(low >= 1 && low <= 5 && whole > low && whole <= low + 8, "whole bits outside what a table has");
    return std::size_t(1) << (whole - low);
}

static void power_table(const Handle& self, nb::handle phase_, unsigned whole, unsigned low, int first, unsigned scale,
                        int cut, nb::handle series_, nb::handle drawn_, nb::handle out_) {
    const In phase(phase_, Kind::u64), series(series_, Kind::u64), drawn(drawn_);
    const Out out(out_);
    require_rows(phase, out, rows_of(whole, low));
    require(drawn.same_shape(out) && series.count() >= 1, "arrays of the wrong shape");
    require(first > -4096 && first < 4096 && cut > -4096 && cut < 4096 && scale < 4096, "a power out of range");
    const Released unlocked;
    self.words(out).power_table(phase.count(), phase.data<std::uint64_t>(), whole, low, first, scale, cut,
                                series.data<std::uint64_t>(), unsigned(series.count()), drawn.data(), out.data());
}

static void power_cross(const Handle& self, nb::handle phase_, unsigned whole, unsigned low, unsigned scale,
                        nb::handle series_, nb::handle table_, nb::handle mask_, nb::handle out_) {
    const In phase(phase_, Kind::u64), series(series_, Kind::u64), table(table_), mask(mask_);
    const Out out(out_);
    require_rows(phase, table, rows_of(whole, low));
    require(mask.same_shape(out) && out.count() == phase.count() && table.word_bytes() == out.word_bytes() &&
                series.count() >= 1,
            "arrays of the wrong shape");
    require(scale + (1u << low) <= 63, "a factor that does not fit 63 bits");
    const Released unlocked;
    self.words(out).power_cross(phase.count(), phase.data<std::uint64_t>(), whole, low, scale,
                                series.data<std::uint64_t>(), unsigned(series.count()), table.data(), mask.data(),
                                out.data());
}

static void sine_terms(const Handle& self, nb::handle phase_, unsigned scale, nb::handle sine_, nb::handle cosine_,
                       nb::handle drawn_, nb::handle out_) {
    const In phase(phase_, Kind::u64), sine(sine_, Kind::u64), cosine(cosine_, Kind::u64), drawn(drawn_);
    const Out out(out_);
    require_rows(phase, out, 2);
    require(drawn.same_shape(out) && sine.count() >= 1 && cosine.count() >= 1, "arrays of the wrong shape");
    require(scale <= 62, "more bits than a sine has");
    const Released unlocked;
    self.words(out).sine_terms(phase.count(), phase.data<std::uint64_t>(), scale, sine.data<std::uint64_t>(),
                               unsigned(sine.count()), cosine.data<std::uint64_t>(), unsigned(cosine.count()),
                               drawn.data(), out.data());
}

static void sine_cross(const Handle& self, nb::handle phase_, unsigned scale, nb::handle sine_, nb::handle cosine_,
                       nb::handle terms_, nb::handle mask_, nb::handle out_) {
    const In phase(phase_, Kind::u64), sine(sine_, Kind::u64), cosine(cosine_, Kind::u64), terms(terms_), mask(mask_);
    const Out out(out_);
    require_rows(phase, terms, 2);
    require(mask.same_shape(out) && out.count() == phase.count() && terms.word_bytes() == out.word_bytes() &&
                sine.count() >= 1 && cosine.count() >= 1,
            "arrays of the wrong shape");
    require(scale <= 62, "more bits than a sine has");
    const Released unlocked;
    self.words(out).sine_cross(phase.count(), phase.data<std::uint64_t>(), scale, sine.data<std::uint64_t>(),
                               unsigned(sine.count()), cosine.data<std::uint64_t>(), unsigned(cosine.count()),
                               terms.data(), mask.data(), out.data());
}

void bind_sharewise(nb::class_<Handle>& handle) {
    handle.def("power_table", &power_table)
        .def("power_cross", &power_cross)
        .def("sine_terms", &sine_terms)
        .def("sine_cross", &sine_cross);
}

}  // namespace tercet
