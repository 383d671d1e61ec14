// All kernels for one instruction set, compiled once per level (see CMakeLists.txt).
#include <type_traits>

#include "combine.hpp"
#include "elementwise.hpp"
#include "halves.hpp"
#include "leaf.hpp"
#include "lookup.hpp"
#include "matmul128.hpp"
#include "matmul16.hpp"
#include "matmul64.hpp"
#include "orders.hpp"
#include "planes.hpp"
#include "residues.hpp"
#include "sharewise.hpp"
#include "sums.hpp"
#include "table.hpp"

#define TERCET_JOIN_(a, b) a##b
#define TERCET_JOIN(a, b) TERCET_JOIN_(a, b)
#define TERCET_TEXT_(a) #a
#define TERCET_TEXT(a) TERCET_TEXT_(a)

namespace {

struct NoEngine;

template <class T, class Engine> constexpr decltype(tercet::WordKernels::matmul) matmul_kernel() {
    if constexpr (std::is_same_v<Engine, NoEngine>) return nullptr;
    else return Gemm<Engine>::matmul;
}

template <class T, class Engine> constexpr tercet::WordKernels word_kernels() {
    using E = Elementwise<T>;
    return {
        .add = E::add,
        .sub = E::sub,
        .mul = E::mul,
        .neg = E::neg,
        .scale = E::scale,
        .shl = E::shl,
        .shr = E::shr,
        .low = E::low,
        .to_float = E::to_float,
        .from_float = E::from_float,
        .mul_add = E::mul_add,
        .product_a = Product<T>::a,
        .product_b = Product<T>::b,
        .product_d = Product<T>::d,
        .trunc_d = Truncate<T>::d,
        .trunc_cross = Truncate<T>::cross,
        .trunc_pair = Truncate<T>::pair,
        .add_shl = E::add_shl,
        .sum = Sums<T>::sum,
        .cumsum = Sums<T>::cumsum,
        .matmul = matmul_kernel<T, Engine>(),
        .to_planes = Planes<T>::to,
        .from_planes = Planes<T>::from,
        .pack_fields = Fields<T>::pack,
        .unpack_fields = Fields<T>::unpack,
        .gather = ::gather<T>,
        .gather_masked = ::gather_masked<T>,
        .scatter = ::scatter<T>,
        .combine = Combine<T>::sum,
        .deal_bits = Combine<T>::deal_bits,
        .sum_bits = Combine<T>::sum_bits,
        .power_table = Sharewise<T>::power_table,
        .power_cross = Sharewise<T>::power_cross,
        .sine_terms = Sharewise<T>::sine_terms,
        .sine_cross = Sharewise<T>::sine_cross,
    };
}

}  // namespace

namespace tercet {

extern const Kernels TERCET_JOIN(kernels_, TERCET_LEVEL) = {
    .level = TERCET_TEXT(TERCET_LEVEL),
    .words32 = word_kernels<u32, NoEngine>(),
    .words64 = word_kernels<u64, Engine64>(),
    .words128 = word_kernels<u128, Engine128>(),
    .matmul16 = Engine16::matmul,
    .pack_bits = ::pack_bits,
    .unpack_bits = ::unpack_bits,
    .split_rows = ::split_rows,
    .join_rows = ::join_rows,
    .leaf_deal = ::leaf_deal,
    .leaf_eval = ::leaf_eval,
    .signed_counts = Combine<u64>::signed_counts,
    .table_product = ::table_product,
    .residues_draw = ::residues_draw,
    .residues_pack = ::residues_pack,
    .residues_unpack = ::residues_unpack,
    .tables_deal = ::tables_deal,
    .tables_blind = ::tables_blind,
    .zero_among = ::zero_among,
    .draw_orders = ::draw_orders,
    .greatest_place = ::greatest_place,
    .invert_order = ::invert_order,
    .flat_orders32 = ::flat_orders<u32>,
    .flat_orders64 = ::flat_orders<u64>,
    .gather_rows = ::gather_rows,
    .destinations32 = ::destinations<u32>,
    .destinations64 = ::destinations<u64>,
    .move_fields = ::move_fields,
    .digits_deal = ::digits_deal,
    .digits_table = ::digits_table,
    .digits_join = ::digits_join,
};

}  // namespace tercet
