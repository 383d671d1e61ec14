// Residues modulo small primes: sampling, packing, the tables of the three-round comparison.
#include "bind.hpp"

namespace tercet {

struct Prime {
    unsigned p, field;
};
static unsigned field_bits(unsigned p) {
    constexpr Prime primes[] = {{5, 10}, {11, 14}, {19, 17}, {37, 21}, {67, 25}};
    for (const Prime& prime : primes)
        if (prime.p == p) return prime.field;
    throw nb::value_error("no such prime");
}
static std::size_t digits_of(std::size_t low) { return 1 + low / 2; }
static std::size_t entries_of(std::size_t low) { return 1 + (low - 1) / 2 * 3 + (low - 1) % 2; }

static void draw(const Handle& self, nb::handle in_, unsigned modulus, unsigned per_word, nb::handle out_) {
    const In in(in_, Kind::byte);
    const Out out(out_, Kind::byte);
    require(modulus >= 1 && modulus <= 255, "modulus outside 1 to 255");
    require(per_word >= 1 && per_word <= 128, "digits of a fraction of 128 bits");
    require(std::size_t(in.count()) == (std::size_t(out.count()) + per_word - 1) / per_word * 16,
            "uniform bytes of the wrong number");
    const Released unlocked;
    self.table->residues_draw(out.count(), in.data<std::uint8_t>(), modulus, per_word, out.data<std::uint8_t>());
}

static void require_fields(const Buffer& values, unsigned p, const Buffer& bytes) {
    const std::size_t fields = (std::size_t(values.count()) + 3) / 4;
    require(std::size_t(bytes.count()) == (fields * field_bits(p) + 7) / 8, "the residues do not take that many bytes");
}

static void pack(const Handle& self, nb::handle in_, unsigned p, nb::handle out_) {
    const In in(in_, Kind::byte);
    const Out out(out_, Kind::byte);
    require_fields(in, p, out);
    const Released unlocked;
    self.table->residues_pack(in.count(), in.data<std::uint8_t>(), p, out.data<std::uint8_t>());
}

static void unpack(const Handle& self, nb::handle in_, unsigned p, nb::handle out_) {
    const In in(in_, Kind::byte);
    const Out out(out_, Kind::byte);
    require_fields(out, p, in);
    const Released unlocked;
    self.table->residues_unpack(out.count(), in.data<std::uint8_t>(), p, out.data<std::uint8_t>());
}

// planes (low, words), table (entries, n)
static void require_tables(const Buffer& planes, unsigned p, const Buffer& table) {
    field_bits(p);
    require(planes.ndim() == 2 && table.ndim() == 2 && planes.shape(0) >= 1, "planes and tables have two axes");
    require(digits_of(planes.shape(0)) < p, "too many digits for that prime");
    require(std::size_t(table.shape(0)) == entries_of(planes.shape(0)) &&
                planes.shape(1) == (table.shape(1) + 63) / 64,
            "planes and tables do not fit together");
}

static void deal(const Handle& self, unsigned p, nb::handle planes_, nb::handle own_, nb::handle out_) {
    const In planes(planes_, Kind::u64), own(own_, Kind::byte);
    const Out out(out_, Kind::byte);
    require_tables(planes, p, own);
    require(out.same_shape(own), "out has the wrong shape");
    const Released unlocked;
    self.table->tables_deal(p, planes.shape(0), own.shape(1), planes.data<std::uint64_t>(), own.data<std::uint8_t>(),
                            out.data<std::uint8_t>());
}

static void blind(const Handle& self, unsigned p, nb::handle planes_, nb::handle share_, unsigned total, nb::handle coin_,
                  nb::handle scale_, nb::handle zero_, nb::handle turn_, bool negative, nb::handle out_) {
    const In planes(planes_, Kind::u64), share(share_, Kind::byte), coin(coin_, Kind::u64);
    const In scale(scale_, Kind::byte), zero(zero_, Kind::byte), turn(turn_, Kind::byte);
    const Out out(out_, Kind::byte);
    require_tables(planes, p, share);
    require(total <= 1, "a share of one is 0 or 1");
    require(out.ndim() == 2 && std::size_t(out.shape(0)) == digits_of(planes.shape(0)) &&
                out.shape(1) == share.shape(1) && out.same_shape(scale) && out.same_shape(zero) &&
                turn.count() == share.shape(1) && coin.count() == planes.shape(1),
            "arrays of the wrong shape");
    const Released unlocked;
    self.table->tables_blind(p, planes.shape(0), share.shape(1), planes.data<std::uint64_t>(),
                             share.data<std::uint8_t>(), total, coin.data<std::uint64_t>(),
                             scale.data<std::uint8_t>(), zero.data<std::uint8_t>(), turn.data<std::uint8_t>(), negative,
                             out.data<std::uint8_t>());
}

static void zero_among(const Handle& self, unsigned p, nb::handle a_, nb::handle b_, nb::handle out_) {
    const In a(a_, Kind::byte), b(b_, Kind::byte);
    const Out out(out_, Kind::u64);
    field_bits(p);
    require(a.ndim() == 2 && a.same_shape(b) && out.count() == (a.shape(1) + 63) / 64, "arrays of the wrong shape");
    const Released unlocked;
    self.table->zero_among(p, a.shape(0), a.shape(1), a.data<std::uint8_t>(), b.data<std::uint8_t>(),
                           out.data<std::uint64_t>());
}

void bind_residues(nb::class_<Handle>& handle) {
    handle.def("residues_draw", &draw)
        .def("residues_pack", &pack)
        .def("residues_unpack", &unpack)
        .def("tables_deal", &deal)
        .def("tables_blind", &blind)
        .def("zero_among", &zero_among);
}

}  // namespace tercet
