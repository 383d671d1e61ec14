// Bit packing, bit planes, fields and the table leaf.
#include "bind.hpp"

namespace tercet {

static void pack_bits(const Handle& self, nb::handle in_, nb::handle out_) {
    const In in(in_, Kind::byte);
    const Out out(out_, Kind::u64);
    require(std::size_t(out.count()) == bit_words(in.count()), "out has the wrong size");
    const Unlocked unlocked(in.count() / 8);
    self.table->pack_bits(in.count(), in.data<std::uint8_t>(), out.data<std::uint64_t>());
}

static void unpack_bits(const Handle& self, nb::handle in_, nb::handle out_) {
    const In in(in_, Kind::u64);
    const Out out(out_, Kind::byte);
    require(std::size_t(in.count()) == bit_words(out.count()), "too few or too many words for that many bits");
    const Unlocked unlocked(out.count() / 8);
    self.table->unpack_bits(out.count(), in.data<std::uint64_t>(), out.data<std::uint8_t>());
}

// rows (R, ceil(length / 64)) beside R * length bits
static void require_rows(const Buffer& rows, std::size_t length, const Buffer& flat) {
    require(rows.ndim() == 2 && std::size_t(rows.shape(1)) == bit_words(length) &&
                (length == 0 || std::size_t(rows.shape(0)) < MOST / length) &&
                std::size_t(flat.count()) == bit_words(rows.shape(0) * length),
            "rows must be (rows, ceil(length / 64))");
}

static void split_rows(const Handle& self, nb::handle in_, std::size_t length, nb::handle out_) {
    const In in(in_, Kind::u64);
    const Out out(out_, Kind::u64);
    require_rows(out, length, in);
    const Unlocked unlocked(out.count());
    self.table->split_rows(out.shape(0), length, in.data<std::uint64_t>(), out.data<std::uint64_t>());
}

static void join_rows(const Handle& self, nb::handle in_, std::size_t length, nb::handle out_) {
    const In in(in_, Kind::u64);
    const Out out(out_, Kind::u64);
    require_rows(in, length, out);
    const Unlocked unlocked(in.count());
    self.table->join_rows(in.shape(0), length, in.data<std::uint64_t>(), out.data<std::uint64_t>());
}

static void require_planes(const Buffer& words, const Buffer& planes) {
    require(planes.ndim() == 2 && planes.shape(0) <= words.word_bytes() * 8 &&
                std::size_t(planes.shape(1)) == bit_words(words.count()),
            "planes must be (bits, ceil(n / 64))");
}

static void to_planes(const Handle& self, nb::handle words_, nb::handle planes_) {
    const In words(words_);
    const Out planes(planes_, Kind::u64);
    require_planes(words, planes);
    const Unlocked unlocked(words.count());
    self.words(words).to_planes(words.count(), words.data(), unsigned(planes.shape(0)), planes.data<std::uint64_t>());
}

static void from_planes(const Handle& self, nb::handle planes_, nb::handle words_) {
    const In planes(planes_, Kind::u64);
    const Out words(words_);
    require_planes(words, planes);
    const Unlocked unlocked(words.count());
    self.words(words).from_planes(words.count(), planes.data<std::uint64_t>(), unsigned(planes.shape(0)), words.data());
}

static void require_fields(const Buffer& words, unsigned m, const Buffer& bytes) {
    require(m >= 1 && m <= unsigned(words.word_bytes()) * 8, "field width outside the ring");
    require(std::size_t(bytes.count()) == field_bytes(words.count(), m),
            "the fields do not take that many bytes");
}

static void pack_fields(const Handle& self, nb::handle words_, unsigned m, nb::handle out_) {
    const In words(words_);
    const Out out(out_, Kind::byte);
    require_fields(words, m, out);
    const Unlocked unlocked(words.count());
    self.words(words).pack_fields(words.count(), words.data(), m, out.data<std::uint8_t>());
}

static void unpack_fields(const Handle& self, nb::handle in_, unsigned m, nb::handle words_) {
    const In in(in_, Kind::byte);
    const Out words(words_);
    require_fields(words, m, in);
    const Unlocked unlocked(words.count());
    self.words(words).unpack_fields(words.count(), in.data<std::uint8_t>(), m, words.data());
}

// planes (G, k, W), table (G, 2^k - 1, W)
static void require_leaf(const Buffer& planes, const Buffer& table) {
    require(planes.ndim() == 3 && table.ndim() == 3, "three axes: groups, planes or entries, words");
    require(planes.shape(1) >= 1 && planes.shape(1) <= 5, "1 to 5 planes a group");
    require(table.shape(1) == (1 << planes.shape(1)) - 1 && table.shape(0) == planes.shape(0) &&
                table.shape(2) == planes.shape(2),
            "a table has 2^k - 1 entries a group");
}

static void leaf_deal(const Handle& self, nb::handle r_, nb::handle own_, nb::handle out_) {
    const In r(r_, Kind::u64), own(own_, Kind::u64);
    const Out out(out_, Kind::u64);
    require_leaf(r, own);
    require(out.same_shape(own), "out has the wrong shape");
    const Unlocked unlocked(own.count());
    self.table->leaf_deal(unsigned(r.shape(1)), r.shape(0), r.shape(2), r.data<std::uint64_t>(),
                          own.data<std::uint64_t>(), out.data<std::uint64_t>());
}

static void leaf_eval(const Handle& self, nb::handle c_, nb::handle share_, bool last_ones, nb::handle p_, nb::handle g_) {
    const In c(c_, Kind::u64), share(share_, Kind::u64);
    const Out p(p_, Kind::u64), g(g_, Kind::u64);
    require_leaf(c, share);
    require(p.same_shape(g) && p.ndim() == 2 && p.shape(0) == c.shape(0) && p.shape(1) == c.shape(2),
            "out has the wrong shape");
    const Unlocked unlocked(share.count());
    self.table->leaf_eval(unsigned(c.shape(1)), c.shape(0), c.shape(2), c.data<std::uint64_t>(),
                          share.data<std::uint64_t>(), last_ones, p.data<std::uint64_t>(), g.data<std::uint64_t>());
}

void bind_bits(nb::class_<Handle>& handle) {
    handle.def("pack_bits", &pack_bits)
        .def("unpack_bits", &unpack_bits)
        .def("split_rows", &split_rows)
        .def("join_rows", &join_rows)
        .def("to_planes", &to_planes)
        .def("from_planes", &from_planes)
        .def("pack_fields", &pack_fields)
        .def("unpack_fields", &unpack_fields)
        .def("leaf_deal", &leaf_deal)
        .def("leaf_eval", &leaf_eval);
}

}  // namespace tercet
