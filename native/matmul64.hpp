// The 64-bit micro kernel: MR rows by VECTORS vectors of columns, all sums in registers.
#pragma once
#include "matmul.hpp"

namespace {

struct Engine64 {
    using T = u64;
#if defined(__AVX512DQ__)
    static constexpr size LANES = 8, VECTORS = 4;
    using Vector = u64 __attribute__((vector_size(64)));
    static constexpr size MR = 6, KC = 384, MC = 120, NC = 2048;
#elif defined(__AVX2__)
    static constexpr size LANES = 4, VECTORS = 2;
    using Vector = u64 __attribute__((vector_size(32)));
    static constexpr size MR = 4, KC = 256, MC = 128, NC = 2048;
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

}  // namespace
