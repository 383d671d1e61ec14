// The table of kernels: one per instruction set, filled by kernels.cpp, chosen by levels.cpp.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tercet {

// A matrix operand: element (i, j) lies at data + i * row + j * col bytes.
struct Matrix {
    const char* data;
    std::ptrdiff_t row, col;
};

// Kernels for one ring. `n` counts words; operands are contiguous; `out` may be one of the inputs.
struct WordKernels {
    using One = void (*)(std::size_t n, const void* a, void* out);
    using Two = void (*)(std::size_t n, const void* a, const void* b, void* out);
    using Three = void (*)(std::size_t n, const void* a, const void* b, const void* c, void* out);
    using Shift = void (*)(std::size_t n, const void* a, unsigned s, void* out);

    Two add, sub, mul;
    One neg;
    void (*scale)(std::size_t n, const void* a, std::uint64_t k_lo, std::uint64_t k_hi, void* out);
    Shift shl, shr, low;
    void (*to_float)(std::size_t n, const void* a, double unit, double* out);
    void (*from_float)(std::size_t n, const double* a, void* out);  // whole numbers inside the signed range
    Three mul_add;

    void (*product_a)(std::size_t n, const void* x_ad, const void* x_ab, const void* y_ad, const void* y_ab,
                      const void* mask, void* out);
    void (*product_b)(std::size_t n, const void* x_ab, const void* x_bd, const void* y_ab, const void* y_bd,
                      const void* mask, void* out);
    void (*product_d)(std::size_t n, const void* x_bd, const void* x_ad, const void* y_bd, const void* y_ad,
                      const void* m1, const void* m2, const void* m3, void* out);

    void (*trunc_d)(std::size_t n, const void* r, unsigned m, const void* y_ad0, const void* a, void* y_bd0, void* e);
    void (*trunc_cross)(std::size_t n, const void* c, unsigned m, bool nonnegative, const void* a, const void* u,
                        void* out);
    void (*trunc_pair)(std::size_t n, const void* c, unsigned m, bool nonnegative, const void* own, const void* other,
                       void* out);
    void (*add_shl)(std::size_t n, const void* a, const void* b, unsigned s, void* out);

    void (*sum)(std::size_t outer, std::size_t n, std::size_t inner, const void* a, void* out);
    void (*cumsum)(std::size_t outer, std::size_t n, std::size_t inner, const void* a, void* out);

    // out (rows x cols, its rows `pitch` words apart) = a (rows x depth) @ b (depth x cols); none for words of 4 bytes
    void (*matmul)(std::size_t rows, std::size_t cols, std::size_t depth, Matrix a, Matrix b, void* out,
                   std::size_t pitch);

    void (*to_planes)(std::size_t n, const void* a, unsigned bits, std::uint64_t* out);
    void (*from_planes)(std::size_t n, const std::uint64_t* planes, unsigned bits, void* out);
    void (*pack_fields)(std::size_t n, const void* a, unsigned m, std::uint8_t* out);
    void (*unpack_fields)(std::size_t n, const std::uint8_t* in, unsigned m, void* out);

    void (*gather)(std::size_t n, const void* in, const std::uint32_t* order, void* out);
    void (*gather_masked)(std::size_t n, const void* in, const std::uint32_t* order, const void* mask, bool negative,
                          void* out);
    void (*scatter)(std::size_t n, const void* in, const std::uint32_t* order, void* out);

    // combine.hpp
    void (*combine)(std::size_t n, unsigned terms, const void* const* arrays, const void* factors, std::uint64_t k_lo,
                    std::uint64_t k_hi, void* out);
    void (*deal_bits)(std::size_t n, unsigned bits, const std::uint64_t* planes, const unsigned* widths,
                      const std::uint8_t* drawn, std::uint8_t* out);
    void (*sum_bits)(std::size_t n, unsigned bits, unsigned sums, const std::uint64_t* planes, const unsigned* widths,
                     const std::uint8_t* parts, const void* constants, const void* factors, const void* mask,
                     void* sent, void* kept);

    // sharewise.hpp; `c` are the coefficients of a series
    void (*power_table)(std::size_t n, const std::uint64_t* phase, unsigned whole, unsigned low, int first,
                        unsigned scale, int cut, const std::uint64_t* c, unsigned terms, const void* drawn, void* out);
    void (*power_cross)(std::size_t n, const std::uint64_t* phase, unsigned whole, unsigned low, unsigned scale,
                        const std::uint64_t* c, unsigned terms, const void* table, const void* mask, void* out);
    void (*sine_terms)(std::size_t n, const std::uint64_t* phase, unsigned scale, const std::uint64_t* c_sin,
                       unsigned sin_terms, const std::uint64_t* c_cos, unsigned cos_terms, const void* drawn, void* out);
    void (*sine_cross)(std::size_t n, const std::uint64_t* phase, unsigned scale, const std::uint64_t* c_sin,
                       unsigned sin_terms, const std::uint64_t* c_cos, unsigned cos_terms, const void* terms,
                       const void* mask, void* out);
};

