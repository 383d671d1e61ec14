// Public combinations of words, and sums of bits.
#include <memory>
#include <vector>

#include "bind.hpp"

namespace tercet {

static void combine(const Handle& self, nb::list arrays, nb::handle factors_, std::uint64_t k_lo, std::uint64_t k_hi,
                    nb::handle out_) {
    const In factors(factors_);
    const Out out(out_);
    const std::size_t terms = nb::len(arrays);
    require(terms >= 1 && std::size_t(factors.count()) == terms && factors.word_bytes() == out.word_bytes(),
            "as many factors as arrays");
    std::vector<std::unique_ptr<In>> held;
    std::vector<const void*> data;
    for (nb::handle array : arrays) {
        held.push_back(std::make_unique<In>(array));
        require(held.back()->same_shape(out), "arrays of the wrong shape");
        data.push_back(held.back()->data());
    }
    const Unlocked unlocked(out.count() * terms);
    self.words(out).combine(out.count(), unsigned(terms), data.data(), factors.data(), k_lo, k_hi, out.data());
}

// the widths of fields as the kernel takes them, which fill `bytes` together
static std::vector<unsigned> widths_of(nb::list widths, std::size_t most, std::size_t count, const Buffer& bytes) {
    std::vector<unsigned> found;
    std::size_t total = 0;
    for (nb::handle width : widths) {
        found.push_back(nb::cast<unsigned>(width));
        require(found.back() >= 1 && found.back() <= most, "field width outside the ring");
        total += field_bytes(count, found.back());
    }
    require(std::size_t(bytes.count()) == total, "the fields do not take that many bytes");
    return found;
}

static void require_planes(const Buffer& planes, std::size_t bits, std::size_t count) {
    require(planes.ndim() == 2 && std::size_t(planes.shape(0)) == bits &&
                std::size_t(planes.shape(1)) == bit_words(count),
            "planes must be (bits, ceil(n / 64))");
}

static void deal_bits(const Handle& self, unsigned word_bits, std::size_t count, nb::handle planes_, nb::list widths_,
                      nb::handle drawn_, nb::handle out_) {
    const In planes(planes_, Kind::u64), drawn(drawn_, Kind::byte);
    const Out out(out_, Kind::byte);
    require(word_bits == 64 || word_bits == 128, "words of 64 or 128 bits");
    const std::vector<unsigned> widths = widths_of(widths_, word_bits, count, drawn);
    require_planes(planes, widths.size(), count);
    require(out.same_shape(drawn), "out has the wrong shape");
    const Released unlocked;
    (word_bits == 128 ? self.table->words128 : self.table->words64)
        .deal_bits(count, unsigned(widths.size()), planes.data<std::uint64_t>(), widths.data(),
                   drawn.data<std::uint8_t>(), out.data<std::uint8_t>());
}

static void sum_bits(const Handle& self, nb::handle planes_, nb::list widths_, nb::handle parts_, nb::handle constants_,
                     nb::handle factors_, nb::handle mask_, nb::handle sent_, nb::handle kept_) {
    const In planes(planes_, Kind::u64), parts(parts_, Kind::byte), constants(constants_), factors(factors_), mask(mask_);
    const Out sent(sent_), kept(kept_);
    require(mask.ndim() == 2 && sent.same_shape(mask) && kept.same_shape(mask), "arrays of the wrong shape");
    const std::size_t sums = mask.shape(0), count = mask.shape(1);
    const std::vector<unsigned> widths = widths_of(widths_, mask.word_bytes() * 8, count, parts);
    require_planes(planes, widths.size(), count);
    require(std::size_t(constants.count()) == sums && std::size_t(factors.count()) == sums * widths.size() &&
                constants.word_bytes() == mask.word_bytes() && factors.word_bytes() == mask.word_bytes(),
            "a constant for each sum, and a factor for each bit of it");
    const Released unlocked;
    self.words(mask).sum_bits(count, unsigned(widths.size()), unsigned(sums), planes.data<std::uint64_t>(),
                              widths.data(), parts.data<std::uint8_t>(), constants.data(), factors.data(), mask.data(),
                              sent.data(), kept.data());
}

static void signed_counts(const Handle& self, nb::handle plane_, unsigned m, nb::handle parts_, std::size_t count,
                       nb::handle starts_, nb::handle terms_, nb::handle bits_) {
    const In plane(plane_, Kind::u64), parts(parts_, Kind::byte), starts(starts_, Kind::u64);
    const Out terms(terms_, Kind::u64), bits(bits_, Kind::u64);
    require(m >= 1 && m <= 64 && std::size_t(parts.count()) == field_bytes(count, m) &&
                std::size_t(plane.count()) == bit_words(count),
            "a field and a bit for each");
    require(terms.same_shape(starts) && bits.same_shape(starts) && (count == 0 || starts.count() > 0),
            "a sum for each line");
    const Unlocked unlocked(count);
    self.table->signed_counts(count, m, plane.data<std::uint64_t>(), parts.data<std::uint8_t>(), starts.count(),
                           starts.data<std::uint64_t>(), terms.data<std::uint64_t>(), bits.data<std::uint64_t>());
}

void bind_combine(nb::class_<Handle>& handle) {
    handle.def("combine", &combine).def("deal_bits", &deal_bits).def("sum_bits", &sum_bits).def("signed_counts", &signed_counts);
}

}  // namespace tercet
