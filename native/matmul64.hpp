// The 64-bit micro kernels: MR rows by vectors of columns, all sums in registers.
#pragma once
#include "matmul.hpp"
#if defined(__AVX2__) && !defined(__AVX512DQ__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX2__) && !defined(__AVX512DQ__)

// No instruction multiplies 64-bit lanes. With a = a0 + a1 2^32 in a lane, modulo 2^64
//   sum a b = sum a0 b0 + 2^32 (sum a0 b1 + sum a1 b0):
// vpmuludq gives a0 b0 and wraps as the result does; of the other two only 32 bits matter, so one vpmulld of a with the
// halves of b swapped gives both, in the two halves of the lane, and these are joined once the sums are complete.
struct Engine64 {
    using T = u64;
    using Lanes = u64 __attribute__((vector_size(32)));
    using Halves = std::uint32_t __attribute__((vector_size(32)));
    static constexpr size MR = 6, NR = 4, LIMBS = 1, KC = 256, MC = 120, NC = 1024;

    // With the number of rows constant, a step is a few moves.
    template <size WIDTH, size HAVE> static void pack_rows(tercet::Matrix from, size depth, u64* panel) {
        for (; depth; --depth, from.data += from.col, panel += WIDTH) {
            if (from.row == sizeof(u64))
                std::memcpy(panel, from.data, HAVE * sizeof(u64));
            else
                for (size i = 0; i < HAVE; ++i) panel[i] = at<u64>(from, i, 0);
            for (size i = HAVE; i < WIDTH; ++i) panel[i] = 0;
        }
    }
    template <size WIDTH, size HAVE> static void pack_at_most(tercet::Matrix from, size have, size depth, u64* panel) {
        if constexpr (HAVE > 1) {
            if (have < HAVE) return pack_at_most<WIDTH, HAVE - 1>(from, have, depth, panel);
        }
        pack_rows<WIDTH, HAVE>(from, depth, panel);
    }
    template <size WIDTH> static void pack(tercet::Matrix from, size have, size depth, u64* panel) {
        pack_at_most<WIDTH, WIDTH>(from, have, depth, panel);
    }

    TERCET_INLINE __m256i swap(__m256i halves) { return _mm256_shuffle_epi32(halves, 0xb1); }

    // Two sums a row, the vector of b and its swap, a row of a and a product: all sixteen registers with six rows.
    template <size R> static void tile_of(size depth, const u64* a, const u64* b, u64* out) {
        Lanes low[R];
        Halves cross[R];
        for (size r = 0; r < R; ++r) low[r] = Lanes{}, cross[r] = Halves{};
        for (; depth; --depth, a += MR, b += NR) {
            const __m256i column = _mm256_loadu_si256((const __m256i*)b), swapped = swap(column);
            for (size r = 0; r < R; ++r) {
                const __m256i row = _mm256_set1_epi64x((long long)a[r]);
                low[r] += Lanes(_mm256_mul_epu32(row, column));
                cross[r] += Halves(_mm256_mullo_epi32(row, swapped));
            }
        }
        for (size r = 0; r < R; ++r) {
            const Halves both = cross[r] + Halves(swap(__m256i(cross[r])));
            const Lanes sum = low[r] + (Lanes(both) << 32);
            std::memcpy(out + r * NR, &sum, sizeof sum);
        }
    }
    template <size R> static void dispatch(size rows, size depth, const u64* a, const u64* b, u64* out) {
        if constexpr (R > 1) {
            if (rows < R) return dispatch<R - 1>(rows, depth, a, b, out);
        }
        tile_of<R>(depth, a, b, out);
    }
    static void tile(size rows, size, size depth, const u64* a, const u64* b, u64* out) {
        dispatch<MR>(rows, depth, a, b, out);
    }
};

#else

struct Engine64 {
    using T = u64;
#if defined(__AVX512DQ__)
    static constexpr size LANES = 8, VECTORS = 4;
    using Vector = u64 __attribute__((vector_size(64)));
    static constexpr size MR = 6, KC = 384, MC = 120, NC = 2048;
#else
    static constexpr size LANES = 1, VECTORS = 4;
    using Vector = u64;
    static constexpr size MR = 2, KC = 256, MC = 128, NC = 2048;
#endif
    static constexpr size NR = LANES * VECTORS, LIMBS = 1;

    TERCET_INLINE void split(u64 value, u64* to, size) { *to = value; }

    template <size R, size V> static void tile_of(size depth, const u64* a, const u64* b, u64* out) {
        Vector sum[R][V];
        for (size r = 0; r < R; ++r)
            for (size v = 0; v < V; ++v) sum[r][v] = Vector{};
        for (size k = 0; k < depth; ++k, a += MR, b += NR) {
            Vector column[V];
            for (size v = 0; v < V; ++v) std::memcpy(&column[v], b + v * LANES, sizeof(Vector));
            for (size r = 0; r < R; ++r)
                for (size v = 0; v < V; ++v) sum[r][v] += column[v] * a[r];
        }
        for (size r = 0; r < R; ++r)
            for (size v = 0; v < V; ++v) std::memcpy(out + r * NR + v * LANES, &sum[r][v], sizeof(Vector));
    }
    template <size R> static void rows_of(size cols, size depth, const u64* a, const u64* b, u64* out) {
        static_assert(VECTORS == 2 || VECTORS == 4);
        if constexpr (VECTORS == 4) {
            if (cols > 3 * LANES) return tile_of<R, 4>(depth, a, b, out);
            if (cols > 2 * LANES) return tile_of<R, 3>(depth, a, b, out);
        }
        if (cols > LANES) return tile_of<R, 2>(depth, a, b, out);
        tile_of<R, 1>(depth, a, b, out);
    }
    template <size R> static void dispatch(size rows, size cols, size depth, const u64* a, const u64* b, u64* out) {
        if constexpr (R > 1) {
            if (rows < R) return dispatch<R - 1>(rows, cols, depth, a, b, out);
        }
        rows_of<R>(cols, depth, a, b, out);
    }
    static void tile(size rows, size cols, size depth, const u64* a, const u64* b, u64* out) {
        dispatch<MR>(rows, cols, depth, a, b, out);
    }
};

#endif

}  // namespace
