// Public combinations of words, and sums of shared bits with public coefficients: one pass through memory each, in
// blocks that stay in the cache.
#pragma once
#include "planes.hpp"
#include "words.hpp"

namespace {

constexpr size COMBINED = 512;  // words in a block; eight fields are whole bytes, so a block of fields begins with one

template <class T> struct Combine {
    // constant + the sum of factors times arrays
    static void sum(size count, unsigned terms, const void* const* arrays, const void* factors_, u64 k_lo, u64 k_hi,
                    void* out_) {
        const T* factors = static_cast<const T*>(factors_);
        const T constant = Traits<T>::of(k_lo, k_hi);
        T* out = static_cast<T*>(out_);
        for (size at = 0; at < count; at += COMBINED) {
            const size have = count - at < COMBINED ? count - at : COMBINED;
            T total[COMBINED];
            for (size i = 0; i < have; ++i) total[i] = constant;
            for (unsigned k = 0; k < terms; ++k) {
                const T *x = static_cast<const T*>(arrays[k]) + at, factor = factors[k];
                for (size i = 0; i < have; ++i) total[i] = total[i] + x[i] * factor;
            }
            for (size i = 0; i < have; ++i) out[at + i] = total[i];
        }
    }

    // D: each bit less what is drawn, modulo 2^width, as fields; `drawn` and `out` are the fields of all bits in turn
    static void deal_bits(size count, unsigned bits, const u64* planes, const unsigned* widths,
                          const std::uint8_t* drawn, std::uint8_t* out) {
        const size words = (count + 63) / 64;
        for (unsigned k = 0; k < bits; ++k) {
            const unsigned m = widths[k];
            for (size at = 0; at < count; at += COMBINED) {
                const size have = count - at < COMBINED ? count - at : COMBINED;
                T term[COMBINED];
                Fields<T>::unpack(have, drawn + at / 8 * m, m, term);
                const u64* plane = planes + k * words + at / 64;
                for (size i = 0; i < have; ++i) term[i] = Traits<T>::of(plane[i / 64] >> (i % 64) & 1) - term[i];
                Fields<T>::pack(have, term, m, out + at / 8 * m);
            }
            drawn += (count * m + 7) / 8;
            out += (count * m + 7) / 8;
        }
    }

    // A and B: of each line of bits, from one of `starts` to the next, the sum of (1 - 2 bit) times its part and that of
    // the bits; `parts` are fields of m bits
    static void signed_counts(size count, unsigned m, const u64* plane, const std::uint8_t* parts, size lines,
                           const u64* starts, u64* terms, u64* bits) {
        for (size line = 0; line < lines; ++line) terms[line] = bits[line] = 0;
        size line = 0;
        for (size at = 0; at < count; at += COMBINED) {
            const size have = count - at < COMBINED ? count - at : COMBINED;
            T term[COMBINED];
            Fields<T>::unpack(have, parts + at / 8 * m, m, term);
            const u64* word = plane + at / 64;
            for (size i = 0; i < have; ++i) {
                const T minus = Traits<T>::of(0) - Traits<T>::of(word[i / 64] >> (i % 64) & 1);
                term[i] = (term[i] ^ minus) - minus;
            }
            for (size i = 0; i < have;) {
                while (line + 1 < lines && starts[line + 1] <= at + i) ++line;
                const size stop = line + 1 < lines && starts[line + 1] - at < have ? starts[line + 1] - at : have;
                u64 sum = 0, set = 0;
                for (size j = i; j < stop; ++j) sum += term[j];
                for (size j = i; j < stop; ++j) set += word[j / 64] >> (j % 64) & 1;
                terms[line] += sum;
                bits[line] += set;
                i = stop;
            }
        }
    }

    // A and B: of sums s with a constant and a coefficient for each bit, this party's part of the cross term less its
    // mask (`sent`), and that plus what both know (`kept`); `parts` are the fields of all bits in turn
    static void sum_bits(size count, unsigned bits, unsigned sums, const u64* planes, const unsigned* widths,
                         const std::uint8_t* parts, const void* constants_, const void* factors_, const void* mask_,
                         void* sent_, void* kept_) {
        const size words = (count + 63) / 64;
        const T *constants = static_cast<const T*>(constants_), *factors = static_cast<const T*>(factors_);
        const T* mask = static_cast<const T*>(mask_);
        T *sent = static_cast<T*>(sent_), *kept = static_cast<T*>(kept_);
        const T zero = Traits<T>::of(0);
        for (size at = 0; at < count; at += COMBINED) {
            const size have = count - at < COMBINED ? count - at : COMBINED;
            for (unsigned s = 0; s < sums; ++s)
                for (size i = 0; i < have; ++i) {
                    sent[s * count + at + i] = zero - mask[s * count + at + i];
                    kept[s * count + at + i] = constants[s];
                }
            const std::uint8_t* part = parts;
            for (unsigned k = 0; k < bits; ++k) {
                const unsigned m = widths[k];
                T term[COMBINED], beta[COMBINED];
                Fields<T>::unpack(have, part + at / 8 * m, m, term);
                part += (count * m + 7) / 8;
                const u64* plane = planes + k * words + at / 64;
                for (size i = 0; i < have; ++i) {
                    const T bit = Traits<T>::of(plane[i / 64] >> (i % 64) & 1), twice = term[i] + term[i];
                    beta[i] = bit;
                    term[i] = term[i] - (twice & (zero - bit));  // (1 - 2 bit) term
                }
                for (unsigned s = 0; s < sums; ++s) {
                    const T factor = factors[s * bits + k];
                    T *to = sent + s * count + at, *too = kept + s * count + at;
                    for (size i = 0; i < have; ++i) {
                        to[i] = to[i] + term[i] * factor;
                        too[i] = too[i] + (factor & (zero - beta[i]));
                    }
                }
            }
            for (unsigned s = 0; s < sums; ++s)
                for (size i = 0; i < have; ++i) {
                    const size to = s * count + at + i;
                    kept[to] = kept[to] + sent[to];
                }
        }
    }
};

}  // namespace
