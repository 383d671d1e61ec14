// The 128-bit micro kernels: 52-bit limbs with AVX-512 IFMA, 32-bit limbs with AVX2, or 128-bit integers of the compiler.
#pragma once
#include "matmul.hpp"
#if defined(__AVX512IFMA__) || (defined(__AVX2__) && !defined(__AVX512F__))
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

#elif defined(__AVX2__) && !defined(__AVX512F__)

// a = a0 + a1 2^32 + a2 2^64 + a3 2^96. Modulo 2^128 a sum of products is s0 + 2^32 s1 + 2^64 s2 + 2^96 s3 with
//   s0 = sum a0 b0              s2 = sum a0 b2 + a1 b1 + a2 b0
//   s1 = sum a0 b1 + a1 b0      s3 = sum a0 b3 + a1 b2 + a2 b1 + a3 b0
// of which 64 bits matter of s2 and 32 of s3: vpmulld does two of its products, in the halves of a lane. What s0 and s1
// lose modulo 2^64, 2^64 c0 and 2^64 c1, is found once at the end, not step by step, from a sum in doubles:
//   near = sum a0 b' + a' b0 = 2 s0 + 2^32 s1, with a' = a0 + 2^32 a1.
// It is 2^65 (c0 + 2^31 c1) above what s0 and s1 kept, so an error below 2^64 does no harm. The sum of at most 512
// products below 2^96 stays below 2^105. Each addition and the difference round by at most 2^52, in any rounding mode, a'
// and b' by 2^11 times 2^32, what is known by 2^45: less than 2^62 in all.
struct Engine128 {
    using T = u128;
    using Lanes = u64 __attribute__((vector_size(32)));
    using Halves = std::uint32_t __attribute__((vector_size(32)));
    using Reals = double __attribute__((vector_size(32)));
    static constexpr size MR = 2, NR = 4, KC = 192, MC = 32, NC = 512;
    static constexpr size LIMBS = 4;  // the words' two halves, a0 and a' as doubles
    static_assert(2 * KC <= 512);

    TERCET_INLINE __m256i load(const u64* from) { return _mm256_loadu_si256((const __m256i*)from); }
    TERCET_INLINE __m256i all(const u64* from) { return _mm256_set1_epi64x((long long)*from); }
    TERCET_INLINE __m256i all_high(const u64* from) {
        std::uint32_t high;
        std::memcpy(&high, (const char*)from + 4, 4);
        return _mm256_set1_epi32(int(high));
    }
    TERCET_INLINE __m256i swap(__m256i halves) { return _mm256_shuffle_epi32(halves, 0xb1); }

    // a lane's bits below and above 2^32 as doubles, by way of 2^52 + low and 2^84 + high
    TERCET_INLINE Reals low_half(Lanes a) { return Reals((a & 0xffffffff) | 0x4330000000000000) - 0x1p52; }
    TERCET_INLINE Reals high_half(Lanes a) { return Reals((a >> 32) | 0x4530000000000000) - 0x1p84; }

    // One limb of four words: of one step of depth, or two of this step and, if there is one, two of the next.
    template <size WIDTH> TERCET_INLINE void put(Lanes limb, u64* to, bool next) {
        if constexpr (WIDTH == 4) {
            _mm256_storeu_si256((__m256i*)to, __m256i(limb));
        } else {
            _mm_storeu_si128((__m128i*)to, _mm256_castsi256_si128(__m256i(limb)));
            if (next) _mm_storeu_si128((__m128i*)(to + LIMBS * WIDTH), _mm256_extracti128_si256(__m256i(limb), 1));
        }
    }
    template <size WIDTH> TERCET_INLINE void put_words(const char* const (&word)[4], u64* to, bool next) {
        const __m256i even = _mm256_loadu2_m128i((const __m128i*)word[2], (const __m128i*)word[0]);
        const __m256i odd = _mm256_loadu2_m128i((const __m128i*)word[3], (const __m128i*)word[1]);
        const Lanes lo = Lanes(_mm256_unpacklo_epi64(even, odd)), hi = Lanes(_mm256_unpackhi_epi64(even, odd));
        const Reals half = low_half(lo);
        put<WIDTH>(lo, to, next);
        put<WIDTH>(hi, to + WIDTH, next);
        put<WIDTH>(Lanes(half), to + 2 * WIDTH, next);
        put<WIDTH>(Lanes(half + high_half(lo)), to + 3 * WIDTH, next);
    }
    template <size WIDTH>
    __attribute__((noinline)) static void pack(tercet::Matrix from, size have, size depth, u64* panel) {
        static_assert(WIDTH == 2 || WIDTH == 4);
        static constexpr u128 zero{};
        constexpr size steps = 4 / WIDTH;
        const char* word[4];
        std::ptrdiff_t stride[4];
        for (size i = 0; i < 4; ++i) {
            const bool there = i % WIDTH < have;
            word[i] = there ? from.data + std::ptrdiff_t(i % WIDTH) * from.row + std::ptrdiff_t(i / WIDTH) * from.col
                            : reinterpret_cast<const char*>(&zero);
            stride[i] = there ? from.col * std::ptrdiff_t(steps) : 0;
        }
        for (; depth >= steps; depth -= steps, panel += steps * LIMBS * WIDTH) {
            put_words<WIDTH>(word, panel, true);
            for (size i = 0; i < 4; ++i) word[i] += stride[i];
        }
        if (depth) {
            word[2] = word[3] = reinterpret_cast<const char*>(&zero);
            put_words<WIDTH>(word, panel, false);
        }
    }

