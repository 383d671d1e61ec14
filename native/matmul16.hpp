// Matrix product modulo 2^16 of words of 64 bits, of which the low 16 count.
//
// The factor a is narrowed row by row; of b, pairs of neighbours along the depth lie side by side in 32 bits, so that one
// instruction multiplies two and adds them to a sum modulo 2^32. The signs of 16 bits do not matter modulo 2^16.
#pragma once
#include <cstdlib>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "matmul.hpp"
#include "words.hpp"

namespace {

using u16 = std::uint16_t;

struct Engine16 {
#if defined(__AVX512BW__)
    static constexpr size LANES = 16, MR = 12, VECTORS = 2;
    using Vector = __m512i;
    TERCET_INLINE Vector zero() { return _mm512_setzero_si512(); }
    TERCET_INLINE Vector all(u32 pair) { return _mm512_set1_epi32(int(pair)); }
    TERCET_INLINE Vector step(Vector sum, Vector x, Vector y) {
#if defined(__AVX512VNNI__)
        return _mm512_dpwssd_epi32(sum, x, y);
#else
        return _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
#endif
    }
    TERCET_INLINE size narrow(const char* from, size count, u16* to) {
        size k = 0;
        for (; k + 32 <= count; k += 32) {
            const char* at = from + k * sizeof(u64);
            for (size part = 0; part < 4; ++part)
                _mm_storeu_si128((__m128i*)(to + k + 8 * part),
                                 _mm512_cvtepi64_epi16(_mm512_loadu_si512(at + 64 * part)));
        }
        return k;
    }
#elif defined(__AVX2__)
    static constexpr size LANES = 8, MR = 6, VECTORS = 2;
    using Vector = __m256i;
    TERCET_INLINE Vector zero() { return _mm256_setzero_si256(); }
    TERCET_INLINE Vector all(u32 pair) { return _mm256_set1_epi32(int(pair)); }
    TERCET_INLINE Vector step(Vector sum, Vector x, Vector y) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
    }
    TERCET_INLINE size narrow(const char*, size, u16*) { return 0; }
#elif defined(__SSE2__)
    static constexpr size LANES = 4, MR = 4, VECTORS = 2;
    using Vector = __m128i;
    TERCET_INLINE Vector zero() { return _mm_setzero_si128(); }
    TERCET_INLINE Vector all(u32 pair) { return _mm_set1_epi32(int(pair)); }
    TERCET_INLINE Vector step(Vector sum, Vector x, Vector y) { return _mm_add_epi32(sum, _mm_madd_epi16(x, y)); }
    TERCET_INLINE size narrow(const char*, size, u16*) { return 0; }
#else
    static constexpr size LANES = 4, MR = 4, VECTORS = 2;
    using Vector = u32 __attribute__((vector_size(16)));
    TERCET_INLINE Vector zero() { return Vector{}; }
    TERCET_INLINE Vector all(u32 pair) { return Vector{} + pair; }
    TERCET_INLINE Vector step(Vector sum, Vector x, Vector y) {
        return sum + (x & 0xffff) * (y & 0xffff) + (x >> 16) * (y >> 16);
    }
    TERCET_INLINE size narrow(const char*, size, u16*) { return 0; }
#endif
    TERCET_INLINE Vector load(const u16* from) {
        Vector found;
        std::memcpy(&found, from, sizeof found);
        return found;
    }
    static constexpr size NR = LANES * VECTORS, KC = 2048, NC = 256;

    // out[k] = the low half word of element (0, k), and zeros up to an even count
    static void row(const char* from, std::ptrdiff_t col, size count, u16* to) {
        size k = 0;
        if (col == std::ptrdiff_t(sizeof(u64))) {
            k = narrow(from, count, to);
            for (; k < count; ++k) std::memcpy(to + k, from + k * sizeof(u64), sizeof(u16));
        } else {
            for (; k < count; ++k) std::memcpy(to + k, from + std::ptrdiff_t(k) * col, sizeof(u16));
        }
        if (k % 2) to[k] = 0;
    }

    // panel[(k / 2) * 2 NR + 2 j + k % 2] = the low half word of element (k, j); zeros beyond
    static void panel(tercet::Matrix b, size cols, size depth, u16* to) {
        const size pairs = (depth + 1) / 2;
        std::memset(to, 0, pairs * 2 * NR * sizeof(u16));
        for (size k = 0; k < depth; ++k) {
            const char* from = b.data + std::ptrdiff_t(k) * b.row;
            u16* line = to + (k / 2) * 2 * NR + k % 2;
            for (size j = 0; j < cols; ++j) std::memcpy(line + 2 * j, from + std::ptrdiff_t(j) * b.col, sizeof(u16));
        }
    }

