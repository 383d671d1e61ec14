// The 128-bit micro kernels: 52-bit limbs with AVX-512 IFMA, or the compiler's 128-bit integers.
#pragma once
#include "matmul.hpp"
#if defined(__AVX512IFMA__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512IFMA__)

// a = a0 + a1 2^52 + a2 2^104. Modulo 2^128 nine of the eighteen half products matter:
//   2^0:   lo(a0 b0)
//   2^52:  hi(a0 b0), lo(a0 b1), lo(a1 b0)
//   2^104: hi(a0 b1), hi(a1 b0), lo(a1 b1), lo(a0 b2), lo(a2 b0)
// Three terms below 2^52 a step let the middle sums run for 1365 steps before 64 bits overflow, so KC stays below that;
// of the last sums only 24 bits matter.
struct Engine128 {
    using T = u128;
    static constexpr size LANES = 8, VECTORS = 2, MR = 4, NR = LANES * VECTORS, LIMBS = 3;
    static constexpr size KC = 192, MC = 96, NC = 1024;
    static_assert(KC <= 1365);
    static constexpr u64 limb_mask = (u64(1) << 52) - 1;

    TERCET_INLINE void split(u128 value, u64* to, size pitch) {
        to[0] = value.lo & limb_mask;
        to[pitch] = ((value.lo >> 52) | (value.hi << 12)) & limb_mask;
        to[2 * pitch] = value.hi >> 40;
    }

    template <size R, size V> static void tile_of(size depth, const u64* a, const u64* b, u128* out) {
        __m512i sum0[R][V], sum1[R][V], sum2[R][V];
        for (size r = 0; r < R; ++r)
            for (size v = 0; v < V; ++v) sum0[r][v] = sum1[r][v] = sum2[r][v] = _mm512_setzero_si512();
        for (size k = 0; k < depth; ++k, a += 3 * MR, b += 3 * NR) {
            __m512i b0[V], b1[V], b2[V];
            for (size v = 0; v < V; ++v) {
                b0[v] = _mm512_loadu_si512(b + v * LANES);
                b1[v] = _mm512_loadu_si512(b + NR + v * LANES);
                b2[v] = _mm512_loadu_si512(b + 2 * NR + v * LANES);
            }
            for (size r = 0; r < R; ++r) {
                const __m512i a0 = _mm512_set1_epi64((long long)a[r]);
                for (size v = 0; v < V; ++v) {
                    sum0[r][v] = _mm512_madd52lo_epu64(sum0[r][v], a0, b0[v]);
                    sum1[r][v] = _mm512_madd52hi_epu64(sum1[r][v], a0, b0[v]);
                    sum2[r][v] = _mm512_madd52hi_epu64(sum2[r][v], a0, b1[v]);
                }
                for (size v = 0; v < V; ++v) {
                    sum1[r][v] = _mm512_madd52lo_epu64(sum1[r][v], a0, b1[v]);
                    sum2[r][v] = _mm512_madd52lo_epu64(sum2[r][v], a0, b2[v]);
                }
                const __m512i a1 = _mm512_set1_epi64((long long)a[MR + r]);
                for (size v = 0; v < V; ++v) {
                    sum1[r][v] = _mm512_madd52lo_epu64(sum1[r][v], a1, b0[v]);
                    sum2[r][v] = _mm512_madd52hi_epu64(sum2[r][v], a1, b0[v]);
                }
                const __m512i a2 = _mm512_set1_epi64((long long)a[2 * MR + r]);
                for (size v = 0; v < V; ++v) sum2[r][v] = _mm512_madd52lo_epu64(sum2[r][v], a1, b1[v]);
                for (size v = 0; v < V; ++v) sum2[r][v] = _mm512_madd52lo_epu64(sum2[r][v], a2, b0[v]);
            }
        }
        alignas(64) u64 s0[LANES], s1[LANES], s2[LANES];
        for (size r = 0; r < R; ++r) {
            for (size v = 0; v < V; ++v) {
                _mm512_store_si512(s0, sum0[r][v]);
                _mm512_store_si512(s1, sum1[r][v]);
                _mm512_store_si512(s2, sum2[r][v]);
                for (size i = 0; i < LANES; ++i)
                    out[r * NR + v * LANES + i] = n(wide(s0[i]) + (wide(s1[i]) << 52) + (wide(s2[i]) << 104));
            }
        }
    }
    template <size R> static void dispatch(size rows, size cols, size depth, const u64* a, const u64* b, u128* out) {
        if constexpr (R > 1) {
            if (rows < R) return dispatch<R - 1>(rows, cols, depth, a, b, out);
        }
        if (cols > LANES) tile_of<R, 2>(depth, a, b, out);
        else tile_of<R, 1>(depth, a, b, out);
    }
    static void tile(size rows, size cols, size depth, const u64* a, const u64* b, u128* out) {
        dispatch<MR>(rows, cols, depth, a, b, out);
    }
};

#else

struct Engine128 {
    using T = u128;
    static constexpr size MR = 2, NR = 2, LIMBS = 2, KC = 256, MC = 128, NC = 1024;

    TERCET_INLINE void split(u128 value, u64* to, size pitch) {
        to[0] = value.lo;
        to[pitch] = value.hi;
    }
    static void tile(size, size, size depth, const u64* a, const u64* b, u128* out) {
        wide sum[MR][NR] = {};
        for (size k = 0; k < depth; ++k, a += LIMBS * MR, b += LIMBS * NR)
            for (size r = 0; r < MR; ++r)
                for (size c = 0; c < NR; ++c)
                    sum[r][c] += wide(a[r]) * b[c] + (wide(a[r] * b[NR + c] + a[MR + r] * b[c]) << 64);
        for (size r = 0; r < MR; ++r)
            for (size c = 0; c < NR; ++c) out[r * NR + c] = n(sum[r][c]);
    }
};

#endif

}  // namespace