    // Added at once: the compiler would first add products to each other, for which there are no registers.
    TERCET_INLINE void add(Lanes& sum, __m256i a, __m256i b) {
        Lanes next = sum + Lanes(_mm256_mul_epu32(a, b));
        asm("" : "+x"(next));
        sum = next;
    }
    TERCET_INLINE void add_both(Halves& sum, __m256i a, __m256i b) {
        Halves next = sum + Halves(_mm256_mullo_epi32(a, b));
        asm("" : "+x"(next));
        sum = next;
    }
    TERCET_INLINE void add(Reals& sum, const u64* a, const u64* b) {
        sum = Reals(_mm256_fmadd_pd(__m256d(all(a)), __m256d(load(b)), __m256d(sum)));
    }

    TERCET_INLINE void finish(Lanes s0, Lanes s1, Lanes s2, Halves s3, Reals near, u128* out) {
        const Reals known = 2 * (low_half(s0) + high_half(s0)) + 0x1p32 * (low_half(s1) + high_half(s1));
        const Reals lost = Reals(_mm256_round_pd(__m256d((near - known) * 0x1p-65), _MM_FROUND_TO_NEAREST_INT));
        const Lanes c = Lanes(lost + 0x1p52) & ((u64(1) << 52) - 1), c0 = c & 0x7fffffff, c1 = c >> 31;
        const Lanes lo = s0 + (s1 << 32), carry = Lanes(lo < s0);  // 0 or -1
        const Lanes top = Lanes(s3 + Halves(swap(__m256i(s3)))) << 32;
        const Lanes hi = (s1 >> 32) - carry + c0 + (c1 << 32) + s2 + top;
        const __m256i even = _mm256_unpacklo_epi64(__m256i(lo), __m256i(hi));
        const __m256i odd = _mm256_unpackhi_epi64(__m256i(lo), __m256i(hi));
        _mm256_storeu_si256((__m256i*)out, _mm256_permute2x128_si256(even, odd, 0x20));
        _mm256_storeu_si256((__m256i*)(out + 2), _mm256_permute2x128_si256(even, odd, 0x31));
    }

    // Inlined, the loop would not get all registers.
    template <size R>
    __attribute__((noinline)) static void tile_of(size depth, const u64* a, const u64* b, u128* out) {
        Lanes s0[R], s1[R], s2[R];
        Halves s3[R];
        Reals near[R];
        for (size r = 0; r < R; ++r) s0[r] = s1[r] = s2[r] = Lanes{}, s3[r] = Halves{}, near[r] = Reals{};
        for (; depth; --depth, a += LIMBS * MR, b += LIMBS * NR) {
            const __m256i b01 = load(b), b10 = swap(b01), b23 = load(b + NR), b32 = swap(b23);
            for (size r = 0; r < R; ++r) {
                const __m256i a01 = all(a + r);
                add(s0[r], a01, b01);
                add(s1[r], a01, b10);
                add(s2[r], a01, b23);
                add_both(s3[r], a01, b32);
                const __m256i a11 = all_high(a + r);
                add(s1[r], a11, b01);
                add(s2[r], a11, b10);
                const __m256i a23 = all(a + MR + r);
                add(s2[r], a23, b01);
                add_both(s3[r], a23, b10);
                add(near[r], a + 2 * MR + r, b + 3 * NR);
                add(near[r], a + 3 * MR + r, b + 2 * NR);
            }
        }
        for (size r = 0; r < R; ++r) finish(s0[r], s1[r], s2[r], s3[r], near[r], out + r * NR);
    }
    static void tile(size rows, size, size depth, const u64* a, const u64* b, u128* out) {
        if (rows > 1) tile_of<2>(depth, a, b, out);
        else tile_of<1>(depth, a, b, out);
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
