// Products of one-hot bits with public tables.
#include <new>

#include "bind.hpp"
#include "parallel.hpp"

namespace tercet {

static void table_product(const Handle& self, nb::handle high_own_, nb::handle high_next_, nb::handle low_own_,
                          nb::handle low_next_, nb::handle table_, nb::handle out_, unsigned threads) {
    const In high_own(high_own_, Kind::u64), high_next(high_next_, Kind::u64), low_own(low_own_, Kind::u64),
        low_next(low_next_, Kind::u64), table(table_, Kind::u64);
    const Out out(out_, Kind::u64);
    require(high_own.ndim() == 2 && high_next.same_shape(high_own) && low_own.ndim() == 2 &&
                low_next.same_shape(low_own) && table.ndim() == 2 && out.ndim() == 2,
            "rows of bits");
    const std::size_t high = high_own.shape(0), low = low_own.shape(0), width = out.shape(1), rows = out.shape(0);
    require(std::size_t(high_own.shape(1)) == width && std::size_t(low_own.shape(1)) == width &&
                std::size_t(table.shape(0)) == rows,
            "rows of one length");
    require(low >= 4 && (low & (low - 1)) == 0, "a power of two of lower rows, 4 at least");
    require(std::size_t(table.shape(1)) == (high * low + 63) / 64, "a bit of the table for each pair of rows");
    const Released unlocked;
    parallel(width, threads, 8, [&](std::size_t from, std::size_t end) {
        void* const sums = ::operator new(low * 8 * 64, std::align_val_t(64));
        self.table->table_product(rows, high, low, width, from, end, high_own.data<std::uint64_t>(),
                                  high_next.data<std::uint64_t>(), low_own.data<std::uint64_t>(),
                                  low_next.data<std::uint64_t>(), table.data<std::uint64_t>(), table.shape(1), sums,
                                  out.data<std::uint64_t>());
        ::operator delete(sums, std::align_val_t(64));
    });
}

void bind_lookup(nb::class_<Handle>& handle) { handle.def("table_product", &table_product); }

}  // namespace tercet