using FlatOrders = bool (*)(std::size_t lines, std::size_t length, const void* within, std::uint64_t* seen,
                            std::uint32_t* out);
using Destinations = void (*)(unsigned width, std::size_t lines, std::size_t length, const void* own, const void* next,
                              bool one_own, bool one_next, const void* zero, void* mine, void* first, void* second);

struct Kernels {
    const char* level;
    WordKernels words32, words64, words128;
    // matmul16.hpp: as the matmul of words64, modulo 2^16
    void (*matmul16)(std::size_t rows, std::size_t cols, std::size_t depth, Matrix a, Matrix b, void* out,
                     std::size_t pitch);
    void (*pack_bits)(std::size_t n, const std::uint8_t* in, std::uint64_t* out);
    void (*unpack_bits)(std::size_t n, const std::uint64_t* in, std::uint8_t* out);
    void (*split_rows)(std::size_t rows, std::size_t length, const std::uint64_t* in, std::uint64_t* out);
    void (*join_rows)(std::size_t rows, std::size_t length, const std::uint64_t* in, std::uint64_t* out);
    void (*leaf_deal)(unsigned k, std::size_t groups, std::size_t width, const std::uint64_t* r, const std::uint64_t* own,
                      std::uint64_t* out);
    void (*leaf_eval)(unsigned k, std::size_t groups, std::size_t width, const std::uint64_t* c,
                      const std::uint64_t* share, bool last_ones, std::uint64_t* p, std::uint64_t* g);
    void (*signed_counts)(std::size_t n, unsigned m, const std::uint64_t* plane, const std::uint8_t* parts,
                       std::size_t lines, const std::uint64_t* starts, std::uint64_t* terms, std::uint64_t* bits);
    // lookup.hpp
    void (*table_product)(std::size_t rows, std::size_t high, std::size_t low, std::size_t width, std::size_t from,
                          std::size_t end, const std::uint64_t* high_own, const std::uint64_t* high_next,
                          const std::uint64_t* low_own, const std::uint64_t* low_next, const std::uint64_t* table,
                          std::size_t pitch, void* sums, std::uint64_t* out);
    void (*residues_draw)(std::size_t n, const std::uint8_t* in, unsigned modulus, unsigned per_word, std::uint8_t* out);
    void (*residues_pack)(std::size_t n, const std::uint8_t* in, unsigned p, std::uint8_t* out);
    void (*residues_unpack)(std::size_t n, const std::uint8_t* in, unsigned p, std::uint8_t* out);
    void (*tables_deal)(unsigned p, std::size_t low, std::size_t n, const std::uint64_t* planes, const std::uint8_t* own,
                        std::uint8_t* out);
    void (*tables_blind)(unsigned p, std::size_t low, std::size_t n, const std::uint64_t* planes,
                         const std::uint8_t* share, unsigned total, const std::uint64_t* coin, const std::uint8_t* scale,
                         const std::uint8_t* zero, const std::uint8_t* turn, bool negative, std::uint8_t* out);
    void (*zero_among)(unsigned p, std::size_t rows, std::size_t n, const std::uint8_t* a, const std::uint8_t* b,
                       std::uint64_t* out);
    bool (*draw_orders)(std::size_t lines, std::size_t length, std::size_t words, const std::uint32_t* in,
                        std::uint32_t* out);
    std::uint32_t (*greatest_place)(std::size_t n, const std::uint32_t* order);
    void (*invert_order)(std::size_t n, const std::uint32_t* order, std::uint32_t* out);
    FlatOrders flat_orders32, flat_orders64;
    void (*gather_rows)(std::size_t n, std::size_t bytes, const char* in, const std::uint32_t* order, char* out);
    Destinations destinations32, destinations64;

    // halves.hpp
    void (*move_fields)(std::size_t n, unsigned w, unsigned bits, bool negative, std::size_t have,
                        const std::uint32_t* words, const std::uint8_t* fields, const std::uint32_t* order,
                        const std::uint8_t* mask, std::uint32_t* out, std::uint8_t* packed);
    void (*digits_deal)(unsigned width, std::size_t n, unsigned w, const std::uint32_t* digits, const std::uint8_t* a,
                        const std::uint8_t* v, const std::uint8_t* x, const std::uint8_t* mask, std::uint8_t* b,
                        std::uint8_t* rest);
    void (*digits_table)(unsigned width, std::size_t lines, std::size_t length, unsigned w, bool one,
                         const std::uint32_t* turns, const std::uint8_t* entries, const std::uint8_t* mask,
                         std::uint32_t* totals, std::uint8_t* sent, std::uint32_t* kept);
    void (*digits_join)(unsigned width, std::size_t n, unsigned w, const std::uint8_t* entries,
                        const std::uint8_t* theirs, const std::uint8_t* rest, std::uint32_t* kept);
};

extern const Kernels kernels_baseline;
#if defined(__x86_64__)
extern const Kernels kernels_avx2, kernels_avx512, kernels_avx512ifma;
#endif

// The levels this machine can run, plainest first.
std::size_t available_levels(const Kernels* levels[4]);

}  // namespace tercet