    // What row r adds, with r constant from the start: only then does the compiler keep all sums in registers.
    // Meanwhile the memory of the rows that come next is asked for: a cache line of each row, 8 words, for 4 pairs.
    template <size... R>
    static void tile_of(std::index_sequence<R...>, size pairs, const u16* a, size pitch, const u16* b,
                        tercet::Matrix next, u32* out) {
        static_assert(VECTORS == 2);
        Vector left[sizeof...(R)], right[sizeof...(R)];
        ((left[R] = right[R] = zero()), ...);
        for (size k = 0; k < pairs; ++k, b += 2 * NR) {
            const Vector first = load(b), second = load(b + 2 * LANES);
            if (next.data && k % 4 == 0)
                (__builtin_prefetch(next.data + std::ptrdiff_t(R) * next.row + std::ptrdiff_t(2 * k) * next.col, 0, 2),
                 ...);
            const auto add = [&](const u16* row, Vector& l, Vector& r) __attribute__((always_inline)) {
                u32 pair;
                std::memcpy(&pair, row, sizeof pair);
                const Vector x = all(pair);
                l = step(l, x, first);
                r = step(r, x, second);
            };
            (add(a + R * pitch + 2 * k, left[R], right[R]), ...);
        }
        ((std::memcpy(out + R * NR, &left[R], sizeof(Vector)),
          std::memcpy(out + R * NR + LANES, &right[R], sizeof(Vector))),
         ...);
    }
    template <size R>
    static void tile(size rows, size pairs, const u16* a, size pitch, const u16* b, tercet::Matrix next, u32* out) {
        if constexpr (R > 1) {
            if (rows < R) return tile<R - 1>(rows, pairs, a, pitch, b, next, out);
        }
        tile_of(std::make_index_sequence<R>{}, pairs, a, pitch, b, next, out);
    }

    static void blocked(size rows, size cols, size depth, tercet::Matrix a, tercet::Matrix b, Result<u64> c) {
        const size kc = smaller(round_up(depth, 2), KC), nc = smaller(round_up(cols, NR), NC);
        const size bytes = (kc * nc + kc * MR) * sizeof(u16);
        u16* packed_b = static_cast<u16*>(std::aligned_alloc(64, round_up(bytes + 64, 64)));
        if (!packed_b) std::abort();
        u16* lines = packed_b + kc * nc;
        alignas(64) u32 sums[MR * NR];
        for (size j0 = 0; j0 < cols; j0 += nc) {
            const size js = smaller(nc, cols - j0);
            for (size k0 = 0; k0 < depth; k0 += kc) {
                const size ks = smaller(kc, depth - k0), pairs = (ks + 1) / 2;
                for (size j = 0; j < js; j += NR)
                    panel({b.data + std::ptrdiff_t(k0) * b.row + std::ptrdiff_t(j0 + j) * b.col, b.row, b.col},
                          smaller(NR, js - j), ks, packed_b + j * 2 * pairs);
                for (size i = 0; i < rows; i += MR) {
                    const size is = smaller(MR, rows - i);
                    for (size r = 0; r < is; ++r)
                        row(a.data + std::ptrdiff_t(i + r) * a.row + std::ptrdiff_t(k0) * a.col, a.col, ks,
                            lines + r * kc);
                    const bool more = i + 2 * MR <= rows && a.col == std::ptrdiff_t(sizeof(u64));
                    const char* following = a.data + std::ptrdiff_t(i + MR) * a.row + std::ptrdiff_t(k0) * a.col;
                    const tercet::Matrix next{more ? following : nullptr, a.row, a.col};
                    for (size j = 0; j < js; j += NR) {
                        tile<MR>(is, pairs, lines, kc, packed_b + j * 2 * pairs, j ? tercet::Matrix{} : next, sums);
                        for (size r = 0; r < is; ++r) {
                            u64* to = c.data + (i + r) * c.row + (j0 + j) * c.col;
                            for (size v = 0; v < smaller(NR, js - j); ++v, to += c.col)
                                *to = ((k0 ? *to : 0) + sums[r * NR + v]) & 0xffff;
                        }
                    }
                }
            }
        }
        std::free(packed_b);
    }

    // out (rows x cols, its rows `pitch` words apart) = a (rows x depth) @ b (depth x cols) modulo 2^16, depth > 0
    static void matmul(size rows, size cols, size depth, tercet::Matrix a, tercet::Matrix b, void* out, size pitch) {
        u64* c = static_cast<u64*>(out);
        if (cols > rows)  // the longer side of the result is gone through row by row
            return blocked(cols, rows, depth, {b.data, b.col, b.row}, {a.data, a.col, a.row}, {c, 1, pitch});
        blocked(rows, cols, depth, a, b, {c, pitch, 1});
    }
};

}  // namespace
